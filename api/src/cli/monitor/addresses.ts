/** Reads the metrics of running processes from their own addresses, and remembers as much as the window is long. Called by ../monitor.ts. */
import { readExposition, type Series } from './exposition.ts';
import { added, growthBetween, type Look, type Reading } from './growth.ts';
import { COUNTERS, GAUGES, METRICS } from './metric-names.ts';

const NAMES: ReadonlySet<string> = new Set([...COUNTERS, ...GAUGES]);
const GAUGE_NAMES: ReadonlySet<string> = new Set(GAUGES);

/** One look at one process. @throws Error when it does not answer in time, or with something else than metrics */
export const lookAt = async (address: string, deadlineMs: number): Promise<readonly Series[]> => {
  const answer = await fetch(new URL('/api/metrics', address), {
    signal: AbortSignal.timeout(deadlineMs),
    redirect: 'error',
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`answers ${answer.status}`);
  const series = readExposition(text, NAMES);
  if (series.length === 0) throw new Error('answers, but with no metrics of this service');
  return series;
};

/** One source of figures, whatever is behind it. */
export interface Source {
  /** What is asked, for the head of the picture. */
  readonly label: string;
  /** Looks again. `seconds` is 0 while nothing can be said about growth. @throws Error where there is nobody to ask at all */
  readonly read: () => Promise<Reading>;
}

interface Turn {
  readonly atMs: number;
  readonly seconds: number;
  readonly growth: readonly Series[];
}

interface AddressOptions {
  readonly addresses: readonly string[];
  readonly windowMs: number;
  readonly deadlineMs: number;
}

const lookOf = (series: readonly Series[]): Look => ({
  counters: series.filter(({ name }) => !GAUGE_NAMES.has(name)),
  startedAt: series.find(({ name }) => name === METRICS.processStart)?.value,
});

/** A process that did not answer keeps its last look: what it counted meanwhile counts in the turn in which it answers again. */
export const addressSource = ({ addresses, windowMs, deadlineMs }: AddressOptions): Source => {
  const lasts = new Map<string, Look>();
  let turns: readonly Turn[] = [];
  let lastAtMs: number | undefined;
  return {
    label: addresses.join(', '),
    read: async () => {
      const atMs = performance.now();
      const looks = await Promise.allSettled(addresses.map((address) => lookAt(address, deadlineMs)));
      const growth: Series[] = [];
      const gauges: Series[] = [];
      for (const [i, look] of looks.entries()) {
        const address = addresses[i] ?? '';
        if (look.status === 'rejected') continue;
        gauges.push(...look.value.filter(({ name }) => GAUGE_NAMES.has(name)));
        const before = lasts.get(address);
        const after = lookOf(look.value);
        if (before !== undefined) growth.push(...growthBetween(before, after));
        lasts.set(address, after);
      }
      if (lastAtMs !== undefined) {
        const turn = { atMs, seconds: (atMs - lastAtMs) / 1000, growth: added(growth) };
        turns = [...turns, turn].filter((one) => atMs - one.atMs < windowMs);
      }
      lastAtMs = atMs;
      return {
        growth: added(turns.flatMap((turn) => turn.growth)),
        seconds: turns.reduce((sum, turn) => sum + turn.seconds, 0),
        gauges,
        answering: looks.filter(({ status }) => status === 'fulfilled').length,
        asked: addresses.length,
        away: addresses.filter((_address, i) => looks[i]?.status === 'rejected'),
      };
    },
  };
};
