/**
 * Alerts of others as a check of their own: judge.ts asks judgeAlerts, zero.ts answers P0 and P1 with weight 0, progress.ts asks
 * alertFiring before anything rises. The alert itself says when it is over, so no approval is needed after a P2 of this check.
 *
 * @see docs/adr/0017-notifications.md
 */

import type { Judged } from './judge.ts';
import { SEVERITIES } from './matrix.ts';
import type { SignalView } from './observation.ts';
import type { Draft, Scene } from './scene.ts';
import { describeFailures } from './zero.ts';

/** More names make a sentence that nobody reads to the end. */
const MAX_NAMES = 3;

/** The worst that fires, with its names. */
export function judgeAlerts(signals: readonly SignalView[]): Judged {
  const severity = SEVERITIES.find((known) => signals.some((signal) => signal.severity === known));
  const names = [
    ...new Set(signals.filter((signal) => signal.severity === severity).map(({ name }) => name)),
  ].toSorted();
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  const verdict = severity === undefined ? ({ kind: 'pass' } as const) : ({ kind: 'fail', severity } as const);
  const value = severity === undefined ? 'none' : `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
  const finding = { check: 'alerts', verdict, value, threshold: 'none firing', requests: undefined } as const;
  return { verdict, results: [{ ...finding, source: 'alertmanager', windowMs: 0 }] };
}

/** Nothing rises while an alert fires, whatever its severity: at weight 0 there is nothing left to take away. */
export function alertFiring({ judgement, run }: Scene): Draft | undefined {
  const { verdict, results } = judgement.alerts;
  if (verdict.kind !== 'fail') return undefined;
  const { severity } = verdict;
  const message = `${describeFailures(results, severity)}: holding at ${run.weight ?? 0}% until it is resolved`;
  return { kind: 'hold', reason: 'AlertFiring', severity, message };
}
