/**
 * What another policy would have decided on the same records. Each record stands alone: it is judged from what was observed
 * then, not from what the other policy would have made of the records before it. Pure; called by record-commands.ts.
 */
import { observationIn, rejudge } from '../core/decision-record.ts';
import { type Policy, underPolicy } from '../core/policy.ts';
import { toJson } from '../core/record-json.ts';
import { type ChainRecord, recordShape } from '../record-chain.ts';
import { painter } from './drawing.ts';
import type { RecordList } from './records.ts';
import { recordText } from './verify.ts';

type Shown = { readonly decision: string; readonly weight: number | undefined; readonly message: string };

export interface ReplayedRecord {
  readonly sequence: number;
  readonly time: string;
  readonly old: Shown;
  readonly new: Shown;
  readonly isSame: boolean;
}

export interface Replay {
  readonly rollout: string;
  readonly records: readonly ReplayedRecord[];
  /** Records that are none, or hold no observation. */
  readonly skipped: number;
}

const decisionShape = recordShape.shape.decision;

/** @param old what the other policy is held against; undefined: what was decided then */
export function replayList(list: RecordList, policy: Partial<Policy>, old?: Partial<Policy>): Replay {
  const records = list.found.flatMap(({ value }) => {
    const record = recordShape.safeParse(value).data;
    const one = record && replayed(record, policy, old);
    return one === undefined ? [] : [one];
  });
  return { rollout: list.rollout, records, skipped: list.found.length - records.length };
}

function replayed(record: ChainRecord, policy: Partial<Policy>, old?: Partial<Policy>): ReplayedRecord | undefined {
  try {
    const before = old === undefined ? shownOf(record.decision) : decidedUnder(record, old);
    const after = decidedUnder(record, policy);
    const isSame = before.decision === after.decision && before.weight === after.weight;
    return { sequence: record.sequence, time: record.time, old: before, new: after, isSame };
  } catch {
    return undefined; // Counted as skipped; verify says what is wrong with it.
  }
}

function decidedUnder({ observation }: ChainRecord, policy: Partial<Policy>): Shown {
  const changed = underPolicy(observationIn(observation), policy);
  return shownOf(decisionShape.parse(rejudge(toJson(changed)).decision));
}

function shownOf({ kind, reason, message, write }: ChainRecord['decision']): Shown {
  return { decision: `${kind} ${reason}`, weight: write?.weight, message };
}

/** One line a record; where the decision would be another, what it would be and why. */
export function drawReplay({ rollout, records, skipped }: Replay, hasColour: boolean): readonly string[] {
  const paint = painter(hasColour);
  const others = records.filter(({ isSame }) => !isSame).length;
  return [
    paint(rollout, 'bold'),
    ...records.flatMap(({ sequence, time, old, new: other, isSame }) => {
      const line = recordText({ sequence, place: '', time, decision: old.decision, weight: old.weight });
      if (isSame) return [`${line}  ${paint('same', 'dim')}`];
      const to = other.weight === undefined ? '' : ` → ${other.weight} %`;
      return [line.trimEnd(), paint(`       would be ${other.decision}${to}: ${other.message}`, 'yellow')];
    }),
    `${others} of ${records.length} would be other decisions${skipped === 0 ? '' : `; ${skipped} cannot be read`}`,
  ];
}
