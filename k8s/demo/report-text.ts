// Writes the demo's report for a person. Called by demo.ts with the report that report.ts made. Pure.

import { verdictText } from '../../operator/src/plugin/drawing.ts';
import type { CheckResult } from './record.ts';
import type { Claim, Report, RolloutReport, StepLine } from './report.ts';
import { elapsedText } from './stage.ts';

export function reportLines(report: Report, columns: number): string[] {
  return linesOf(report).flatMap((line) => wrap(line, columns));
}

/** Breaks a line at spaces; what follows stands a little deeper than its beginning. */
function wrap(line: string, columns: number): string[] {
  const indent = `${/^ */.exec(line)?.[0] ?? ''}  `;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > columns) {
    const space = rest.lastIndexOf(' ', columns);
    if (space <= indent.length) break;
    lines.push(rest.slice(0, space));
    rest = `${indent}${rest.slice(space + 1)}`;
  }
  return [...lines, rest];
}

function linesOf(report: Report): string[] {
  return [
    '',
    'Report',
    ...report.rollouts.flatMap(rolloutLines),
    '',
    ...exposureLines(report),
    `  Sessions lost: ${report.sessionsLost}`,
    '',
    ...report.claims.map(claimLine),
    '',
    report.allHold ? 'Every claim holds.' : 'Not every claim holds: the lines with ✗ say which and why.',
  ];
}

function rolloutLines(rollout: RolloutReport): string[] {
  const { clients } = rollout;
  const failures = Object.entries(clients.failedByVersion).map(
    ([version, count]) => `${count} at ${version || 'none'}`,
  );
  const failed = clients.failed === 0 ? '0 failed' : `${clients.failed} failed (${failures.join(', ')})`;
  return [
    '',
    `  ${rollout.title}: ${rollout.from} → ${rollout.to}, ${rollout.outcome} after ${elapsedText(rollout.durationMs)}`,
    ...rollout.steps.flatMap(stepLines),
    `    clients: ${clients.requests} requests, ${failed}`,
  ];
}

function stepLines(step: StepLine): string[] {
  const carried = `${step.requests} canary answers, ${step.failed} faulty`;
  const decided = `${step.decision} (${step.reason})${step.message === '' ? '' : `: ${step.message}`}`;
  const evidence = step.checks.filter(isTelling).map(checkText).join(' · ');
  const lines = [`    ${String(step.weight).padStart(3)} %  ${carried} → ${decided}`];
  return evidence === '' ? lines : [...lines, `           ${evidence}`];
}

/** The two figures that everybody asks for, and whatever did not pass. */
function isTelling({ check, verdict }: CheckResult): boolean {
  return verdict !== 'pass' || check === 'errorRate' || check === 'latencyP95';
}

function checkText(result: CheckResult): string {
  const value = result.value === undefined ? '' : ` ${result.value}`;
  const threshold = result.threshold === undefined ? '' : ` (limit ${result.threshold})`;
  return `${result.check}${value}${threshold} ${verdictText(result)}`;
}

function exposureLines(report: Report): string[] {
  const { exposure } = report;
  if (exposure === undefined) return ['  The sick version never answered with a fault.'];
  const seconds = (exposure.exposureMs / 1000).toFixed(2);
  return [
    `  From the first faulty canary answer to the last canary answer: ${seconds} s`,
    `  (at ${exposure.requestsPerSecond} canary requests/s; ${exposure.faultyAnswers} faulty answers reached clients)`,
  ];
}

function claimLine(claim: Claim): string {
  return `  ${claim.holds ? '✓' : '✗'} ${claim.claim}: ${claim.evidence}`;
}
