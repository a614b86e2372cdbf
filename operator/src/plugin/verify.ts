/**
 * Whether decision records are what they were when they were made: each hash, the chain, and every verdict and decision made
 * again from the record's own observation. Pure; called by record-commands.ts.
 */
import { differences, rejudge } from '../core/decision-record.ts';
import { type ChainRecord, GENESIS, isIntact, recordShape } from '../record-chain.ts';
import { painter } from './drawing.ts';
import type { FoundRecord, RecordList } from './records.ts';

export interface RecordFinding {
  /** Undefined where it cannot be read. */
  readonly sequence: number | undefined;
  readonly place: string;
  readonly time: string;
  readonly decision: string;
  /** The weight that was written. */
  readonly weight: number | undefined;
  readonly problems: readonly string[];
  /** What the operator itself said to be missing before this record. */
  readonly gap: string | undefined;
}

export interface VerifyReport {
  readonly rollout: string;
  readonly isRight: boolean;
  /** How many older records are not here, and the hash that stands for them. */
  readonly before: { readonly count: number; readonly hash: string };
  readonly records: readonly RecordFinding[];
}

interface Walk {
  readonly records: RecordFinding[];
  /** The record before, as it says of itself; undefined before the first. */
  last: { readonly sequence: number; readonly hash: string; readonly actor: string } | undefined;
  before: VerifyReport['before'] | undefined;
}

/** @param others hashes by sequence from another copy; a record that both have must be the same */
export function verifyList(list: RecordList, others?: ReadonlyMap<number, string>): VerifyReport {
  const last = list.dropped && { sequence: list.dropped.count, hash: list.dropped.hash, actor: '' };
  const walk: Walk = { records: [], last, before: list.dropped };
  for (const found of list.found) look(walk, found, others);
  return {
    rollout: list.rollout,
    isRight: walk.records.every(({ problems }) => problems.length === 0),
    before: walk.before ?? { count: 0, hash: GENESIS },
    records: walk.records,
  };
}

function look(walk: Walk, found: FoundRecord, others: ReadonlyMap<number, string> | undefined): void {
  const parsed = recordShape.safeParse(found.value);
  if (!parsed.success) {
    walk.records.push(unreadable(found));
    // The chain goes on behind it: what its label says is what the next one must follow.
    if (found.label !== undefined && walk.last !== undefined) walk.last = { ...found.label, actor: '' };
    return;
  }
  const record = parsed.data;
  // Collectors deliver at least once.
  if (walk.last?.sequence === record.sequence && walk.last.hash === record.hash && isIntact(record)) return;
  walk.before ??= { count: record.sequence - 1, hash: record.previous };
  const copy = others?.get(record.sequence);
  const problems = [
    ...(isIntact(record) ? [] : ['was changed: its hash does not fit what it says']),
    ...chainProblems(walk.last, record),
    ...labelProblems(found, record),
    ...(copy === undefined || copy === record.hash ? [] : ['is another one in the other copy']),
    ...judgementProblems(record),
  ];
  walk.records.push(findingOf(record, found.place, problems));
  walk.last = { sequence: record.sequence, hash: record.hash, actor: actorOf(record) };
}

function unreadable({ place, label }: FoundRecord): RecordFinding {
  const decision = label === undefined ? '' : `${label.decision} ${label.reason}`;
  const problems = ['cannot be read: it is no decision record of a format that this version knows'];
  return { sequence: label?.sequence, place, time: '', decision, weight: undefined, problems, gap: undefined };
}

function actorOf({ actor }: ChainRecord): string {
  return `${actor.pod} (token ${actor.token})`;
}

function chainProblems(last: Walk['last'], record: ChainRecord): readonly string[] {
  const { sequence, previous } = record;
  if (last === undefined) {
    return sequence > 1 || previous === GENESIS ? [] : ['is the first one and names a record before it'];
  }
  if (sequence === last.sequence) return [`is there twice: by ${last.actor} and by ${actorOf(record)}`];
  if (sequence < last.sequence) return [`was moved: it stands behind #${last.sequence}`];
  if (sequence > last.sequence + 1) return [missing(last.sequence + 1, sequence - 1)];
  return previous === last.hash ? [] : [`does not follow #${last.sequence}: it names another record before it`];
}

function missing(from: number, to: number): string {
  return from === to ? `#${from} is missing before it` : `#${from} to #${to} are missing before it`;
}

function labelProblems({ label }: FoundRecord, { sequence, hash, decision }: ChainRecord): readonly string[] {
  if (label === undefined) return [];
  const isSame =
    label.sequence === sequence &&
    label.hash === hash &&
    label.decision === decision.kind &&
    label.reason === decision.reason;
  return isSame ? [] : ['is labelled as another one'];
}

/** Judge and decide again on what was observed. */
function judgementProblems(record: ChainRecord): readonly string[] {
  try {
    const again = rejudge(record.observation);
    const verdicts = differences(record.judgement, again.judgement, 'judgement');
    const decision = differences(record.decision, again.decision, 'decision');
    const wrong = [...verdicts, ...decision];
    if (wrong.length === 0) return [];
    const { kind, reason } = again.decision;
    return [`would be ${kind} ${reason} now (written by version ${record.actor.version}): ${wrong.join(', ')} differ`];
  } catch (error) {
    return [`cannot be judged again: ${error instanceof Error ? error.message : 'no observation'}`];
  }
}

function findingOf(record: ChainRecord, place: string, problems: readonly string[]): RecordFinding {
  const { sequence, time, decision, gap } = record;
  const { kind, reason, write } = decision;
  return { sequence, place, time, decision: `${kind} ${reason}`, weight: write?.weight, problems, gap };
}

/** One line a record, one more for each thing that is not right. */
export function drawReport({ rollout, records, before }: VerifyReport, hasColour: boolean): readonly string[] {
  const paint = painter(hasColour);
  const wrong = records.filter(({ problems }) => problems.length > 0).length;
  const older = before.count === 0 ? '' : `, ${before.count} older ones are named by hash ${before.hash.slice(0, 12)}`;
  const verdict = wrong === 0 ? paint('all right', 'green') : paint(`${wrong} not right`, 'red');
  return [
    paint(rollout, 'bold'),
    ...records.flatMap((finding) => {
      const ok = finding.problems.length === 0 ? paint('ok', 'green') : '';
      return [
        ...(finding.gap === undefined ? [] : [paint(`       gap: ${finding.gap}`, 'yellow')]),
        `${recordText(finding)}  ${ok}`.trimEnd(),
        ...finding.problems.map((problem) => paint(`       ✗ ${problem}`, 'red')),
      ];
    }),
    `${records.length} records: ${verdict}${older}`,
  ];
}

export function recordText({
  sequence,
  place,
  time,
  decision,
  weight,
}: Omit<RecordFinding, 'problems' | 'gap'>): string {
  const number = sequence === undefined ? place : `#${sequence}`;
  const at = time.slice(0, 19).replace('T', ' ');
  const to = weight === undefined ? '' : `→ ${weight} %`;
  return `  ${number.padEnd(5)} ${at.padEnd(19)}  ${decision.padEnd(26)} ${to.padEnd(7)}`;
}
