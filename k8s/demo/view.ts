// Draws a running rollout: step, weight, severity, the figures against their thresholds, what happened when, and what the
// clients see. Called by rollout.ts at every change; its lines go to the terminal (stage.ts). Pure.
import { bar, painter, stepsText, verdictText } from '../../operator/src/plugin/drawing.ts';
import { type Answer, countAnswers } from './answers.ts';
import type { CheckResult, Happening, RolloutRecord } from './record.ts';
import { elapsedText } from './stage.ts';

export interface ViewInput {
  readonly title: string;
  readonly from: string;
  readonly to: string;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly record: RolloutRecord;
  readonly answers: readonly Answer[];
  readonly sessionsLost: number;
  readonly columns: number;
}

const shownHappenings = 7;
const trafficWindowMs = 2_000;
const weightCells = 40;
const paint = painter(true);
const bold = (text: string): string => paint(text, 'bold');
const dim = (text: string): string => paint(text, 'dim');
const red = (text: string): string => paint(text, 'red');
const green = (text: string): string => paint(text, 'green');

export function drawRollout(input: ViewInput): string[] {
  const elapsed = elapsedText(input.nowMs - input.startedAtMs);
  return [
    '',
    `  ${bold(input.title)}  ${input.from} → ${input.to}  ${dim(elapsed)}`,
    '',
    `  step      ${stepsText(input.record.schedule, input.record.status, paint)}`,
    `  weight    ${weightLine(input.record.weight ?? 0)}`,
    `  state     ${stateLine(input.record)}`,
    '',
    ...figures(input),
    '',
    `  clients   ${trafficLine(input)}`,
    '',
    ...happened(input),
  ];
}

function weightLine(weight: number): string {
  return `${bold(`${String(Math.round(weight)).padStart(3)} %`)}  ${bar(weight / 100, weightCells, paint)}`;
}

function stateLine(record: RolloutRecord): string {
  const phase = record.status?.phase ?? 'waiting for the operator';
  const severity = record.status?.severity ?? 'None';
  const shown = severity === 'None' ? green('severity none') : red(`severity ${severity}`);
  const reason = record.status?.lastDecision?.reason;
  return [phase, shown, ...(reason === undefined ? [] : [dim(reason)])].join('   ');
}

function figures(input: ViewInput): string[] {
  const check = input.record.status?.lastCheck;
  if (check === undefined) return [`  figures   ${dim('none yet: the canary has not been checked')}`];
  const ageMs = Math.max(0, input.nowMs - Date.parse(check.at));
  const head = dim(`${'check'.padEnd(20)} ${'value'.padStart(12)}   ${'threshold'.padEnd(14)} verdict`);
  const rows = check.results.map((result) => `            ${figureRow(result)}`);
  return [`  figures   ${head}   ${dim(`(${elapsedText(ageMs)} ago)`)}`, ...rows];
}

function figureRow(result: CheckResult): string {
  const value = (result.value ?? '–').slice(0, 12);
  const threshold = (result.threshold ?? '').slice(0, 14);
  const verdict = result.verdict === 'pass' ? green('pass') : red(verdictText(result));
  return `${result.check.padEnd(20)} ${value.padStart(12)}   ${threshold.padEnd(14)} ${verdict}`;
}

function trafficLine(input: ViewInput): string {
  const seconds = trafficWindowMs / 1000;
  const lately = countAnswers(input.answers, input.nowMs - trafficWindowMs, input.nowMs);
  const canary = lately.requestsByVersion[input.to] ?? 0;
  const sinceStart = countAnswers(input.answers, input.startedAtMs, input.nowMs);
  const failed = `${sinceStart.failed} failed`;
  const lost = `${input.sessionsLost} sessions lost`;
  return [
    `${(lately.requests / seconds).toFixed(0)} requests/s`,
    `${(canary / seconds).toFixed(0)}/s at ${input.to}`,
    sinceStart.failed === 0 ? green(failed) : red(failed),
    input.sessionsLost === 0 ? green(lost) : red(lost),
  ].join(' · ');
}

function happened(input: ViewInput): string[] {
  const since = input.record.happenings.filter(({ atMs, reason }) => atMs >= input.startedAtMs && reason !== 'Holding');
  if (since.length === 0) return [`  happened  ${dim('nothing yet')}`];
  return since.slice(-shownHappenings).map((happening, index) => {
    const label = index === 0 ? '  happened  ' : '            ';
    const line = happeningLine(happening, input.startedAtMs);
    const room = input.columns - label.length;
    const cut = line.length > room ? `${line.slice(0, room - 1)}…` : line;
    return `${label}${happening.isWarning ? red(cut) : cut}`;
  });
}

/** A happening in one line, beginning with the seconds since the rollout's start. */
export function happeningLine(happening: Happening, startedAtMs: number): string {
  const at = ((happening.atMs - startedAtMs) / 1000).toFixed(1).padStart(6);
  return `+${at} s  ${happening.reason}  ${happening.note}`;
}
