/** The charts of the report as inline SVG. Called by report.ts; pure. Colours are the page's variables, so that they follow light and dark. */
import { type Buckets, bucketMs, countOf, type Figures, type Outcomes, quantileOf, type Second } from './figures.ts';

/** Narrow, since it is scaled: its letters must be readable on a telephone. */
const WIDTH = 480;
const HEIGHT = 180;
const LEFT = 44;
const BOTTOM = 24;
const TOP = 12;
const RIGHT = 8;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
/** More columns than that are no wider than a pixel on a telephone. */
const MAX_COLUMNS = 120;

interface Tick {
  /** 0 to 1. */
  readonly at: number;
  readonly text: string;
}

const px = (value: number): string => value.toFixed(1);
const x = (share: number): number => LEFT + share * PLOT_WIDTH;
const y = (share: number): number => TOP + (1 - share) * PLOT_HEIGHT;

/** What stands at an edge must not hang over it. */
const anchorOf = (at: number): string => (at > 0.95 ? 'end' : at < 0.05 ? 'start' : 'middle');

const frame = (
  label: string,
  ticks: { readonly x: readonly Tick[]; readonly y: readonly Tick[] },
  inside: string,
): string =>
  [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">`,
    ...ticks.y.map(
      ({ at, text }) =>
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${px(y(at))}" y2="${px(y(at))}"/><text class="tick" x="${LEFT - 6}" y="${px(y(at) + 4)}" text-anchor="end">${text}</text>`,
    ),
    ...ticks.x.map(
      ({ at, text }) =>
        `<text class="tick" x="${px(x(at))}" y="${HEIGHT - 6}" text-anchor="${anchorOf(at)}">${text}</text>`,
    ),
    inside,
    '</svg>',
  ].join('');

/** The next number that is easily read. */
const roundUp = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8].find((step) => step * power >= value) ?? 10) * power;
};

const plain = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });

const yTicks = (top: number): readonly Tick[] => [0, 0.5, 1].map((at) => ({ at, text: plain(top * at) }));

/** Merges seconds until there are few enough of them. */
const columnsOf = ({ seconds }: Figures): { readonly widthS: number; readonly columns: readonly Second[] } => {
  const count = Math.max(0, ...seconds.keys()) + 1;
  const widthS = Math.ceil(count / MAX_COLUMNS);
  const columns = Array.from(
    { length: Math.ceil(count / widthS) },
    (): Second => ({
      good: 0,
      refused: 0,
      failed: 0,
      buckets: new Map(),
    }),
  );
  for (const [at, second] of seconds) {
    const column = columns[Math.floor(at / widthS)];
    if (column === undefined) continue;
    for (const outcome of ['good', 'refused', 'failed'] as const) column[outcome] += second[outcome];
    for (const [bucket, found] of second.buckets) {
      column.buckets.set(bucket, (column.buckets.get(bucket) ?? 0) + found);
    }
  }
  return { widthS, columns };
};

const timeTicks = (totalS: number): readonly Tick[] =>
  [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: `${plain(totalS * at)} s` }));

/** Answers a second, stacked by what they mean to the client. */
export const outcomeChart = (figures: Figures): string => {
  const { widthS, columns } = columnsOf(figures);
  const total = ({ good, refused, failed }: Outcomes): number => (good + refused + failed) / widthS;
  const top = roundUp(Math.max(1, ...columns.map(total)));
  const width = PLOT_WIDTH / columns.length;
  const bars = columns.flatMap((column, index) => {
    let below = 0;
    return (['good', 'refused', 'failed'] as const).flatMap((outcome) => {
      const share = column[outcome] / widthS / top;
      if (share === 0) return [];
      const bar = `<rect class="${outcome}" x="${px(LEFT + index * width)}" y="${px(y(below + share))}" width="${px(Math.max(1, width - 0.5))}" height="${px(share * PLOT_HEIGHT)}"/>`;
      below += share;
      return [bar];
    });
  });
  return frame(
    'Answers a second over the run',
    { x: timeTicks(columns.length * widthS), y: yTicks(top) },
    bars.join(''),
  );
};

const line = (name: string, points: readonly (readonly [number, number])[]): string =>
  `<polyline class="${name}" points="${points.map(([a, b]) => `${px(x(a))},${px(y(b))}`).join(' ')}"/>`;

/** p50 and p95 of all answers, second by second. */
export const latencyChart = (figures: Figures): string => {
  const { widthS, columns } = columnsOf(figures);
  const quantiles = (q: number): readonly (readonly [number, number])[] =>
    columns.flatMap(({ buckets }, index) =>
      buckets.size === 0 ? [] : [[(index + 0.5) / columns.length, quantileOf(buckets, q)] as const],
    );
  const [p50, p95] = [quantiles(0.5), quantiles(0.95)];
  const top = roundUp(Math.max(1, ...p95.map(([, ms]) => ms)));
  const scaled = (points: typeof p50) => points.map(([at, ms]) => [at, ms / top] as const);
  const ticks = { x: timeTicks(columns.length * widthS), y: yTicks(top) };
  return frame('Latency over the run in milliseconds', ticks, line('p95', scaled(p95)) + line('p50', scaled(p50)));
};

/** How many answers took how long; the scale of time is logarithmic. */
export const histogram = (route: string, buckets: Buckets): string => {
  const keys = [...buckets.keys()];
  const [least, most] = [Math.min(...keys), Math.max(...keys)];
  const slots = most - least + 1;
  const top = roundUp(Math.max(...buckets.values()));
  const width = PLOT_WIDTH / slots;
  const bars = [...buckets].map(([bucket, count]) => {
    const share = count / top;
    return `<rect class="good" x="${px(LEFT + (bucket - least) * width)}" y="${px(y(share))}" width="${px(Math.max(1, width - 1))}" height="${px(share * PLOT_HEIGHT)}"/>`;
  });
  const at = (share: number): Tick => ({ at: share, text: `${plain(bucketMs(least + share * (slots - 1)))} ms` });
  const ticks = { x: (slots < 4 ? [0.5] : [0, 0.33, 0.66, 1]).map(at), y: yTicks(top) };
  return frame(`Latency of ${countOf(buckets)} answers of ${route}`, ticks, bars.join(''));
};

export const memoryChart = ({ resident }: Figures): string => {
  const endS = Math.max(1, resident.at(-1)?.atS ?? 0);
  const top = roundUp(Math.max(1, ...resident.map(({ mb }) => mb)));
  const points = resident.map(({ atS, mb }) => [Math.max(0, atS) / endS, mb / top] as const);
  return frame('Resident memory in MB', { x: timeTicks(endS), y: yTicks(top) }, line('p50', points));
};
