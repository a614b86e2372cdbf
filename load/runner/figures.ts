/**
 * What the clients saw, counted while it happens: k6's answer log (../session.ts writes a line an answer) becomes buckets of latency by
 * route and by second, so that half an hour needs no more memory than a minute. Called by k6.ts; report.ts draws it.
 */
import { z } from 'zod';

const answerLine = z.object({ t: z.number(), status: z.number(), route: z.string(), ms: z.number() });
const residentLine = z.object({ t: z.number(), residentMb: z.number() });

/** Bounds grow by a tenth: what is read from a bucket is off by 5 % at most. */
const GROWTH = 1.1;
const LEAST_MS = 0.1;

const bucketOf = (ms: number): number => Math.max(0, Math.ceil(Math.log(ms / LEAST_MS) / Math.log(GROWTH)));
/** The middle of a bucket, on the scale of its bounds. */
export const bucketMs = (bucket: number): number => LEAST_MS * GROWTH ** (bucket - 0.5);

/** Answers by bucket. */
export type Buckets = Map<number, number>;

export interface Outcomes {
  /** Answered below 500, and not 429. */
  good: number;
  /** 429 and 503: told to come later. */
  refused: number;
  /** No answer, or another 5xx. */
  failed: number;
}

export interface Second extends Outcomes {
  readonly buckets: Buckets;
}

export interface RouteFigures {
  readonly buckets: Buckets;
  /** Answers by status; 0: none came. */
  readonly statuses: Map<number, number>;
}

export interface Figures {
  readonly startedAtMs: number | undefined;
  readonly routes: ReadonlyMap<string, RouteFigures>;
  /** By seconds since the first answer; one without answers is missing. */
  readonly seconds: ReadonlyMap<number, Second>;
  readonly resident: readonly { readonly atS: number; readonly mb: number }[];
}

export interface Counting {
  readonly figures: Figures;
  /** Lines that are no answers (k6's own words) are left out. */
  readonly add: (line: string) => void;
}

const parse = (line: string): unknown => {
  try {
    return line.startsWith('{') ? JSON.parse(line) : undefined;
  } catch {
    return undefined;
  }
};

const bump = (counts: Map<number, number>, key: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
};

export const outcomeOf = (status: number): keyof Outcomes => {
  if (status === 429 || status === 503) return 'refused';
  return status === 0 || status >= 500 ? 'failed' : 'good';
};

const entry = <Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value => {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
};

export const startCounting = (): Counting => {
  const routes = new Map<string, RouteFigures>();
  const seconds = new Map<number, Second>();
  const resident: { atS: number; mb: number }[] = [];
  let startedAtMs: number | undefined;
  const atS = (t: number): number => (t - (startedAtMs ??= t)) / 1000;
  const add = (line: string): void => {
    const value = parse(line);
    const answer = answerLine.safeParse(value).data;
    const memory = residentLine.safeParse(value).data;
    if (memory !== undefined) resident.push({ atS: atS(memory.t), mb: memory.residentMb });
    if (answer === undefined) return;
    const bucket = bucketOf(answer.ms);
    const route = entry(routes, answer.route, () => ({ buckets: new Map(), statuses: new Map() }));
    const second = entry(seconds, Math.max(0, Math.floor(atS(answer.t))), () => ({
      good: 0,
      refused: 0,
      failed: 0,
      buckets: new Map<number, number>(),
    }));
    bump(route.statuses, answer.status);
    second[outcomeOf(answer.status)] += 1;
    for (const buckets of [route.buckets, second.buckets]) bump(buckets, bucket);
  };
  return {
    add,
    figures: {
      get startedAtMs() {
        return startedAtMs;
      },
      routes,
      seconds,
      resident,
    },
  };
};

export const countOf = (buckets: ReadonlyMap<number, number>): number =>
  [...buckets.values()].reduce((sum, count) => sum + count, 0);

/** The latency below which the share `q` of the answers lies, to 5 %; NaN of none. */
export const quantileOf = (buckets: ReadonlyMap<number, number>, q: number): number => {
  const wanted = Math.max(1, Math.ceil(countOf(buckets) * q));
  let seen = 0;
  for (const [bucket, count] of [...buckets].toSorted(([a], [b]) => a - b)) {
    seen += count;
    if (seen >= wanted) return bucketMs(bucket);
  }
  return Number.NaN;
};
