/**
 * The newest records of one rollout, as the DecisionLog object holds them and as the leader remembers them. Values only:
 * decision-log.ts reads and writes the object, and says the lines.
 */
import { z } from 'zod';
import {
  decisionLogSchema,
  type LogEntry,
  MAX_LOG_BYTES,
  MAX_RECORD_BYTES,
  MAX_RECORDS,
} from './core/decision-log-schema.ts';
import type { DecisionDraft } from './core/decision-record.ts';
import type { PatchOperation } from './core/plan.ts';
import { GENESIS, type Head, packLine, type Sealed, seal } from './record-chain.ts';

/** A record that the object does not have yet; the draft, to seal it again should somebody else have gone on with the chain. */
interface Unstored {
  readonly draft: DecisionDraft;
  readonly gap: string | undefined;
  readonly line: string;
  readonly data: string;
}

type RingEntry = Omit<LogEntry, 'data'> & { readonly bytes: number; readonly unstored: Unstored | undefined };

export interface Ring {
  /** resourceVersion of the object; undefined while there is none. */
  readonly version: string | undefined;
  readonly ownerUid: string | undefined;
  readonly dropped: { readonly count: number; readonly hash: string };
  readonly entries: readonly RingEntry[];
  /** How many of the object's records, from the oldest on, the next write takes out. */
  readonly removals: number;
}

export const NO_RING: Ring = {
  version: undefined,
  ownerUid: undefined,
  dropped: { count: 0, hash: GENESIS },
  entries: [],
  removals: 0,
};

const logObject = decisionLogSchema.extend({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    resourceVersion: z.string(),
    ownerReferences: z.array(z.looseObject({ uid: z.string() })).default([]),
  }),
});

/** The ring that a DecisionLog object holds. @throws {z.ZodError} */
export function readRing(object: unknown): Ring {
  const { metadata, dropped, records } = logObject.parse(object);
  return {
    version: metadata.resourceVersion,
    ownerUid: metadata.ownerReferences[0]?.uid,
    dropped,
    entries: records.map(({ data, ...entry }) => ({ ...entry, bytes: data.length, unstored: undefined })),
    removals: 0,
  };
}

export function headOf({ entries, dropped }: Ring): Head {
  const newest = entries.at(-1);
  return newest === undefined
    ? { sequence: dropped.count, hash: dropped.hash }
    : { sequence: newest.sequence, hash: newest.hash };
}

/** The lines that the object does not have yet. */
export function unstoredIn({ entries }: Ring): readonly Unstored[] {
  return entries.flatMap(({ unstored }) => unstored ?? []);
}

/** Seals a draft on the ring's head; the oldest records make room. */
export function append(ring: Ring, draft: DecisionDraft, gap: string | undefined): Ring {
  const sealed = seal(draft, headOf(ring), gap);
  return trimmed({ ...ring, entries: [...ring.entries, entryOf(sealed, draft, gap)] });
}

function entryOf({ sequence, hash, line }: Sealed, draft: DecisionDraft, gap: string | undefined): RingEntry {
  const packed = packLine(line);
  // Never seen: the parts of an observation are bounded. The chain shows its place, and the line is on stdout.
  const data = packed.length > MAX_RECORD_BYTES ? '' : packed;
  const { kind: decision, reason } = draft.decision;
  const unstored = { draft, gap, line, data };
  return { sequence, hash, time: draft.time, decision, reason, bytes: data.length, unstored };
}

function trimmed(ring: Ring): Ring {
  let { dropped, removals } = ring;
  let bytes = ring.entries.reduce((sum, entry) => sum + entry.bytes, 0);
  let first = 0;
  for (const { sequence, hash, unstored, bytes: size } of ring.entries) {
    if (ring.entries.length - first <= MAX_RECORDS && bytes <= MAX_LOG_BYTES) break;
    dropped = { count: sequence, hash };
    if (unstored === undefined) removals += 1;
    bytes -= size;
    first += 1;
  }
  return { ...ring, dropped, removals, entries: ring.entries.slice(first) };
}

/** After a write: the object holds all of it. */
export function stored(ring: Ring, version: string, ownerUid: string): Ring {
  const entries = ring.entries.map((entry) => ({ ...entry, unstored: undefined }));
  return { ...ring, version, ownerUid, entries, removals: 0 };
}

/**
 * What is not stored yet, put onto what the object turned out to hold: as it is where nobody else went on with the chain,
 * sealed anew where somebody did. An object that is gone is replaced by one that names the lost records by their hash.
 */
export function rebased(mine: Ring, theirs: Ring | undefined): Ring {
  const known = mine.entries.filter(({ unstored }) => unstored === undefined);
  if (theirs === undefined) {
    const last = known.at(-1);
    const dropped = last === undefined ? mine.dropped : { count: last.sequence, hash: last.hash };
    const entries = mine.entries.filter(({ unstored }) => unstored !== undefined);
    return { version: undefined, ownerUid: undefined, dropped, entries, removals: 0 };
  }
  // A write whose answer was lost has been done: what is there already is not written again.
  const there = new Set(theirs.entries.map(({ hash }) => hash));
  const missing = mine.entries.filter(({ unstored, hash }) => unstored !== undefined && !there.has(hash));
  const isContinuation = missing[0]?.sequence === headOf(theirs).sequence + 1 && continues(mine, missing[0], theirs);
  if (isContinuation) return trimmed({ ...theirs, entries: [...theirs.entries, ...missing] });
  return missing.reduce(
    (ring, { unstored }) => (unstored === undefined ? ring : append(ring, unstored.draft, unstored.gap)),
    theirs,
  );
}

/** True when the record was sealed on their head. */
function continues(mine: Ring, first: RingEntry, theirs: Ring): boolean {
  const before = mine.entries[mine.entries.indexOf(first) - 1];
  return (before?.hash ?? mine.dropped.hash) === headOf(theirs).hash;
}

export interface LogOwner {
  readonly name: string;
  readonly uid: string;
}

function ownerReferences({ name, uid }: LogOwner): readonly object[] {
  return [{ apiVersion: 'latchkey.dev/v1alpha1', kind: 'AuthRollout', name, uid }];
}

function entriesToWrite({ entries }: Ring): readonly LogEntry[] {
  return entries.flatMap(({ unstored, bytes: _bytes, ...entry }) =>
    unstored === undefined ? [] : [{ ...entry, data: unstored.data }],
  );
}

/** The object as it is created: only what was never stored can be in it. */
export function creationOf(ring: Ring, owner: LogOwner): object {
  return {
    apiVersion: 'latchkey.dev/v1alpha1',
    kind: 'DecisionLog',
    metadata: { name: owner.name, ownerReferences: ownerReferences(owner) },
    dropped: ring.dropped,
    records: entriesToWrite(ring),
  };
}

/** The change of the object, refused when anybody wrote it since. */
export function patchOf(ring: Ring, owner: LogOwner): readonly PatchOperation[] {
  const isAdopted = ring.ownerUid === owner.uid;
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: ring.version },
    // Its AuthRollout was deleted and made anew before the garbage collector came by: the chain goes on.
    ...(isAdopted ? [] : [{ op: 'add' as const, path: '/metadata/ownerReferences', value: ownerReferences(owner) }]),
    { op: 'replace', path: '/dropped', value: ring.dropped },
    ...Array.from({ length: ring.removals }, () => ({ op: 'remove' as const, path: '/records/0' })),
    ...entriesToWrite(ring).map((value) => ({ op: 'add' as const, path: '/records/-', value })),
  ];
}
