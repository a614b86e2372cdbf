/**
 * Tells the world what a pass did: log, metrics, Events. Called by reconcile.ts after the status write and by act.ts after each
 * write; nothing here can delay or fail a pass. The reason is one word everywhere: condition, Event, log line, metric label.
 */
import type { Logger } from 'pino';
import type { ApiError } from './clients/api-error.ts';
import type { EventRecorder } from './clients/events.ts';
import type { Verdict } from './core/checks.ts';
import type { Decision } from './core/decide.ts';
import type { Judgement } from './core/judge.ts';
import type { Action, Outcome } from './core/plan.ts';
import type { Status } from './core/status.ts';
import type { Metrics } from './metrics.ts';
import type { Notifier } from './notifications/notifier.ts';
import type { Seen } from './observe.ts';
import type { Lane, PassResult } from './workqueue.ts';

export interface PassReport {
  readonly key: string;
  readonly lane: Lane;
  readonly seen: Seen;
  readonly judgement: Judgement;
  readonly decision: Decision;
  readonly actions: readonly Action[];
  readonly outcome: Outcome;
  readonly error: ApiError | undefined;
  readonly status: Status;
}

export interface ReporterOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly events: EventRecorder;
  readonly notifier: Notifier;
  readonly takeBreach: (key: string) => number | undefined;
  readonly onGone: (key: string) => void;
}

/** What an operator of auth would not want to find out from a dashboard next morning. */
const WARNINGS: ReadonlySet<string> = new Set(['zero', 'rollback', 'reduce']);
const PROBLEM_CONDITIONS: ReadonlySet<string> = new Set(['Stalled', 'Degraded', 'Drifted']);

export class Reporter {
  readonly #options: ReporterOptions;
  /** The info series of each rollout, to take it away when its labels change. */
  readonly #info = new Map<string, { phase: string; revision: string }>();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** After each write that succeeded. */
  wrote(action: Action, { observation: { rollout } }: Seen): void {
    const { log, metrics, takeBreach } = this.#options;
    const key = `${rollout.namespace}/${rollout.name}`;
    const figures = action.kind === 'write-route' ? { weight: action.weight, lowers: action.lowers } : {};
    log.info({ rollout: key, action: action.kind, ...figures }, 'wrote');
    if (action.kind !== 'write-route' || !action.lowers) return;
    const breachAt = takeBreach(key);
    if (breachAt !== undefined && action.weight === 0) {
      const patchedMs = performance.now() - breachAt;
      metrics.breachToZero.observe({ stage: 'patched' }, patchedMs / 1000);
      log.warn({ rollout: key, patchedMs: Math.round(patchedMs) }, 'breach answered with weight 0');
    }
  }

  passed(report: PassReport): void {
    const { log } = this.#options;
    const { key, decision, seen, status, lane, outcome, error } = report;
    const before = seen.observation.status?.lastDecision;
    const { kind, reason, message, severity } = decision;
    const isNew = before?.decision !== kind || before.reason !== reason;
    const line = {
      rollout: key,
      lane,
      decision: kind,
      reason,
      severity,
      detail: message,
      phase: status.phase,
      stepIndex: status.stepIndex,
      weight: status.weight,
    };
    if (isNew) log.info(line, 'decided');
    else log.debug(line, 'decided');
    if (outcome.kind !== 'done')
      log.warn(
        { rollout: key, outcome: outcome.kind, code: outcome.code, detail: error?.message },
        'plan not finished',
      );
    this.#count(report, isNew);
    this.#zero(report);
    if (isNew) this.#event(report);
    this.#options.notifier.tell({ observation: seen.observation, after: status });
  }

  gone(key: string): PassResult {
    // The last write and the deletion itself both ring; the second time there is nothing left to tell.
    if (this.#info.has(key)) this.#options.log.info({ rollout: key }, 'gone');
    this.#forgetSeries(key);
    this.#options.onGone(key);
    return {};
  }

  /** Another process leads and shows how they are: what was last known here would be shown for as long as this one lives. */
  forgetAll(): void {
    for (const key of this.#info.keys()) this.#forgetSeries(key);
  }

  #count({ key, decision, judgement, status }: PassReport, isNew: boolean): void {
    const { metrics } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const rollout = { namespace, name };
    if (isNew) metrics.decisions.inc({ ...rollout, decision: decision.kind, reason: decision.reason });
    for (const { check, verdict } of judgement.step?.results ?? [])
      metrics.checks.inc({ ...rollout, check, verdict: verdictLabel(verdict) });
    const info = { phase: status.phase ?? 'Unknown', revision: status.revision ?? '' };
    const before = this.#info.get(key);
    if (before !== undefined && (before.phase !== info.phase || before.revision !== info.revision))
      metrics.info.remove({ ...rollout, ...before });
    this.#info.set(key, info);
    metrics.info.set({ ...rollout, ...info }, 1);
    metrics.step.set(rollout, status.stepIndex ?? 0);
    metrics.weight.set(rollout, status.weight ?? 0);
  }

  #zero({ key, seen, status }: PassReport): void {
    const { metrics, log } = this.#options;
    const before = seen.observation.status?.zero;
    const now = status.zero;
    if (now === undefined) return;
    const [namespace = '', name = ''] = key.split('/');
    if (now.provenAt !== undefined && before?.provenAt === undefined) {
      const tookMs = Date.parse(now.provenAt) - Date.parse(now.requestedAt);
      metrics.breachToZero.observe({ stage: 'proven' }, tookMs / 1000);
      log.info({ rollout: key, tookMs, stage: now.stage }, 'zero proven by traffic');
    }
    if (now.stage !== 'route' && now.stage !== before?.stage) {
      metrics.zeroNotProven.inc({ namespace, name, stage: now.stage });
      log.error({ rollout: key, stage: now.stage }, 'traffic still arrives at weight 0');
    }
  }

  #event({ decision, seen, status }: PassReport): void {
    const { rollout } = seen.observation;
    const problem =
      status.conditions?.some(({ type, status: value }) => PROBLEM_CONDITIONS.has(type) && value === 'True') ?? false;
    void this.#options.events.record({
      namespace: rollout.namespace,
      rollout: rollout.name,
      uid: rollout.uid,
      type: problem || WARNINGS.has(decision.kind) ? 'Warning' : 'Normal',
      reason: decision.reason,
      action: `${decision.kind.charAt(0).toUpperCase()}${decision.kind.slice(1)}`,
      message: decision.message,
      key: `${decision.kind}/${decision.reason}/${status.stepIndex ?? ''}/${status.revision ?? ''}/${status.stepStartedAt ?? ''}`,
    });
  }

  #forgetSeries(key: string): void {
    const { metrics } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const rollout = { namespace, name };
    const info = this.#info.get(key);
    if (info !== undefined) metrics.info.remove({ ...rollout, ...info });
    this.#info.delete(key);
    metrics.step.remove(rollout);
    metrics.weight.remove(rollout);
  }
}

function verdictLabel(verdict: Verdict): string {
  return verdict.kind === 'fail' ? verdict.severity : verdict.kind;
}
