/** Rounds: every subject in turn, several times, so that what the machine does meanwhile hits all of them alike. Called by the scenarios. */
import { type Conversation, closedLoop, quantile } from './load.ts';
import type { PinnedProcess } from './pinned-process.ts';

export interface Subject {
  readonly name: string;
  readonly process: PinnedProcess;
  /** Made anew for each round. */
  readonly conversations: () => readonly Conversation[];
}

export interface Round {
  readonly perCpuSecond: number;
  readonly perSecond: number;
  /** Share of a core that the server took. */
  readonly load: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly residentMb: number;
}

export interface Measured {
  readonly name: string;
  readonly rounds: readonly Round[];
}

/** Lets the compiler and the caches see what comes. */
const WARM_SECONDS = 3;

/** @throws when one answer is not 200: a fast refusal is no speed. */
const round = async ({ name, process, conversations }: Subject, seconds: number): Promise<Round> => {
  const cpuBefore = process.cpuSeconds();
  const observed = await closedLoop(process.port, conversations(), seconds);
  const cpuSeconds = process.cpuSeconds() - cpuBefore;
  const { 200: good = 0, ...others } = observed.statuses;
  if (Object.keys(others).length > 0) throw new Error(`${name}: answers other than 200: ${JSON.stringify(others)}`);
  return {
    perCpuSecond: good / cpuSeconds,
    perSecond: good / observed.seconds,
    load: cpuSeconds / observed.seconds,
    p50Ms: quantile(observed.latenciesMs, 0.5),
    p99Ms: quantile(observed.latenciesMs, 0.99),
    residentMb: process.residentMb(),
  };
};

export const alternate = async (
  subjects: readonly Subject[],
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<readonly Measured[]> => {
  for (const subject of subjects) await round(subject, Math.min(WARM_SECONDS, seconds));
  const measured = subjects.map(({ name }) => ({ name, rounds: [] as Round[] }));
  for (let count = 0; count < rounds; count += 1) {
    for (const [index, subject] of subjects.entries()) measured[index]?.rounds.push(await round(subject, seconds));
  }
  return measured;
};

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  };
};
