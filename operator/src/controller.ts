/**
 * Wires doorbells, queue, sentinel and lease together. Started by main.ts. A watch event names a key for workqueue.ts, and
 * reconcile.ts reads the live objects; only the leader's queue is open.
 */
import type { Logger } from 'pino';
import type { AlertHookOptions } from './alert-hook.ts';
import { ApiError, isApiError } from './clients/api-error.ts';
import type { ClusterClock } from './clients/cluster-clock.ts';
import { EventRecorder } from './clients/events.ts';
import type { Kubernetes } from './clients/kubernetes.ts';
import { LeaseElector } from './clients/lease.ts';
import type { Config } from './config.ts';
import type { Labels } from './core/observation.ts';
import { DecisionLog } from './decision-log.ts';
import { Doorbells } from './doorbells.ts';
import type { Metrics } from './metrics.ts';
import type { Notifier } from './notifications/notifier.ts';
import type { PercentageOptions } from './percentage.ts';
import { PodWatch } from './pod-watch.ts';
import { reconcile } from './reconcile.ts';
import { Reporter } from './report.ts';
import { Sentinel, type Watched } from './sentinel.ts';
import { Signals } from './signals.ts';
import { type Lane, type PassResult, WorkQueue } from './workqueue.ts';

export interface ControllerOptions {
  readonly config: Config;
  readonly kubernetes: Kubernetes;
  readonly clock: ClusterClock;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly notifier: Notifier;
  /** Writes one line to stdout: the decision records, whatever the log's level is. */
  readonly say: (line: string) => void;
}

/** Its rounds last at most a second. */
const SENTINEL_STUCK_MS = 15_000;
/** A successor would have taken over by then. */
const FORGET_AFTER_MS = 10_000;
/** The last records want to be stored before a successor goes on with their chain; stdout has them anyway. */
const FLUSH_MS = 2_000;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #sentinel: Sentinel;
  readonly #signals = new Signals();
  readonly #elector: LeaseElector;
  readonly #reporter: Reporter;
  readonly #doorbells: Doorbells;
  readonly #decisionLog: DecisionLog;
  #forgetting: NodeJS.Timeout | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { config, kubernetes, clock, metrics, log } = options;
    const onError = (what: string) => (error: unknown) => this.#failed(what, error);
    this.#queue = new WorkQueue({
      work: this.#pass.bind(this),
      onError: (key, error) => this.#failed('pass', error, key),
    });
    this.#doorbells = new Doorbells({
      kubernetes,
      namespace: config.watchNamespace,
      ring: (key) => this.#queue.add(key),
      gone: (key) => this.#queue.forget(key),
      onError: onError('watch'),
    });
    this.#sentinel = new Sentinel({
      watchPods: this.#watchPods.bind(this),
      onBreach: (key) => this.#queue.add(key, 'urgent'),
      onNews: (key) => this.#queue.add(key),
      onError: (key, error) => this.#failed('sentinel', error, key),
      onRound: (seconds) => metrics.sentinelSeconds.observe(seconds),
      now: clock.now,
    });
    const { podNamespace: namespace, leaseName: name, podName } = config;
    const onChange = this.#leadership.bind(this);
    this.#elector = new LeaseElector({ kubernetes, namespace, name, podName, onChange, onError: onError('lease') });
    const events = new EventRecorder({ kubernetes, podName, onError: onError('event') });
    const takeBreach = (key: string): number | undefined => this.#sentinel.takeBreach(key);
    const onLogError = (key: string, error: unknown): void => this.#failed('decision log', error, key);
    this.#decisionLog = new DecisionLog({ kubernetes, podName, say: options.say, onError: onLogError });
    const onGone = this.#gone.bind(this);
    this.#reporter = new Reporter({ log, metrics, events, notifier: options.notifier, takeBreach, onGone });
  }

  /** Runs until the signal fires; then ends the passes, and only then gives the Lease back, so that two never write. */
  async run(signal: AbortSignal): Promise<void> {
    const release = new AbortController();
    const lease = this.#elector.run(release.signal);
    await Promise.all([this.#doorbells.run(signal), this.#sentinel.run(signal)]);
    await this.#queue.close();
    await this.#decisionLog.flush(FLUSH_MS);
    release.abort();
    await lease;
    clearTimeout(this.#forgetting);
  }

  livez(): readonly string[] {
    const stuck = this.#doorbells.stuck();
    return this.#sentinel.ageMs() > SENTINEL_STUCK_MS ? [...stuck, 'the sentinel stands still'] : stuck;
  }

  /** A warm standby is ready: it could lead within a second. */
  readyz(): readonly string[] {
    return this.#doorbells.unsynced();
  }

  /** What alert-hook.ts needs of us. */
  alertHook(): AlertHookOptions {
    const { config, metrics } = this.#options;
    return {
      tokenFile: config.alertsTokenFile,
      signals: this.#signals,
      isLeading: () => this.#elector.leading,
      isKnown: (key) => this.#doorbells.knows(key),
      ring: (key, lane) => this.#queue.add(key, lane),
      onAnswer: (status, heard) => {
        metrics.alertMessages.inc({ status: String(status) });
        this.#options.log.debug({ status, heard }, 'alerts');
      },
    };
  }

  /** What percentage.ts needs of us. */
  percentages(): PercentageOptions {
    return {
      isLeading: () => this.#elector.leading,
      percentageOf: (key) => this.#doorbells.percentageOf(key),
    };
  }

  refreshMetrics(): void {
    const { metrics } = this.#options;
    this.#options.notifier.refresh();
    metrics.clockOffset.set(this.#options.clock.offsetMs / 1_000);
    metrics.queueDepth.set(this.#queue.depth);
    metrics.leader.set(this.#elector.leading ? 1 : 0);
    for (const [resource, seconds] of this.#doorbells.ages()) metrics.watchAge.set({ resource }, seconds);
  }

  #gone(key: string): void {
    this.#sentinel.drop(key);
    this.#signals.drop(key);
    this.#decisionLog.forget(key);
  }

  async #pass(key: string, lane: Lane, signal: AbortSignal): Promise<PassResult> {
    const { config, kubernetes, clock, metrics } = this.#options;
    const stop = metrics.passSeconds.startTimer({ lane });
    const reporter = this.#reporter;
    const { acceptUnguarded } = config;
    const shared = {
      kubernetes,
      elector: this.#elector,
      sentinel: this.#sentinel,
      signals: this.#signals,
      complaints: this.#doorbells.complaints.bind(this.#doorbells),
      decisionLog: this.#decisionLog,
      reporter,
      now: clock.now,
      acceptUnguarded,
    };
    let outcome = 'failed';
    try {
      const result = await reconcile({ ...shared, onDone: reporter.wrote.bind(reporter) }, key, lane, signal);
      outcome = 'done';
      return result;
    } finally {
      stop();
      metrics.passes.inc({ lane, outcome: signal.aborted && outcome === 'failed' ? 'preempted' : outcome });
    }
  }

  #watchPods({ namespace, podPort: port, podPath: path }: Watched, selector: Labels): PodWatch {
    const { kubernetes } = this.#options;
    const onError = (error: unknown): void => this.#failed('pods', error);
    return new PodWatch({ kubernetes, namespace, selector, port, path, onError });
  }

  #leadership(leading: boolean): void {
    const clockOffsetMs = Math.round(this.#options.clock.offsetMs);
    this.#options.log.info({ leading, fence: this.#elector.fence(), clockOffsetMs }, 'leadership');
    clearTimeout(this.#forgetting);
    if (!leading) {
      // Most often the lease comes back at once, and what the sentinel has seen is still true then.
      this.#forgetting = setTimeout(() => {
        this.#sentinel.clear();
        this.#reporter.forgetAll();
      }, FORGET_AFTER_MS);
      void this.#queue.close();
      this.#decisionLog.suspect();
      return;
    }
    this.#doorbells.ringAll();
    this.#queue.open();
  }

  #failed(what: string, error: unknown, key?: string): void {
    const code = error instanceof ApiError ? error.code : 'ERR_UNEXPECTED';
    this.#options.metrics.apiErrors.inc({ code });
    const detail = error instanceof Error ? error.message : 'unknown';
    const line = { what, rollout: key, code, detail };
    if (isApiError(error)) this.#options.log.warn(line, 'failed');
    else this.#options.log.error({ ...line, err: error }, 'failed');
  }
}
