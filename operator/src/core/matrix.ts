/**
 * The runbook's decision matrix as data. judge.ts reads which proof each severity of each check wants,
 * decide.ts what answers it. The figures are in spec.matrix; this is the shape.
 */

import type { CheckName } from './status.ts';

export type Severity = 'P0' | 'P1' | 'P2' | 'P3';

/** Worst first. */
export const SEVERITIES: readonly Severity[] = ['P0', 'P1', 'P2', 'P3'];

/** What the operator does at once. */
export type Response = 'rollback' | 'zero' | 'reduce' | 'hold';

/**
 * evidence: the share crosses the limit, and the trial (trial.ts) or a window of Prometheus proves the canary's fault with
 * spec.matrix.confidence. estimate: the plain share does, which is enough where the answer is only to wait. fact: a count or a
 * time, which needs no statistics.
 */
export type Proof = 'evidence' | 'estimate' | 'fact';

export type MatrixRow = {
  readonly check: CheckName;
  readonly severity: Severity;
  readonly proof: Proof;
  readonly response: Response;
  /** The sentinel looks every second and acts on P0 and P1; the step's checks judge every row. */
  readonly sentinel: boolean;
};

const row = (check: CheckName, severity: Severity, proof: Proof, response: Response): MatrixRow => ({
  check,
  severity,
  proof,
  response,
  sentinel: severity === 'P0' || severity === 'P1',
});

export const MATRIX: readonly MatrixRow[] = [
  row('serviceDown', 'P0', 'fact', 'rollback'),
  row('errorRate', 'P0', 'evidence', 'rollback'),
  row('dataLoss', 'P0', 'fact', 'rollback'),
  row('errorRate', 'P1', 'evidence', 'zero'),
  row('latencyP95', 'P1', 'evidence', 'zero'),
  row('authFailureRate', 'P1', 'evidence', 'zero'),
  row('databaseErrors', 'P1', 'fact', 'zero'),
  row('complaints', 'P1', 'fact', 'zero'),
  row('errorRate', 'P2', 'evidence', 'reduce'),
  row('latencyP95', 'P2', 'evidence', 'reduce'),
  row('complaints', 'P2', 'fact', 'hold'),
  row('errorRate', 'P3', 'estimate', 'hold'),
  row('latencyP95', 'P3', 'estimate', 'hold'),
  row('alerts', 'P0', 'fact', 'rollback'),
  row('alerts', 'P1', 'fact', 'zero'),
  row('alerts', 'P2', 'fact', 'hold'),
  row('alerts', 'P3', 'fact', 'hold'),
];

/** Who must approve before the weight may rise again; nobody after a P0, since nothing lifts it, and nobody after a P3. */
export const APPROVER: Readonly<Record<Severity, 'on-call' | 'team-lead' | undefined>> = {
  P0: undefined,
  P1: 'on-call',
  P2: 'team-lead',
  P3: undefined,
};

/** Who must approve after a row; an alert that only holds says itself when it is over. */
export function approverAfter({ check, severity, response }: MatrixRow): 'on-call' | 'team-lead' | undefined {
  return check === 'alerts' && response === 'hold' ? undefined : APPROVER[severity];
}

/** The rows of one check, worst first. */
export function rowsOf(check: CheckName): readonly MatrixRow[] {
  return MATRIX.filter((entry) => entry.check === check);
}

/** What answers a failed check. */
export function responseTo(check: CheckName, severity: Severity): Response {
  return MATRIX.find((entry) => entry.check === check && entry.severity === severity)?.response ?? 'hold';
}
