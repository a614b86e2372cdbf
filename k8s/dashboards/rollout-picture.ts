/**
 * One picture of a real rollout that was promoted and of one that was taken back: weight, requests and faults of canary and stable, decisions.
 * Called by pictures.ts. Pure.
 */
import { headOf, MARGIN, WIDTH } from './caption.ts';
import { decisionsIn, type Happened, phasesIn, rowsFor } from './happened.ts';
import { mark } from './panels.ts';
import { axes, line, type Plot, stairs, xOf } from './plot.ts';
import { answerTo, type Recording, type Values } from './recording.ts';
import { scaleOf, type Unit } from './scale.ts';
import { element, fitted, page, SOFT, type Stroke, widthOf, words } from './svg.ts';

const ROLLOUT = 'exported_namespace="$namespace"';
const STABLE = 'namespace="$namespace",pod=~".+-stable-.+"';
const CANARY = 'namespace="$namespace",pod!~".+-stable-.+"';
const rate = (pods: string): string => `sum(rate(http_requests_total{${pods}}[$__rate_interval]))`;
/** Not their share: of the last few answers of a canary that gets none any more, all may be faults. */
const faults = (pods: string): string => `${rate(`${pods},status=~"5.."`)} or 0 * ${rate(pods)}`;

export const ROLLOUT_QUERIES = {
  phase: `max by (phase, revision) (latchkey_rollout_info{${ROLLOUT}}) == 1`,
  weight: `max(latchkey_rollout_weight{${ROLLOUT}})`,
  canaryRequests: rate(CANARY),
  stableRequests: rate(STABLE),
  canaryFaults: faults(CANARY),
  stableFaults: faults(STABLE),
  decisions: `sum by (decision, reason) (latchkey_rollout_decisions_total{${ROLLOUT}})`,
} as const;

const CANARY_STROKE: Stroke = { colour: '#e07b00', dash: '' };
const STABLE_STROKE: Stroke = { colour: '#1f77b4', dash: '' };
const PHASE_COLOURS: Readonly<Record<string, string>> = {
  Succeeded: '#d5ecd9',
  Progressing: '#fdebd0',
  Promoting: '#d9e8f7',
  RolledBack: '#f7d4d2',
};
const DECISION_COLOURS: Readonly<Record<string, string>> = {
  advance: '#8a6a1c',
  promote: '#2a8c4a',
  hold: '#98a2ae',
};
const DOWN = '#c8322b';
const END_COLOURS: Readonly<Record<string, string>> = { Succeeded: '#2a8c4a', RolledBack: DOWN, Zeroed: DOWN };

const LEFT = 84;
const RIGHT = WIDTH - MARGIN - 10;
/** What the colours mean, behind a lane's title. */
const KEYS_LEFT = 112;
const TITLE_ROOM = 28;
const LANE_GAP = 14;
const LABEL_SIZE = 11;
const LABEL = { size: LABEL_SIZE, weight: 600, hasHalo: true } as const;
const DECISION_LINE = 17;
const BAND_HEIGHT = 20;
const TIMES_HEIGHT = 18;

/** @throws Error when the recording lacks an answer to one of ROLLOUT_QUERIES */
export function rolloutPicture(recording: Recording): string {
  const title = 'One rollout promoted, one taken back';
  const head = headOf(title, recording, 'the queries of k8s/dashboards/rollout-picture.ts');
  const lanes = [phaseLane, weightLane, requestsLane, faultsLane, decisionsLane];
  let y = head.endsAt;
  const drawn = lanes.map((lane) => {
    const { svg, height } = lane(recording, y);
    y += height + LANE_GAP;
    return svg;
  });
  const ends = endings(recording, head.endsAt + BAND_HEIGHT, y - LANE_GAP - TIMES_HEIGHT);
  return page({ width: WIDTH, height: y, title }, head.svg, ends, ...drawn);
}

/** Where a rollout ended, through all lanes. */
function endings(recording: Recording, top: number, bottom: number): string {
  const plot = plotOf(recording, { top, height: bottom - top, unit: 'short', values: [] });
  const ends = phasesIn(answerTo(recording, ROLLOUT_QUERIES.phase)).filter(({ from }) => from > 0);
  const drawn = ends.map(({ phase, from }) => {
    const stroke = END_COLOURS[phase];
    const x = xOf(plot, from);
    const dashes = { 'stroke-dasharray': '4 3' };
    return stroke === undefined ? '' : element('line', { x1: x, x2: x, y1: top, y2: bottom, stroke, ...dashes });
  });
  return drawn.join('');
}

interface Lane {
  readonly svg: string;
  readonly height: number;
}

const onlyValues = (recording: Recording, query: string): Values => answerTo(recording, query)[0]?.values ?? [];

interface PlotFields {
  readonly top: number;
  readonly height: number;
  readonly unit: Unit;
  readonly values: Values;
}

const plotOf = ({ points, stepS }: Recording, { top, height, unit, values }: PlotFields): Plot => ({
  left: LEFT,
  top,
  width: RIGHT - LEFT,
  height,
  scale: scaleOf(values, unit),
  unit,
  points,
  stepS,
});

const laneTitle = (text: string, y: number): string => words(text, { x: MARGIN, y: y + 14, size: 13, weight: 600 });

function phaseLane(recording: Recording, y: number): Lane {
  const plot = plotOf(recording, { top: y, height: BAND_HEIGHT, unit: 'short', values: [] });
  const bands = phasesIn(answerTo(recording, ROLLOUT_QUERIES.phase)).map(({ phase, revision, from, until }) => {
    const [x, end] = [xOf(plot, from), xOf(plot, Math.min(until, plot.points - 1))];
    const box = { x, y, width: end - x, height: BAND_HEIGHT, fill: PHASE_COLOURS[phase] ?? '#e8ebef' };
    const text = `${phase} ${revision}`;
    const shown = widthOf(text, LABEL_SIZE) < end - x - 8 ? text : fitted(phase, LABEL_SIZE, end - x - 8);
    const isRoom = end - x > 40;
    return element('rect', box) + (isRoom ? words(shown, { x: x + 5, y: y + 14, size: LABEL_SIZE }) : '');
  });
  return { svg: laneTitle('Phase', y) + bands.join(''), height: BAND_HEIGHT };
}

function weightLane(recording: Recording, y: number): Lane {
  const values = onlyValues(recording, ROLLOUT_QUERIES.weight);
  const plot = plotOf(recording, { top: y + TITLE_ROOM, height: 110, unit: 'percent', values });
  const changes = values.flatMap((value, index) =>
    value !== undefined && value !== values[index - 1] && value > 0 && index > 0 ? [{ value, index }] : [],
  );
  const labels = changes.map(({ value, index }) => {
    const at = { x: xOf(plot, index) + 3, y: plot.top + plot.height * (1 - value / plot.scale.top) - 4 };
    return words(`${value} %`, { ...at, ...LABEL, colour: '#a35a00' });
  });
  const title = laneTitle('Weight of the canary', y);
  const drawn = axes(plot, { hasTimes: false }) + stairs(plot, values, CANARY_STROKE) + labels.join('');
  return { svg: title + drawn, height: TITLE_ROOM + plot.height };
}

const requestsLane = (recording: Recording, y: number): Lane =>
  pairLane(recording, y, {
    title: 'Requests',
    unit: 'reqps',
    canary: onlyValues(recording, ROLLOUT_QUERIES.canaryRequests),
    stable: onlyValues(recording, ROLLOUT_QUERIES.stableRequests),
  });

const faultsLane = (recording: Recording, y: number): Lane =>
  pairLane(recording, y, {
    title: 'Answers 5xx',
    unit: 'reqps',
    canary: onlyValues(recording, ROLLOUT_QUERIES.canaryFaults),
    stable: onlyValues(recording, ROLLOUT_QUERIES.stableFaults),
  });

interface Pair {
  readonly title: string;
  readonly unit: Unit;
  readonly canary: Values;
  readonly stable: Values;
}

function pairLane(recording: Recording, y: number, { title, unit, canary, stable }: Pair): Lane {
  const values = [...canary, ...stable];
  const plot = plotOf(recording, { top: y + TITLE_ROOM, height: 84, unit, values });
  const keys = [
    mark(CANARY_STROKE, KEYS_LEFT, y + 10),
    words('canary', { x: KEYS_LEFT + 19, y: y + 14, size: LABEL_SIZE }),
    mark(STABLE_STROKE, KEYS_LEFT + 80, y + 10),
    words('stable', { x: KEYS_LEFT + 99, y: y + 14, size: LABEL_SIZE }),
  ];
  const drawn = line(plot, stable, STABLE_STROKE) + line(plot, canary, CANARY_STROKE);
  return {
    svg: laneTitle(title, y) + keys.join('') + axes(plot, { hasTimes: false }) + drawn,
    height: TITLE_ROOM + plot.height,
  };
}

const textOf = ({ decision, reason }: Happened): string =>
  decision === 'advance' ? decision : `${decision} (${reason})`;

/** Each decision where it was taken; holds are marks without words, since there is one after each advance. */
function decisionsLane(recording: Recording, y: number): Lane {
  const happened = decisionsIn(answerTo(recording, ROLLOUT_QUERIES.decisions));
  const [holds, moves] = [happened.filter(isHold), happened.filter((each) => !isHold(each))];
  const bare = plotOf(recording, { top: y + TITLE_ROOM, height: 0, unit: 'short', values: [] });
  const placed = rowsFor(moves, (each) => {
    const x = xOf(bare, each.index);
    const width = widthOf(textOf(each), LABEL_SIZE) + 18;
    return x + width > RIGHT ? { from: x - width, to: x + 6 } : { from: x - 6, to: x + width };
  });
  const rows = Math.max(0, ...placed.map(({ row }) => row)) + 2;
  const plot = { ...bare, height: rows * DECISION_LINE, scale: { top: 1, ticks: [] } };
  const dots = holds.map(({ index }) => dot(xOf(plot, index), plot.top + 8, DECISION_COLOURS['hold'] ?? SOFT, 2.5));
  const moved = placed.map(({ item, row }) => drawMove(plot, item, plot.top + (row + 1) * DECISION_LINE + 8));
  const key = dot(KEYS_LEFT + 7, y + 10, DECISION_COLOURS['hold'] ?? SOFT, 2.5);
  const keyText = words('hold', { x: KEYS_LEFT + 19, y: y + 14, size: LABEL_SIZE });
  const parts = [laneTitle('Decisions', y), key, keyText, axes(plot, { hasTimes: true }), ...dots, ...moved];
  return { svg: parts.join(''), height: TITLE_ROOM + plot.height + TIMES_HEIGHT };
}

const isHold = ({ decision }: Happened): boolean => decision === 'hold';

function drawMove(plot: Plot, happened: Happened, y: number): string {
  const x = xOf(plot, happened.index);
  const text = textOf(happened);
  const colour = DECISION_COLOURS[happened.decision] ?? DOWN;
  const isAtEdge = x + widthOf(text, LABEL_SIZE) + 18 > RIGHT;
  const place = isAtEdge ? ({ x: x - 8, anchor: 'end' } as const) : ({ x: x + 8, anchor: 'start' } as const);
  return dot(x, y, colour, 4) + words(text, { ...place, ...LABEL, y: y + 4, colour });
}

const dot = (x: number, y: number, fill: string, r: number): string => element('circle', { cx: x, cy: y, r, fill });
