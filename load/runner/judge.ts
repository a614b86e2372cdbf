/** Holds what k6 measured against the service levels. Called by main.ts; pure. No evidence is no pass: a level without a sample does not hold. */
import { z } from 'zod';
import type { FixedLevel } from '../service-levels.ts';

/** What `k6 run --summary-export` writes: figures by metric and aggregate. Its thresholds are left out, they are judged here. */
export const k6Summary = z.object({ metrics: z.record(z.string(), z.record(z.string(), z.unknown())) });
export type K6Summary = z.infer<typeof k6Summary>;

export interface Verdict {
  readonly level: FixedLevel;
  /** Undefined: nothing was measured. */
  readonly value: number | undefined;
  readonly holds: boolean;
}

/** k6 shows a metric that has a threshold, and was never fed, as zeros. No duration is 0, nor is a slope of memory. */
const isFed = (found: Readonly<Record<string, unknown>>, aggregate: FixedLevel['aggregate']): boolean => {
  if (aggregate === 'rate') return Number(found['passes']) + Number(found['fails']) > 0;
  return [found['max'], found['min']].some((value) => typeof value === 'number' && value !== 0);
};

/** Where nothing was counted, a counter says so: 0 is its figure. Anything else that was never fed has none. */
const valueOf = ({ metrics }: K6Summary, { metric, aggregate }: FixedLevel): number | undefined => {
  const found = metrics[metric];
  if (aggregate === 'count') return Number(found?.['count'] ?? 0);
  if (found === undefined || !isFed(found, aggregate)) return undefined;
  const value = found[aggregate === 'rate' ? 'value' : aggregate];
  return typeof value === 'number' ? value : undefined;
};

const holds = (value: number, { comparison, limit }: FixedLevel): boolean => {
  switch (comparison) {
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
    case '==':
      return value === limit;
  }
};

/** A share of refusals of which there were none: nothing that could have gone wrong did. */
const isMoot = (level: FixedLevel): boolean => level.metric === 'latchkey_refusals_good';

export const judge = (levels: readonly FixedLevel[], summary: K6Summary): readonly Verdict[] =>
  levels.flatMap((level) => {
    const value = valueOf(summary, level);
    if (value === undefined && isMoot(level)) return [];
    return [{ level, value, holds: value !== undefined && holds(value, level) }];
  });
