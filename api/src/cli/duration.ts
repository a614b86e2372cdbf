/** Times on the command line: 500ms, 5s, 30m, 1h. */
import { UsageError } from './command.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** @throws UsageError where it is no such time, or not within the bounds */
export const durationMs = (option: string, text: string, { leastMs = 100, mostMs = 7 * 86_400_000 } = {}): number => {
  const [, count = '', unit = ''] = /^(\d{1,6})(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN);
  if (count !== '' && ms >= leastMs && ms <= mostMs) return ms;
  throw new UsageError(`--${option} is a time such as 5s, 30m or 1h, at least ${leastMs}ms`);
};
