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

/** What the compiler and the caches need to see, in CPU-seconds. */
const WARM_SECONDS = 2;
/** A server that gets less of its core than a part of so many is not measured, but starved. */
const MAX_STRETCH = 20;
const LOOK_EVERY_MS = 50;

/** Over when the server has worked for so long, however long a busy machine takes for it: rounds are alike then, and warm ones stay warm. */
const afterCpu = (process: PinnedProcess, seconds: number): { readonly isOver: () => boolean; stop(): void } => {
  const endAt = process.cpuSeconds() + seconds;
  const endMs = performance.now() + seconds * MAX_STRETCH * 1000;
  let isOver = false;
  const timer = setInterval(() => {
    isOver = process.cpuSeconds() >= endAt || performance.now() >= endMs;
  }, LOOK_EVERY_MS);
  return { isOver: () => isOver, stop: () => clearInterval(timer) };
};

/** @throws when one answer is not 200: a fast refusal is no speed. */
const round = async ({ name, process, conversations }: Subject, seconds: number): Promise<Round> => {
  const cpuBefore = process.cpuSeconds();
  const budget = afterCpu(process, seconds);
  const observed = await closedLoop(process.port, conversations(), budget.isOver);
  budget.stop();
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
  for (const subject of subjects) await round(subject, WARM_SECONDS);
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
