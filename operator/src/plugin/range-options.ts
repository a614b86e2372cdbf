/** The options of a replay over a Prometheus range. Called by options.ts; range.ts reads the result. */
import { type TimePoint, timePointOf } from './time-point.ts';
import { UsageError } from './usage-error.ts';

/** What is left out is the newest run's, and the rollout's own Prometheus. */
export interface RangeRequest {
  readonly from: TimePoint | undefined;
  readonly to: TimePoint | undefined;
  readonly prometheus: string | undefined;
}

/** The parser takes -2h for an option of its own; behind --from and --to it is a time. */
export function withSpans(args: readonly string[]): string[] {
  return args.flatMap((word, index) => {
    const [before, next] = [args[index - 1], args[index + 1]];
    if (isSpan(before, word)) return [];
    return isSpan(word, next) ? [`${word}=${next}`] : [word];
  });
}

function isSpan(option: string | undefined, value: string | undefined): boolean {
  return (option === '--from' || option === '--to') && value !== undefined && /^-[0-9]/.test(value);
}

/** @returns undefined when only records are asked for. @throws {UsageError} */
export function rangeOf(values: {
  readonly range?: boolean | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly prometheus?: string | undefined;
}): RangeRequest | undefined {
  const { range, from, to, prometheus } = values;
  if (range !== true && from === undefined && to === undefined && prometheus === undefined) return undefined;
  if (prometheus !== undefined && !/^https?:[/][/]./.test(prometheus)) {
    throw new UsageError(`--prometheus ${prometheus}: write an address such as http://localhost:9090`);
  }
  return { from: timeOf('from', from), to: timeOf('to', to), prometheus };
}

function timeOf(option: string, text: string | undefined): TimePoint | undefined {
  const point = text === undefined ? undefined : timePointOf(text);
  if (text !== undefined && point === undefined) {
    throw new UsageError(`--${option} ${text}: write a time such as 2026-03-04T12:00:00Z, -2h or now`);
  }
  return point;
}
