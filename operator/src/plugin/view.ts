/** Draws rollouts for a terminal. Pure: commands.ts gives it what the apiserver said and the time, and writes its lines. */
import { durationToMs, msToDuration } from '../core/duration.ts';
import type { DecisionRecord, Status } from '../core/status.ts';
import { conclusionOf, isAtCeiling, shutCheckpoints, waitsFor } from './conclusion.ts';
import { bar, type Paint, painter, stepsText, verdictText } from './drawing.ts';
import type { Rollout } from './rollouts.ts';

export interface Canvas {
  readonly nowMs: number;
  readonly columns: number;
  readonly hasColour: boolean;
}

type Result = NonNullable<Status['lastCheck']>['results'][number];

const SHOWN_DECISIONS = 6;
const WEIGHT_CELLS = 40;
const FIGURE_CELLS = 10;
/** What says nothing while it is so; a stall is told as what the rollout waits for. */
const QUIET: Readonly<Record<string, string>> = {
  Ready: 'True',
  MetricsAvailable: 'True',
  RouteProgrammed: 'True',
  Degraded: 'False',
  Drifted: 'False',
};

/** The whole state of one rollout. */
export function drawStatus(rollout: Rollout, canvas: Canvas): readonly string[] {
  const paint = painter(canvas.hasColour);
  const waiting = waitsFor(rollout);
  return [
    `${paint(`${rollout.namespace}/${rollout.name}`, 'bold')}   ${stateText(rollout, paint)}`,
    '',
    ...runLines(rollout, canvas, paint),
    ...checkpointLines(rollout, canvas, paint),
    ...(waiting === undefined ? [] : [row('waits for', paint(cut(waiting, canvas), 'yellow'))]),
    ...troubles(rollout, canvas, paint),
    '',
    ...figures(rollout, canvas, paint),
    '',
    ...decisions(rollout, canvas, paint),
  ];
}

export function row(label: string, text: string): string {
  return `  ${label.padEnd(10)} ${text}`;
}

/** One line, however narrow the terminal: a wrapped line would break the redrawing. */
export function cut(text: string, { columns }: Canvas): string {
  const room = Math.max(20, columns - 13);
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}

function stateText(rollout: Rollout, paint: Paint): string {
  const { status } = rollout;
  if (status?.phase === undefined) return paint('the operator has not seen it yet', 'yellow');
  const severity = status.severity ?? 'None';
  const how = severity === 'None' ? 'green' : 'red';
  const conclusion = conclusionOf(rollout);
  const phase = conclusion === 'taken-back' ? paint(status.phase, 'red') : paint(status.phase, 'bold');
  return [
    phase,
    paint(severity === 'None' ? 'no severity' : `severity ${severity}`, how),
    status.lastDecision?.reason ?? '',
  ]
    .filter((text) => text !== '')
    .join('   ');
}

function runLines({ spec, status }: Rollout, { nowMs }: Canvas, paint: Paint): readonly string[] {
  if (status === undefined) return [];
  const from = status.stableRevision ?? '–';
  const to = status.revision ?? '–';
  return [
    row('revision', to === from ? `${to}, which stable serves` : `${from} → ${to}`),
    row('steps', stepsText(spec?.schedule ?? [], status, paint)),
    row('weight', weightText(status.weight ?? 0, paint)),
    ...(status.stepStartedAt === undefined || status.phase !== 'Progressing'
      ? []
      : [row('step', stepText(status, nowMs))]),
    ...(status.zero === undefined ? [] : [row('zero', zeroText(status.zero))]),
  ];
}

type Answer = NonNullable<Status['checkpoints']>['answers'][number];

/** What is asked before the next step, and what was said. */
function checkpointLines({ spec, status }: Rollout, canvas: Canvas, paint: Paint): readonly string[] {
  const asked = status?.checkpoints;
  if (asked === undefined) return [];
  const weight = spec?.schedule[asked.stepIndex]?.weight;
  const since = secondsText(canvas.nowMs - Date.parse(asked.since));
  const width = Math.max(0, ...asked.answers.map(({ name }) => name.length));
  return [
    row(
      'go/no-go',
      `before step ${asked.stepIndex + 1}${weight === undefined ? '' : ` (${weight} %)`}, asked ${since} ago`,
    ),
    ...asked.answers.map((answer) =>
      row('', paint(cut(answerText(answer, width), canvas), ANSWER_COLOUR[answer.answer])),
    ),
  ];
}

const ANSWER_COLOUR = { yes: 'green', no: 'red', unknown: 'yellow' } as const;

function answerText({ name, answer, why, value, threshold, by, at }: Answer, width: number): string {
  const said = value === undefined ? '' : `  ${value}${threshold === undefined ? '' : `, wanted ${threshold}`}`;
  const who = by === undefined || value?.startsWith(by) === true ? '' : `  by ${by}`;
  const when = at === undefined ? '' : `  ${timeText(at)}`;
  return `${name.padEnd(width)}  ${[answer, why ?? ''].join(' ').trim()}${said}${who}${when}`;
}

function weightText(weight: number, paint: Paint): string {
  return `${String(weight).padStart(3)} %  ${bar(weight / 100, WEIGHT_CELLS, paint)}`;
}

function stepText(status: Status, nowMs: number): string {
  const held = secondsText(nowMs - Date.parse(status.stepStartedAt ?? ''));
  const hold = status.stepHold ?? '?';
  const next = status.nextCheckAt === undefined ? '' : nextText(Date.parse(status.nextCheckAt) - nowMs);
  return `held ${held} of ${hold}${next}`;
}

function nextText(inMs: number): string {
  return inMs > 0 ? `, next check in ${secondsText(inMs)}` : ', check due';
}

function zeroText({ stage, provenAt, requestedAt }: NonNullable<Status['zero']>): string {
  if (provenAt === undefined) return `not proven yet, by ${stage} since ${timeText(requestedAt)}`;
  return `proven by ${stage} after ${msToDuration(Date.parse(provenAt) - Date.parse(requestedAt))}`;
}

/** Reasons of CohortProgrammed that somebody who set spec.cohort would not expect. */
const WITHOUT_COHORT: ReadonlySet<string> = new Set(['GatewayRefused', 'RouteUnsuitable']);

function troubles({ status }: Rollout, canvas: Canvas, paint: Paint): readonly string[] {
  const loud = (status?.conditions ?? []).filter(
    ({ type, status: is, reason }) => (QUIET[type] !== undefined && QUIET[type] !== is) || WITHOUT_COHORT.has(reason),
  );
  return loud.map(({ type, message, reason }) => row(type, paint(cut(`${reason}: ${message}`, canvas), 'yellow')));
}

function figures({ status }: Rollout, { nowMs }: Canvas, paint: Paint): readonly string[] {
  const check = status?.lastCheck;
  if (check === undefined) return [row('figures', paint('none yet: the canary has not been checked', 'dim'))];
  const age = secondsText(nowMs - Date.parse(check.at));
  const lines = check.results.map((result) => row('', figureText(result, paint)));
  return [row('figures', paint(`checked ${age} ago`, 'dim')), ...lines];
}

function figureText(result: Result, paint: Paint): string {
  const { check, value = '–', threshold = '–', verdict, requests } = result;
  const how = verdict === 'pass' ? 'green' : verdict === 'fail' ? 'red' : 'yellow';
  const of = requests === undefined ? '' : paint(`  ${requests} requests`, 'dim');
  const share = bar(shareOf(value, threshold), FIGURE_CELLS, paint);
  return `${check.padEnd(16)} ${share} ${value.padStart(14)} of ${threshold.padEnd(16)} ${paint(verdictText(result), how)}${of}`;
}

/** How near a figure is to its threshold; 0 where one of them is no number. */
function shareOf(value: string, threshold: string): number {
  const share = numberIn(value) / numberIn(threshold);
  return Number.isFinite(share) ? share : 0;
}

/** `0.5% slower` is 0.5, `5m` its milliseconds, `10/min` 10. */
function numberIn(text: string): number {
  const word = text.replace(/^> /, '').split(' ')[0] ?? '';
  return durationToMs(word) || Number.parseFloat(word);
}

function decisions({ status }: Rollout, canvas: Canvas, paint: Paint): readonly string[] {
  const records = decisionsOf(status).slice(-SHOWN_DECISIONS);
  if (records.length === 0) return [row('decisions', paint('none yet', 'dim'))];
  return records.map((record, index) => row(index === 0 ? 'decisions' : '', cut(decisionText(record), canvas)));
}

/** Oldest first, each once. */
export function decisionsOf(status: Status | undefined): readonly DecisionRecord[] {
  const last = status?.lastDecision;
  const all = [...(status?.history ?? []), ...(last === undefined ? [] : [last])];
  const seen = new Map(all.map((record) => [`${record.at} ${record.decision} ${record.reason}`, record]));
  return [...seen.values()].toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

export function decisionText({ at, decision, reason, message }: DecisionRecord): string {
  return `${timeText(at)}  ${decision.padEnd(8)} ${reason}  ${message}`;
}

/** Every rollout in a line, columns as wide as they must be. */
export function drawList(
  rollouts: readonly Rollout[],
  { withNamespace }: { readonly withNamespace: boolean },
): readonly string[] {
  const head = [...(withNamespace ? ['NAMESPACE'] : []), 'NAME', 'PHASE', 'STEP', 'WEIGHT', 'SEVERITY', 'WAITS FOR'];
  const rows = rollouts.map((rollout) => {
    const { namespace, name, status, spec } = rollout;
    const steps =
      spec === undefined ? '' : `${status?.stepIndex === undefined ? 0 : status.stepIndex + 1}/${spec.schedule.length}`;
    return [
      ...(withNamespace ? [namespace] : []),
      name,
      status?.phase ?? '–',
      steps,
      `${status?.weight ?? 0} %`,
      status?.severity ?? 'None',
      shortWait(rollout),
    ];
  });
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return [head, ...rows].map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

function shortWait(rollout: Rollout): string {
  const role = rollout.status?.approvalNeeded?.role;
  if (role !== undefined) return `approval of ${role}`;
  if (rollout.spec?.paused === true) return 'resume';
  if (isAtCeiling(rollout)) return 'retry';
  const shut = shutCheckpoints(rollout);
  if (shut.length > 0) return `a yes of ${shut.join(', ')}`;
  return waitsFor(rollout) === undefined ? '' : 'a correction';
}

/** To the second: 4m12s; a figure that ticks in milliseconds tells nobody anything. */
function secondsText(ms: number): string {
  return Number.isFinite(ms) ? msToDuration(Math.round(Math.max(0, ms) / 1_000) * 1_000) : '?';
}

function timeText(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}
