/** RolloutApprovals for the worlds of the core's tests. */

import type { Approval, ApprovalsView } from '../../../operator/src/core/approval.ts';
import type { World } from './world.ts';

/** What the on-call engineer, or the team lead, makes of what the status asks for, now. */
export function approvalFor(world: World, change: Partial<Approval> = {}): Approval {
  const needed = world.status?.approvalNeeded;
  const createdAtMs = Math.floor(world.nowMs / 1_000) * 1_000;
  return {
    name: 'api-x7k2p',
    uid: `uid-${createdAtMs}`,
    rolloutName: 'api',
    revision: world.status?.revision ?? '',
    stepIndex: needed?.stepIndex ?? 0,
    role: needed?.role ?? 'on-call',
    by: 'engineer',
    reason: 'a slow disk, replaced',
    createdAtMs,
    expiresAtMs: createdAtMs + 3_600_000,
    ...change,
  };
}

type Guard = Extract<ApprovalsView, { kind: 'read' }>['guard'];

export function withApprovals(world: World, approvals: readonly Approval[], guard: Guard = 'stands'): World {
  return { ...world, approvals: { kind: 'read', approvals, guard } };
}
