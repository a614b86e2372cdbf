/**
 * One pass over one AuthRollout: read, decide, write. Called by workqueue.ts with a key; what it returns is when to come again.
 * Any line may be the last one that the process executes: everything needed is in the cluster, and the next pass reads it anew.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Acted, type ActParts, act, writeStatus } from './act.ts';
import { deposed } from './clients/lease.ts';
import { decide } from './core/decide.ts';
import { judge } from './core/judge.ts';
import { type Action, plan } from './core/plan.ts';
import { requeueAfterMs } from './core/requeue.ts';
import { nextStatus } from './core/status-from.ts';
import type { DecisionLog } from './decision-log.ts';
import { type ObserveParts, observe } from './observe.ts';
import type { Decided } from './pass-record.ts';
import type { PassReport, Reporter } from './report.ts';
import { watchedOf } from './sentinel-scope.ts';
import type { Lane, PassResult } from './workqueue.ts';

export interface ReconcileParts extends ObserveParts, ActParts {
  readonly reporter: Reporter;
  readonly decisionLog: DecisionLog;
}

/** A conflict means that the world moved while we thought: think again at once. More in a row is a fight, and the queue's back-off ends it. */
const MAX_CONFLICTS = 5;
/** A severe verdict wanted the pass out of the way, or the lease was lost, in the middle of its writes. */
const INTERRUPTED = { kind: 'failed', at: 0, code: 'ERR_API_ABORTED' } as const;

export async function reconcile(
  parts: ReconcileParts,
  key: string,
  lane: Lane,
  signal: AbortSignal,
): Promise<PassResult> {
  for (let attempt = 1; ; attempt++) {
    const seen = await observe(parts, key, lane, signal);
    if (seen === undefined) return parts.reporter.gone(key);

    const judgement = judge(seen.observation);
    const decision = decide(seen.observation, judgement);
    if (decision.isDeposed) {
      parts.elector.stepDown();
      throw deposed();
    }

    const actions = plan(seen.observation, decision);
    const told = { key, seen, judgement, decision };
    const { outcome, error } = await carryOut(parts, actions, told, signal);
    parts.sentinel.follow(key, watchedOf(seen, decision, outcome));
    if (outcome.kind === 'conflict' && attempt < MAX_CONFLICTS) continue;
    parts.decisionLog.decided({ ...told, outcome });

    const status = nextStatus(seen.observation, judgement, decision, outcome);
    const isSettled = seen.observation.rollout.deleting && decision.want.finalizer === 'release';
    if (!isSettled && !isDeepStrictEqual(status, seen.observation.status))
      await writeStatus(parts, seen, status, signal);

    parts.reporter.passed({
      key,
      lane,
      seen,
      judgement,
      decision,
      actions,
      outcome,
      error,
      status,
    } satisfies PassReport);
    if (error !== undefined) throw error;
    return { requeueAfterMs: requeueAfterMs(seen.observation, decision, outcome) };
  }
}

/** A pass that is stopped between its writes leaves it open which of them were done; that they were decided is recorded. */
async function carryOut(
  parts: ReconcileParts,
  actions: readonly Action[],
  decided: Omit<Decided, 'outcome'>,
  signal: AbortSignal,
): Promise<Acted> {
  try {
    return await act(parts, actions, decided.seen, signal);
  } catch (stopped) {
    parts.decisionLog.decided({ ...decided, outcome: INTERRUPTED });
    throw stopped;
  }
}
