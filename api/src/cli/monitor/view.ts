/** Draws the figures: a picture for a terminal, a line a turn for a pipe. Pure; called by ../monitor.ts and ../report.ts. */
import { type Colour, type Paint, painter } from '../drawing.ts';
import { type Figure, type FigureGroup, type Limit, type Unit, worstOf } from './figures.ts';

const UNITS: Readonly<Record<Unit, string>> = {
  percent: ' %',
  ms: ' ms',
  count: '',
  'a-second': '/s',
  'a-minute': '/min',
  seconds: ' s',
};

const digits = (value: number, unit: Unit): string => {
  if (unit === 'count') return String(Math.round(value));
  if (unit === 'ms' || unit === 'seconds') return value < 10 ? value.toFixed(1) : value.toFixed(0);
  return value !== 0 && Math.abs(value) < 10 ? value.toFixed(2) : value.toFixed(1);
};

export const valueText = ({ value, unit }: Pick<Figure, 'value' | 'unit'>): string =>
  value === undefined ? '–' : `${digits(value, unit)}${UNITS[unit]}`;

const limitValue = ({ at }: Limit, unit: Unit): string =>
  `${Number.isInteger(at) || unit === 'count' ? at : digits(at, unit).replace(/0+$/, '')}${UNITS[unit]}`;

/** The limit that was crossed, or the first that would be: `≤ 0.1 %`, `≥ 99 %`, `< 3`. */
export const limitText = ({ limits, isBelow, unit, state }: Figure): string => {
  const shown = limits.find(({ severity }) => severity === state) ?? limits.at(-1);
  if (shown === undefined) return '';
  const sign = shown.isCrossedAt ? (isBelow ? '>' : '<') : isBelow ? '≥' : '≤';
  return `${sign} ${limitValue(shown, unit)}`;
};

const HOW: Readonly<Record<Figure['state'], Colour>> = {
  ok: 'green',
  none: 'dim',
  unknown: 'dim',
  P3: 'yellow',
  P2: 'yellow',
  P1: 'red',
  P0: 'red',
};

const CELLS = 10;

/** Full where the limit is reached. What should be high has no bar that says more than its figure. */
const bar = ({ value, limits, isBelow, state }: Figure, paint: Paint): string => {
  const first = limits.at(-1)?.at;
  if (value === undefined || first === undefined || first === 0 || isBelow) return ' '.repeat(CELLS);
  const share = Math.min(1, Math.max(0, value / first));
  const filled = value <= 0 ? 0 : Math.max(1, Math.round(share * CELLS));
  return `${paint('█'.repeat(filled), HOW[state])}${paint('░'.repeat(CELLS - filled), 'dim')}`;
};

export interface Canvas {
  readonly columns: number;
  /** Where fewer than the picture has, it is drawn without titles and without what has no limit. */
  readonly rows: number;
  readonly hasColour: boolean;
}

const stateWord = (state: Figure['state']): string => (state === 'none' ? '' : state);

/** Label, bar, value, limit and state with what is between them; a terminal of 80 columns has 12 left for the note. */
const CELLS_BEFORE_NOTE = 68;

const drawFigure = (figure: Figure, canvas: Canvas, paint: Paint): string => {
  const cells = [
    `  ${figure.label.padEnd(18)}`,
    bar(figure, paint),
    valueText(figure).padStart(10),
    limitText(figure).padEnd(11),
    paint(stateWord(figure.state).padEnd(7), HOW[figure.state]),
  ];
  const room = canvas.columns - CELLS_BEFORE_NOTE;
  const note = figure.note.length <= room ? figure.note : `${figure.note.slice(0, Math.max(0, room - 1))}…`;
  return [...cells, paint(note, 'dim')].join('  ').trimEnd();
};

export interface Head {
  readonly label: string;
  readonly atMs: number;
  readonly elapsedMs: number;
  readonly windowSeconds: number;
  /** Why nobody could be asked just now. */
  readonly trouble: string | undefined;
}

const verdictText = (groups: readonly FigureGroup[], paint: Paint): string => {
  const worst = worstOf(groups);
  return worst === undefined ? paint('no limit is crossed', 'green') : paint(`${worst} is crossed`, HOW[worst]);
};

const cut = (text: string, columns: number): string =>
  text.length > columns ? `${text.slice(0, Math.max(1, columns - 1))}…` : text;

const timeText = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

const durationText = (elapsedMs: number): string => {
  const seconds = Math.round(elapsedMs / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours > 0 ? `${hours}h` : ''}${hours + minutes > 0 ? `${minutes}m` : ''}${seconds % 60}s`;
};

export const drawPicture = (groups: readonly FigureGroup[], head: Head, canvas: Canvas): readonly string[] => {
  const paint = painter(canvas.hasColour);
  const { label, atMs, elapsedMs, windowSeconds, trouble } = head;
  const times = `${timeText(atMs)}   for ${durationText(elapsedMs)}   figures of ${durationText(windowSeconds * 1000)}`;
  const lines = [
    `${paint(cut(label, canvas.columns - 24), 'bold')}   ${verdictText(groups, paint)}`,
    cut(times, canvas.columns),
    ...(trouble === undefined ? [] : [paint(cut(trouble, canvas.columns), 'red')]),
  ];
  const whole = groups.flatMap(({ title, figures }) => [
    '',
    paint(title, 'bold'),
    ...figures.map((figure) => drawFigure(figure, canvas, paint)),
  ]);
  if (lines.length + whole.length < canvas.rows) return [...lines, ...whole];
  const limited = groups.flatMap(({ figures }) => figures.filter(({ state }) => state !== 'none'));
  return [...lines, ...limited.map((figure) => drawFigure(figure, canvas, paint))];
};

const SHOWN_IN_LINES = ['error-rate', 'latency-p95', 'login-success', 'refresh-success', 'active-sessions'];

/** One turn, one line: the time, the worst, the figures that matter, then what was crossed. */
export const drawLine = (groups: readonly FigureGroup[], { atMs, trouble }: Head): string => {
  const all = groups.flatMap(({ figures }) => figures);
  const say = (figure: Figure): string => `${figure.id}=${valueText(figure).replaceAll(' ', '')}`;
  const crossed = all.filter(({ state }) => state !== 'ok' && state !== 'none' && state !== 'unknown');
  return [
    new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    worstOf(groups) ?? 'ok',
    ...SHOWN_IN_LINES.flatMap((id) => all.filter((figure) => figure.id === id).map(say)),
    ...crossed.map((figure) => `${figure.state}:${say(figure)}(${limitText(figure).replaceAll(' ', '')})`),
    ...(trouble === undefined ? [] : [trouble]),
  ].join(' ');
};
