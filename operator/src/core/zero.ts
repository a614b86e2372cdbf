/**
 * Weight 0 at once on a severe verdict, and the proof that the traffic really stopped. A patch that returned 200 proves
 * nothing: gateways have had bugs that kept weight-0 backends in rotation, so the canary's own request counter
 * is asked, and harder means follow while it still moves.
 */

import type { Finding } from './checks.ts';
import type { Judged } from './judge.ts';
import { APPROVER, type Severity } from './matrix.ts';
import type { Run, ZeroProof } from './run.ts';
import { type Draft, isExposed, type Scene, stableToRestore, type Want } from './scene.ts';
import type { ZeroStage } from './status.ts';

/** P0 and P1, before everything but the loss of the Lease: no readiness, pause, approval or other check is asked. */
export function severeVerdict(scene: Scene): Draft | undefined {
  const { run, judgement } = scene;
  if (run.phase !== 'Progressing' && run.phase !== 'Promoting' && run.phase !== 'Zeroed') return undefined;
  if (!isExposed(scene)) return undefined;
  const worst = [severeIn(judgement.sentinel), severeIn(judgement.alerts), judgement.step && severeIn(judgement.step)]
    .filter((found) => found !== undefined)
    .toSorted((left, right) => (left.severity < right.severity ? -1 : left.severity > right.severity ? 1 : 0))[0];
  if (worst === undefined || (worst.severity === 'P1' && run.phase === 'Zeroed')) return undefined;
  const want = { stable: stableToRestore(scene), ...(scene.route === undefined ? DETACH : {}) };
  if (worst.severity === 'P0') {
    return { ...rollBack(worst.text, run), want };
  }
  const message = `${worst.text}: weight 0, pods kept, approval of ${APPROVER.P1} needed to go on`;
  return { kind: 'zero', reason: 'SeverityP1', severity: 'P1', message, write: 0, want };
}

/** The answer to a P0, whoever found it. @param text what failed, with its figures */
export function rollBack(text: string, { revision }: Run): Draft {
  const message = `${text}: rolled back, revision ${revision} never gets traffic again`;
  return { kind: 'rollback', reason: 'SeverityP0', severity: 'P0', message, write: 0 };
}

/** Without a route to patch, the Service is the only lever left. */
export const DETACH: Partial<Want> = { canaryService: 'detached' };

function severeIn(judged: Judged): { readonly severity: 'P0' | 'P1'; readonly text: string } | undefined {
  const { verdict, results } = judged;
  if (verdict.kind !== 'fail' || (verdict.severity !== 'P0' && verdict.severity !== 'P1')) return undefined;
  return { severity: verdict.severity, text: describeFailures(results, verdict.severity) };
}

/** "P0 errorRate 48% (limit 5%, 42 requests)" for each check that failed this badly. */
export function describeFailures(results: readonly Finding[], severity: Severity): string {
  return results
    .filter(({ verdict }) => verdict.kind === 'fail' && verdict.severity === severity)
    .map(({ check, value, threshold, requests }) => {
      const evidence = requests === undefined ? '' : `, ${requests} requests`;
      return `${severity} ${check} ${value ?? ''} (limit ${threshold ?? ''}${evidence})`;
    })
    .join('; ');
}

/** Two equal sums of the canary's request counter count as silence only when they are at least this far apart. */
const QUIET_MS = 1_000;

const STAGES: readonly ZeroStage[] = ['route', 'selector', 'replicas', 'alert'];

export type Settling = { readonly zero: ZeroProof; readonly want: Partial<Want>; readonly isProven: boolean };

/** Carries the proof on by one look. Each `proveWithin` without proof brings the next stage; a stage is never taken back. */
export function settle(scene: Scene): Settling {
  const { run, nowMs, spec } = scene;
  const zero = run.zero ?? { requestedAtMs: nowMs, stage: 'route', provenAtMs: undefined };
  const isProven = zero.provenAtMs !== undefined || isQuiet(scene, zero.requestedAtMs);
  const elapsedStages = isProven ? 0 : Math.floor((nowMs - zero.requestedAtMs) / Math.max(1, spec.proveWithinMs));
  const reached = Math.max(STAGES.indexOf(zero.stage), elapsedStages, scene.route === undefined && !isProven ? 1 : 0);
  const stage = STAGES[Math.min(reached, STAGES.length - 1)] ?? 'alert';
  return {
    zero: { ...zero, stage, provenAtMs: isProven ? (zero.provenAtMs ?? nowMs) : undefined },
    want: isProven ? {} : wantOf(stage),
    isProven,
  };
}

function wantOf(stage: ZeroStage): Partial<Want> {
  if (stage === 'route') return {};
  if (stage === 'selector') return { canaryService: 'detached' };
  return { canaryService: 'detached', canaryReplicas: { kind: 'exactly', replicas: 0 } };
}

/** True when no pod is left to serve, or every pod answers and none has counted a request since the weight went to 0. */
function isQuiet({ observation, live }: Scene, requestedAtMs: number): boolean {
  const { target, sentinel } = observation;
  if (target === undefined || (target.currentReplicas === 0 && target.replicas === 0)) return true;
  if (live !== 0 || sentinel?.quietSinceMs === undefined) return false;
  return sentinel.takenAtMs - Math.max(sentinel.quietSinceMs, requestedAtMs) >= QUIET_MS;
}

export function describeProof({ zero }: Settling): string {
  const since = new Date(zero.requestedAtMs).toISOString();
  switch (zero.stage) {
    case 'route':
      return `weight 0 since ${since}; waiting until the canary's request counter stands still`;
    case 'selector':
      return `the canary still gets requests or cannot be read: its Service now selects stable's pods (weight 0 since ${since})`;
    case 'replicas':
      return `the canary still gets requests or cannot be read: scaling it to 0 (weight 0 since ${since})`;
    case 'alert':
      return `no proof that the canary gets no requests although its pods were scaled to 0 (weight 0 since ${since}): look at the gateway`;
  }
}
