/** What was really decided about a rollout, as far as records or its status know it, and when its newest run began and ended. Pure; called by range.ts. */
import { z } from 'zod';
import type { Status } from '../core/status.ts';
import { recordShape } from '../record-chain.ts';
import type { RecordList } from './records.ts';

export interface RealDecision {
  readonly atMs: number;
  readonly kind: string;
  readonly reason: string;
  readonly message: string;
  /** What was written; undefined where nothing was, or where only the status is left, which does not say it. */
  readonly weight: number | undefined;
  /** True for the way into the first step. */
  readonly isStart: boolean;
}

export interface RealRun {
  readonly source: 'records' | 'status';
  readonly decisions: readonly RealDecision[];
  /** Of the canary, from the records. */
  readonly replicaSets: readonly string[];
}

const written = z.looseObject({ weight: z.number(), stepIndex: z.number() });
const sampled = z.looseObject({ samples: z.looseObject({ replicaSets: z.array(z.string()) }) });

/** @param records of this rollout; the status is asked where there are none */
export function realRun(records: RecordList | undefined, status: Status | undefined): RealRun {
  const found = (records?.found ?? []).flatMap(({ value }) => recordShape.safeParse(value).data ?? []);
  if (found.length === 0) return { source: 'status', decisions: fromStatus(status), replicaSets: [] };
  const decisions = found.map(({ time, decision }) => {
    const { kind, reason, message } = decision;
    const write = written.safeParse(decision.write).data;
    const isStart = kind === 'advance' && write?.stepIndex === 0;
    return { atMs: Date.parse(time), kind, reason, message, weight: write?.weight, isStart };
  });
  const sets = found
    .filter(({ revision }) => revision === status?.revision)
    .flatMap(({ observation }) => sampled.safeParse(observation).data?.samples.replicaSets ?? []);
  return { source: 'records', decisions, replicaSets: [...new Set(sets)] };
}

function fromStatus(status: Status | undefined): readonly RealDecision[] {
  return (status?.history ?? []).map(({ decision: kind, reason, message, at }) => {
    const isStart = kind === 'advance' && message.includes('(step 1 of ');
    return { atMs: Date.parse(at), kind, reason, message, weight: undefined, isStart };
  });
}

const ENDS: ReadonlySet<string> = new Set(['rollback', 'zero', 'promote']);

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the last second of a run has counted is scraped after it, and a tile must be over to be looked at. */
const SETTLES_MS = 120_000;

/** @returns undefined where neither knows when the newest run began */
export function newestSpan({ decisions }: RealRun, nowMs: number): Span | undefined {
  const start = decisions.findLast(({ isStart }) => isStart);
  if (start === undefined) return undefined;
  const end = decisions.find(({ atMs, kind }) => atMs > start.atMs && ENDS.has(kind));
  return { fromMs: start.atMs, toMs: end === undefined ? nowMs : end.atMs + SETTLES_MS };
}
