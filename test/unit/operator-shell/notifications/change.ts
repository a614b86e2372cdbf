/** Statuses before and after a pass, for the tests of the notifications. */

import { parseSpec } from '../../../../operator/src/core/spec.ts';
import type { Status } from '../../../../operator/src/core/status.ts';
import type { Change } from '../../../../operator/src/notifications/news.ts';
import { specManifest } from '../../../support/operator-core/world.ts';

export const T0 = Date.parse('2030-01-01T02:00:00.000Z');
export const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

/** 25 % for ten minutes, all well. */
export const RUNNING: Status = {
  phase: 'Progressing',
  revision: 'bbbbbbbbbb',
  stableRevision: 'aaaaaaaaaa',
  stepIndex: 2,
  stepStartedAt: at(-600),
  stepHold: '1h',
  weight: 25,
  severity: 'None',
  lastCheck: {
    at: at(-60),
    results: [{ check: 'errorRate', verdict: 'pass', value: '0.02%', threshold: '0.1%', requests: 8_000 }],
  },
  lastDecision: { decision: 'hold', reason: 'Holding', message: 'step 2 at 25% until later', at: at(-590) },
  history: [{ decision: 'advance', reason: 'Advanced', message: 'from 10% to 25%', at: at(-600) }],
};

/** The pass at T0 that made `changes` of the running status. */
export function change(changes: Partial<Status>, before: Status | undefined = RUNNING): Change {
  return {
    observation: {
      nowMs: T0,
      status: before,
      spec: parseSpec(specManifest()),
      rollout: {
        namespace: 'auth',
        name: 'auth-api',
        uid: 'uid-1',
        generation: 1,
        deleting: false,
        hasFinalizer: true,
      },
    },
    after: { ...before, ...changes },
  };
}

const decided = (
  decision: 'hold' | 'advance' | 'reduce' | 'zero' | 'rollback' | 'promote',
  reason: string,
  message: string,
) => ({
  lastDecision: { decision, reason, message, at: at(0) },
});

export const CHANGES = {
  step: change({
    ...decided('advance', 'Advanced', 'from 25% to 50% (step 4 of 5)'),
    weight: 50,
    stepIndex: 3,
    stepStartedAt: at(0),
    stepHold: '2h',
  }),
  P3: change({
    ...decided('hold', 'SeverityP3', 'P3 errorRate 0.2% (limit 0.1%, 9000 requests): watching'),
    severity: 'P3',
    lastCheck: {
      at: at(0),
      results: [
        { check: 'serviceDown', verdict: 'pass', value: '0s', threshold: '5m' },
        { check: 'errorRate', verdict: 'fail', severity: 'P3', value: '0.2%', threshold: '0.1%', requests: 9_000 },
      ],
    },
  }),
  reduction: change({
    ...decided(
      'reduce',
      'SeverityP2',
      'P2 errorRate 0.7%: from 25% down to 12%, approval of team-lead needed to go on',
    ),
    severity: 'P2',
    weight: 12,
    approvalNeeded: { role: 'team-lead', stepIndex: 2, since: at(0) },
    lastCheck: {
      at: at(0),
      results: [
        { check: 'errorRate', verdict: 'fail', severity: 'P2', value: '0.7%', threshold: '0.5%', requests: 9_000 },
      ],
    },
  }),
  zero: change({
    ...decided(
      'zero',
      'SeverityP1',
      'P1 latencyP95 31% slower: weight 0, pods kept, approval of on-call needed to go on',
    ),
    phase: 'Zeroed',
    severity: 'P1',
    weight: 0,
    approvalNeeded: { role: 'on-call', stepIndex: 2, since: at(0) },
    lastCheck: {
      at: at(0),
      results: [
        {
          check: 'latencyP95',
          verdict: 'fail',
          severity: 'P1',
          value: '31% slower',
          threshold: '5% over 500ms',
          requests: 400,
        },
      ],
    },
  }),
  rollback: change({
    ...decided('rollback', 'SeverityP0', 'P0 errorRate 48%: rolled back, revision bbbbbbbbbb never gets traffic again'),
    phase: 'RolledBack',
    severity: 'P0',
    weight: 0,
    condemned: [{ revision: 'bbbbbbbbbb', reason: 'SeverityP0', at: at(0) }],
    lastCheck: {
      at: at(0),
      results: [{ check: 'errorRate', verdict: 'fail', severity: 'P0', value: '48%', threshold: '5%', requests: 42 }],
    },
  }),
  drift: change({
    ...decided('reduce', 'Drifted', 'kubectl-edit set the canary to 90% where we had 25%: keeping the lower, 25%'),
    drift: { weight: 90, kept: 25, manager: 'kubectl-edit', at: at(0) },
  }),
  done: change(
    {
      ...decided('promote', 'Promoted', 'stable serves revision bbbbbbbbbb'),
      phase: 'Succeeded',
      weight: 0,
      stableRevision: 'bbbbbbbbbb',
    },
    { ...RUNNING, phase: 'Promoting', weight: 0, stepIndex: 4 },
  ),
} as const;
