/**
 * Decision records as the plugin finds them: in a DecisionLog object, or in a file of JSON lines such as the operator's
 * stdout. Called by record-commands.ts; verify.ts and replay.ts judge what is found.
 */
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { z } from 'zod';
import { decisionLogSchema } from '../core/decision-log-schema.ts';
import { RECORD_KIND } from '../core/decision-record.ts';
import { unpackLine } from '../record-chain.ts';

/** One record, not yet believed. */
export interface FoundRecord {
  /** Where it stands, for people. */
  readonly place: string;
  /** Undefined: not even JSON. */
  readonly value: unknown;
  /** What the object says of it outside of the packed text. */
  readonly label:
    | { readonly sequence: number; readonly hash: string; readonly decision: string; readonly reason: string }
    | undefined;
}

export interface RecordList {
  /** namespace/name */
  readonly rollout: string;
  /** What a DecisionLog names and does not hold; a file does not know. */
  readonly dropped: { readonly count: number; readonly hash: string } | undefined;
  readonly found: readonly FoundRecord[];
}

const logShape = decisionLogSchema.loose();

/** @throws {z.ZodError} when it is no DecisionLog */
export function recordsInLog(rollout: string, object: unknown): RecordList {
  const { dropped, records } = logShape.parse(object);
  const found = records.map(({ data, sequence, hash, decision, reason }, index) => ({
    place: `records[${index}]`,
    value: unpacked(data),
    label: { sequence, hash, decision, reason },
  }));
  return { rollout, dropped, found };
}

function unpacked(data: string): unknown {
  try {
    return JSON.parse(unpackLine(data));
  } catch {
    return undefined; // verify.ts says so of this record.
  }
}

const named = z.looseObject({ rollout: z.looseObject({ namespace: z.string(), name: z.string() }) });

/** A list a rollout, in the order of the lines; other lines of a log are passed over. */
export function recordsInText(text: string): readonly RecordList[] {
  const lists = new Map<string, FoundRecord[]>();
  for (const [index, line] of text.split('\n').entries()) {
    if (!line.includes(RECORD_KIND)) continue;
    const value = lineValue(line);
    const names = named.safeParse(value).data?.rollout;
    const rollout = names === undefined ? 'unknown' : `${names.namespace}/${names.name}`;
    const list = lists.get(rollout) ?? [];
    list.push({ place: `line ${index + 1}`, value, label: undefined });
    lists.set(rollout, list);
  }
  return [...lists].map(([rollout, found]) => ({ rollout, dropped: undefined, found }));
}

/** With or without what `kubectl logs --prefix` or a collector puts before it. */
function lineValue(line: string): unknown {
  try {
    return JSON.parse(line.slice(Math.max(0, line.indexOf('{'))));
  } catch {
    return undefined;
  }
}

/** `-` is standard input. @throws when the file cannot be read */
export async function readText(path: string): Promise<string> {
  return path === '-' ? await textOf(process.stdin) : await readFile(path, 'utf8');
}
