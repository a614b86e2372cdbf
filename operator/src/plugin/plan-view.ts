/** Draws a plan for a terminal. Pure; called by plan.ts. */
import { msToDuration } from '../core/duration.ts';
import { type Paint, painter } from './drawing.ts';
import type { StepForecast } from './forecast.ts';
import type { Plan } from './plan.ts';
import { wayText } from './prometheus.ts';
import { type Canvas, cut, row } from './view.ts';

export function drawPlan(plan: Plan, canvas: Canvas): readonly string[] {
  const paint = painter(canvas.hasColour);
  const count = plan.stalls.length;
  const verdict =
    count === 0
      ? paint('nothing is in the way', 'green')
      : paint(`would stall: ${count} ${count === 1 ? 'reason' : 'reasons'}`, 'red');
  return [
    `${paint(`${plan.namespace}/${plan.name}`, 'bold')}   ${verdict}`,
    '',
    row('manifest', rehearsalText(plan)),
    row('traffic', trafficText(plan)),
    '',
    ...timeline(plan, paint),
    ...checkpointLines(plan, canvas),
    '',
    ...routeLines(plan),
    ...rightLines(plan),
    '',
    ...queryLines(plan, canvas),
    ...plan.stalls.flatMap((stall, index) => [
      ...(index === 0 ? [''] : []),
      row(index === 0 ? 'stalls' : '', paint(stall, 'yellow')),
    ]),
  ];
}

function rehearsalText({ rehearsal }: Plan): string {
  switch (rehearsal.kind) {
    case 'applied':
      return 'as it is applied';
    case 'accepted':
      return 'the API server would take it (dry run)';
    case 'refused':
      return `refused: ${rehearsal.why}`;
    case 'unknown':
      return `the API server was not asked: ${rehearsal.why}`;
  }
}

function trafficText({ requestsPerSecond, isRateGiven, figures }: Plan): string {
  if (requestsPerSecond === undefined) {
    return `unknown, ${wayText(figures.way)}: say --requests-per-second N to see figures`;
  }
  const rate = `${number(requestsPerSecond)} requests/s`;
  return isRateGiven ? `${rate}, as given` : `${rate} in the last 5m, ${wayText(figures.way)}`;
}

function timeline(plan: Plan, paint: Paint): readonly string[] {
  const head = [
    'STEP',
    'WEIGHT',
    'FROM',
    'TO',
    'REQUESTS',
    'FINDS P1 FROM',
    'P2 FROM',
    `BAD ANSWERS AT ${percent(plan.failing)}`,
  ];
  const cells = [head, ...plan.steps.map(stepCells)];
  const widths = head.map((_title, column) => Math.max(...cells.map((one) => one[column]?.length ?? 0)));
  const table = cells.map((one, index) => {
    const text = one
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd();
    return row(index === 0 ? 'steps' : '', index === 0 ? paint(text, 'dim') : text);
  });
  const total = msToDuration(Math.round((plan.endsAtMs - plan.startsAtMs) / 1_000) * 1_000);
  return [
    ...table,
    row(
      'ends',
      `${timeText(plan.endsAtMs)}, after ${total} and what pods ${plan.checkpoints.length === 0 ? 'take to get ready' : 'and checkpoints take'}`,
    ),
  ];
}

function stepCells({
  index,
  weight,
  fromMs,
  toMs,
  requests,
  smallestP1,
  smallestP2,
  worst,
}: StepForecast): readonly string[] {
  return [
    String(index + 1),
    `${weight} %`,
    timeText(fromMs),
    timeText(toMs),
    requests === undefined ? '?' : number(requests),
    requests === undefined ? '?' : share(smallestP1),
    requests === undefined ? '?' : share(smallestP2),
    worst === undefined
      ? '?'
      : `${number(worst.badAnswers)}${worst.exposedMs === undefined ? ', not noticed in the step' : ` in ${msToDuration(worst.exposedMs)}`}`,
  ];
}

function checkpointLines({ checkpoints }: Plan, canvas: Canvas): readonly string[] {
  return checkpoints.map(({ stepIndex, weight, name, asks, now }, index) => {
    const text = `before step ${stepIndex + 1} (${weight} %)  ${name}: ${asks}${now === undefined ? '' : `, now ${now}`}`;
    return row(index === 0 ? 'go/no-go' : '', cut(text, canvas));
  });
}

function routeLines({ route }: Plan): readonly string[] {
  if (route === undefined) return [row('route', 'no write is to come')];
  const { httpRoute, rule, isAccepted, when, backends, annotations, cohort } = route;
  const width = Math.max(...backends.map(({ name }) => name.length));
  return [
    row(
      'route',
      `rule ${rule} of HTTPRoute ${httpRoute}${isAccepted ? '' : ', which no Gateway has accepted'}, ${when}`,
    ),
    ...backends.map(({ name, from, to }) =>
      row('', `${name.padEnd(width)}  ${String(from).padStart(3)} → ${String(to).padStart(3)}`),
    ),
    ...(cohort === undefined ? [] : [row('', cohort)]),
    row('', `${annotations.join(' and ')}; nothing else changes`),
  ];
}

function rightLines({ rights: { user, operator } }: Plan): readonly string[] {
  const yours = user.length === 0 ? 'you may apply it' : `you may not ${user.join(', ')}`;
  const its =
    operator.kind === 'unknown'
      ? `unknown, you may not ask: ${operator.why}`
      : operator.missing.length === 0
        ? 'has every right that it needs here'
        : `lacks ${operator.missing.join(', ')}`;
  return [row('rights', yours), row('', `the operator, ${operator.account}, ${its}`)];
}

/** What does not fit into the line is in the JSON. */
function queryLines({ figures }: Plan, canvas: Canvas): readonly string[] {
  const width = Math.max(...figures.queries.map(({ name }) => name.length));
  return figures.queries.map(({ name, value, why, query }, index) => {
    const answer = value === undefined ? (why ?? 'Unknown') : number(value);
    return row(index === 0 ? 'queries' : '', cut(`${name.padEnd(width)}  ${answer}  ${query}`, canvas));
  });
}

function share(value: number | undefined): string {
  return value === undefined ? 'too little' : percent(value);
}

function percent(value: number): string {
  return `${Math.round(value * 10_000) / 100} %`;
}

/** Three digits are enough to plan with. */
function number(value: number): string {
  return new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 }).format(value);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}
