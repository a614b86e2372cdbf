/** The area that values are drawn in: axes, and a series as a path. Called by panels.ts and rollout-picture.ts. Pure. */
import { isValue, stretchesOf, type Values } from './recording.ts';
import { type Scale, timesOf, timeText, type Unit, valueText } from './scale.ts';
import { element, px, RULE, SOFT, type Stroke, words } from './svg.ts';

/** Where it lies, in pixels, and what its axes mean. */
export interface Plot {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly scale: Scale;
  readonly unit: Unit;
  /** Values of a series, the first at the left edge, the last at the right one. */
  readonly points: number;
  readonly stepS: number;
}

const TICK_SIZE = 11;

export const lengthOf = ({ points, stepS }: Pick<Plot, 'points' | 'stepS'>): number => (points - 1) * stepS;

export const xOf = (plot: Plot, index: number): number => plot.left + (index / (plot.points - 1)) * plot.width;

export const yOf = (plot: Plot, value: number): number =>
  plot.top + plot.height * (1 - Math.min(1, Math.max(0, value / plot.scale.top)));

/** Lines across with what they stand for, and, unless another plot below says them, the times. */
export function axes(plot: Plot, { hasTimes }: { readonly hasTimes: boolean }): string {
  const [right, bottom] = [plot.left + plot.width, plot.top + plot.height];
  const across = plot.scale.ticks.map((value) => {
    const y = yOf(plot, value);
    const rule = element('line', { x1: plot.left, x2: right, y1: y, y2: y, stroke: RULE });
    const label = valueText(value, plot.unit);
    return rule + words(label, { x: plot.left - 6, y: y + 4, size: TICK_SIZE, colour: SOFT, anchor: 'end' });
  });
  const times = timesOf(lengthOf(plot)).map((seconds) => {
    const x = xOf(plot, seconds / plot.stepS);
    const rule = element('line', { x1: x, x2: x, y1: plot.top, y2: bottom, stroke: RULE });
    if (!hasTimes) return rule;
    return rule + words(timeText(seconds), { x, y: bottom + 15, size: TICK_SIZE, colour: SOFT, anchor: 'middle' });
  });
  return [...across, ...times].join('');
}

/** From value to value, broken where there is none; a value between two gaps is a dot. */
export function line(plot: Plot, values: Values, { colour, dash }: Stroke): string {
  let isDrawing = false;
  const path = values.map((value, index) => {
    if (!isValue(value)) {
      isDrawing = false;
      return '';
    }
    const command = isDrawing ? 'L' : 'M';
    // The middle of a level stretch says nothing new.
    if (isDrawing && values[index - 1] === value && values[index + 1] === value) return '';
    const isAlone = !isDrawing && !isValue(values[index + 1]);
    isDrawing = true;
    return `${command}${px(xOf(plot, index))} ${px(yOf(plot, value))}${isAlone ? 'h0' : ''}`;
  });
  return stroked(path.join(''), { colour, dash });
}

/** A value that stands until the next one, as a weight does; filled below. */
export function stairs(plot: Plot, values: Values, stroke: Stroke): string {
  const bottom = plot.top + plot.height;
  return stretchesOf(values)
    .map(({ from, until }) => {
      const stretch = values.slice(from, until).filter(isValue);
      const steps = stretch.map((value, at) => {
        if (value === stretch[at - 1]) return '';
        const [x, y] = [px(xOf(plot, from + at)), px(yOf(plot, value))];
        return at === 0 ? `M${x} ${y}` : `H${x}V${y}`;
      });
      const path = `${steps.join('')}H${px(xOf(plot, until - 1))}`;
      const ground = `${path}V${px(bottom)}H${px(xOf(plot, from))}Z`;
      return element('path', { d: ground, fill: stroke.colour, 'fill-opacity': 0.12 }) + stroked(path, stroke);
    })
    .join('');
}

function stroked(path: string, { colour, dash }: Stroke): string {
  if (path === '') return '';
  const dashes = dash === '' ? {} : { 'stroke-dasharray': dash };
  return element('path', { d: path, fill: 'none', stroke: colour, 'stroke-width': 1.5, ...ROUND, ...dashes });
}

/** Round ends are what makes a dot of a line without length. */
const ROUND = { 'stroke-linecap': 'round', 'stroke-linejoin': 'round' } as const;
