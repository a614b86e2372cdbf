/** One panel of a board from the answers to its queries: lines with a legend, numbers, or a table. Called by pictures.ts. Pure. */
import type { Panel } from './boards.ts';
import { axes, line, type Plot } from './plot.ts';
import { answerTo, type Recording, type Series } from './recording.ts';
import { scaleOf, valueText } from './scale.ts';
import { element, escaped, FRAME, fitted, px, RULE, SOFT, type Stroke, strokeOf, widthOf, words } from './svg.ts';

/** A series with the name that the legend gives it. */
export interface Named {
  readonly name: string;
  readonly series: Series;
}

const PAD = 12;
const TITLE_HEIGHT = 32;
const AXIS_WIDTH = 54;
const TIMES_HEIGHT = 20;
const PLOT_HEIGHT = 118;
const LEGEND_SIZE = 10.5;
const LEGEND_LINE = 16;
/** A mark and the blank behind its words. */
const MARK_WIDTH = 26;
const ROW_HEIGHT = 22;

/** Every series that has a value, in the order of the legend. */
export function seriesOf(panel: Panel, recording: Recording): readonly Named[] {
  return panel.queries.flatMap(({ expr, legend }) =>
    answerTo(recording, expr)
      .filter(({ values }) => values.some((value) => value !== undefined))
      .map((series) => ({ name: nameOf(legend, series.labels), series }))
      .toSorted((a, b) => a.name.localeCompare(b.name, 'en')),
  );
}

/** `{{label}}` stands for the label's value, as in Grafana. */
export const nameOf = (legend: string, labels: Series['labels']): string =>
  legend.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => labels[label] ?? '');

/** What the panel needs: panels of a row get what the highest of them needs. */
export function heightOf(panel: Panel, named: readonly Named[], width: number): number {
  return TITLE_HEIGHT + PLOT_HEIGHT + (panel.kind === 'timeseries' ? belowPlot(named, width) : PAD);
}

/** Times, legend and edge. */
const belowPlot = (named: readonly Named[], width: number): number =>
  TIMES_HEIGHT + legendOf(named, width).rows * LEGEND_LINE + PAD;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function drawPanel(panel: Panel, recording: Recording, { x, y, width, height }: Box): string {
  const named = seriesOf(panel, recording);
  const frame = { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 5, fill: 'none', stroke: FRAME };
  const title = words(panel.title, { x: PAD, y: 21, size: 13, weight: 600 });
  const inside = { box: { x, y, width, height }, panel, named, recording };
  const content = named.length === 0 ? nothing(width, height) : CONTENT[panel.kind](inside);
  return element('g', { transform: `translate(${px(x)} ${px(y)})` }, element('rect', frame), title, content);
}

interface Inside {
  readonly box: Box;
  readonly panel: Panel;
  readonly named: readonly Named[];
  readonly recording: Recording;
}

const CONTENT: Readonly<Record<Panel['kind'], (inside: Inside) => string>> = {
  timeseries: lines,
  stat: numbers,
  table,
};

const nothing = (width: number, height: number): string =>
  words('No data', { x: width / 2, y: height / 2 + 10, size: 13, colour: SOFT, anchor: 'middle' });

function lines({ box, panel, named, recording }: Inside): string {
  const plot: Plot = {
    left: PAD + AXIS_WIDTH,
    top: TITLE_HEIGHT + 4,
    width: box.width - 2 * PAD - AXIS_WIDTH,
    height: box.height - TITLE_HEIGHT - 4 - belowPlot(named, box.width),
    scale: scaleOf(
      named.flatMap(({ series }) => series.values),
      panel.unit,
    ),
    unit: panel.unit,
    ...recording,
  };
  const drawn = named.map(({ series }, index) => line(plot, series.values, strokeOf(index)));
  return axes(plot, { hasTimes: true }) + drawn.join('') + drawLegend(named, box);
}

interface Legend {
  readonly columns: number;
  readonly rows: number;
  readonly columnWidth: number;
}

/** As many columns as the longest name leaves room for. */
export function legendOf(named: readonly Named[], width: number): Legend {
  const room = width - 2 * PAD;
  const longest = Math.max(1, ...named.map(({ name }) => widthOf(name, LEGEND_SIZE) + MARK_WIDTH));
  const columns = Math.max(1, Math.min(named.length, Math.floor(room / longest)));
  return { columns, rows: Math.ceil(named.length / columns), columnWidth: room / columns };
}

function drawLegend(named: readonly Named[], { width, height }: Box): string {
  const { columns, rows, columnWidth } = legendOf(named, width);
  const top = height - PAD - (rows - 1) * LEGEND_LINE - 4;
  return named
    .map(({ name }, index) => {
      const x = PAD + (index % columns) * columnWidth;
      const y = top + Math.floor(index / columns) * LEGEND_LINE;
      return mark(strokeOf(index), x, y - 4) + legendText(name, { x: x + 20, y, room: columnWidth - MARK_WIDTH + 2 });
    })
    .join('');
}

/** A piece of the line that the words beside it name. */
export function mark({ colour, dash }: Stroke, x: number, y: number): string {
  const dashes = dash === '' ? {} : { 'stroke-dasharray': dash };
  return element('line', { x1: x, x2: x + 14, y1: y, y2: y, stroke: colour, 'stroke-width': 3, ...dashes });
}

/** What has no room is cut, and whole where the mouse rests on it. */
function legendText(name: string, { x, y, room }: { x: number; y: number; room: number }): string {
  const shown = fitted(name, LEGEND_SIZE, room);
  const text = words(shown, { x, y, size: LEGEND_SIZE });
  return shown === name ? text : element('g', {}, element('title', {}, escaped(name)), text);
}

/** The last value of each series, beside one another. */
function numbers({ box, panel, named }: Inside): string {
  const room = (box.width - 2 * PAD) / named.length;
  const middle = (TITLE_HEIGHT + box.height) / 2 - 12;
  return named
    .map(({ name, series }, index) => {
      const x = PAD + (index + 0.5) * room;
      const text = valueText(lastOf(series), panel.unit);
      const size = Math.min(34, (34 * (room - 2 * PAD)) / widthOf(text, 38));
      const value = words(text, {
        x,
        y: middle + 12,
        size,
        weight: 600,
        colour: strokeOf(index).colour,
        anchor: 'middle',
      });
      const shown = fitted(name, LEGEND_SIZE, room);
      return value + words(shown, { x, y: middle + 34, size: LEGEND_SIZE, colour: SOFT, anchor: 'middle' });
    })
    .join('');
}

const lastOf = ({ values }: Series): number => values.findLast((value) => value !== undefined) ?? 0;

/** What there was at the end: a column a label, and the value. */
function table({ box, panel, named }: Inside): string {
  const rows = named.filter(({ series }) => series.values.at(-1) !== undefined);
  const columns = [...new Set(rows.flatMap(({ series }) => Object.keys(series.labels)))];
  const room = (box.width - 2 * PAD) / (columns.length + 1);
  const cells = (texts: readonly string[], y: number, weight: number): string =>
    texts
      .map((text, index) => words(fitted(text, 12, room - 6), { x: PAD + index * room, y, size: 12, weight }))
      .join('');
  const top = TITLE_HEIGHT + ROW_HEIGHT - 6;
  const head = cells([...columns, 'Value'], top, 600);
  const rule = { x1: PAD, x2: box.width - PAD, stroke: RULE };
  const body = rows.map(({ series: { labels, values } }, index) => {
    const y = top + (index + 1) * ROW_HEIGHT;
    const texts = [...columns.map((column) => labels[column] ?? ''), valueText(values.at(-1) ?? 0, panel.unit)];
    return element('line', { ...rule, y1: y - 15, y2: y - 15 }) + cells(texts, y, 400);
  });
  return head + body.join('');
}
