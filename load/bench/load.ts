/**
 * Load: as much as a server takes over so many connections (closed loop), or so many requests a second whatever the server does (open loop).
 * Called by measure.ts and overload.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, Connection } from './connection.ts';

export interface Observed {
  /** Requests by status. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly latenciesMs: readonly number[];
  readonly seconds: number;
}

/** What one connection sends, one after the other; it sees each answer before it makes the next request. */
export interface Conversation {
  next(): Buffer;
  heard?(answer: Answer): void;
}

const tally = (answers: readonly { readonly status: number }[]): Record<number, number> => {
  const statuses: Record<number, number> = {};
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
  return statuses;
};

/** Over after so long. */
export const after = (seconds: number): (() => boolean) => {
  const endMs = performance.now() + seconds * 1000;
  return () => performance.now() >= endMs;
};

/** Every conversation on a connection of its own, each request as soon as the last answer is there. */
export const closedLoop = async (
  port: number,
  conversations: readonly Conversation[],
  isOver: () => boolean,
): Promise<Observed> => {
  const samples: { status: number; ms: number }[] = [];
  const startedMs = performance.now();
  await Promise.all(
    conversations.map(async (conversation) => {
      const connection = await Connection.open(port);
      for (let now = performance.now(); !isOver(); ) {
        const answer = await connection.exchange(conversation.next());
        const done = performance.now();
        samples.push({ status: answer.status, ms: done - now });
        conversation.heard?.(answer);
        now = done;
      }
      connection.close();
    }),
  );
  return {
    statuses: tally(samples),
    latenciesMs: samples.map(({ ms }) => ms),
    seconds: (performance.now() - startedMs) / 1000,
  };
};

export interface Arrival {
  readonly status: number;
  readonly head: string;
  /** From the moment the request was due, so that a late client shows as a slow server, never the other way round. */
  readonly ms: number;
  /** Seconds since the start. */
  readonly endedAt: number;
}

/** `perSecond` requests a second for `seconds`, each on a free connection, or a new one where none is free. */
export const openLoop = async (
  port: number,
  next: () => Buffer,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<readonly Arrival[]> => {
  const free: Connection[] = [];
  const pending: Promise<Arrival>[] = [];
  const startedMs = performance.now();
  const one = async (dueMs: number): Promise<Arrival> => {
    const connection = free.pop() ?? (await Connection.open(port));
    const answer = await connection.exchange(next());
    free.push(connection);
    const doneMs = performance.now();
    return { status: answer.status, head: answer.head, ms: doneMs - dueMs, endedAt: (doneMs - startedMs) / 1000 };
  };
  for (let sent = 0; sent < perSecond * seconds; sent += 1) {
    const dueMs = startedMs + (sent * 1000) / perSecond;
    const aheadMs = dueMs - performance.now();
    if (aheadMs > 1) await sleep(aheadMs);
    pending.push(one(dueMs));
  }
  const arrivals = await Promise.all(pending);
  for (const connection of free) connection.close();
  return arrivals;
};

/** The value below which the share `q` of the samples lies. */
export const quantile = (samples: readonly number[], q: number): number => {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
};
