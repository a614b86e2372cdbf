/**
 * Whether the auth service is there and lets this instance in: asked in the background every ten seconds, when a request has met trouble, and every
 * second by the breaker while it is open; no request waits for it. Made by proxy.ts; read by the diagnoses, `/api/health/ready` and the metrics.
 */
import { type Category, categoryOfHealth, FAULTS, type Outcome } from '../core/upstream-faults.ts';
import type { Log } from '../log.ts';
import { poll } from '../poll.ts';
import type { Exchange } from './exchange.ts';
import { outcomeOf } from './facts.ts';
import { type ServiceCredentials, serviceHeaders } from './headers.ts';

const EVERY_MS = 10_000;
/** Trouble is looked at more often, so that its end is seen. */
const AFTER_FAILURE_MS = 2_000;
/** Requests that meet trouble ask too, but not each of them. */
const AT_MOST_EVERY_MS = 250;

export interface PreflightDeps {
  readonly exchange: Exchange;
  readonly healthPath: string;
  readonly credentials: ServiceCredentials;
  readonly log: Pick<Log, 'warn' | 'info'>;
}

export interface Reachability {
  /** undefined: not known yet. */
  readonly category: Category | undefined;
  readonly checkedMs: number | undefined;
  readonly latencyMs: number | undefined;
}

export class Preflight {
  readonly #deps: PreflightDeps;
  #last: Reachability = { category: undefined, checkedMs: undefined, latencyMs: undefined };
  #asking: Promise<Category> | undefined;

  constructor(deps: PreflightDeps) {
    this.#deps = deps;
  }

  last(): Reachability {
    return this.#last;
  }

  /** Asks now; who comes while it is being asked shares the answer. */
  check(): Promise<Category> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** A request has met trouble: asks now, unless that was done a moment ago. */
  suspect(): void {
    const { checkedMs = Number.NEGATIVE_INFINITY } = this.#last;
    if (performance.now() - checkedMs > AT_MOST_EVERY_MS) void this.check();
  }

  /** Returns the function that stops it. */
  start(): () => void {
    return poll(async () => {
      if (this.#isDue()) await this.check();
      return AFTER_FAILURE_MS;
    });
  }

  #isDue(): boolean {
    const { category, checkedMs = Number.NEGATIVE_INFINITY } = this.#last;
    return category !== 'answered' || performance.now() - checkedMs > EVERY_MS;
  }

  async #ask(): Promise<Category> {
    const { exchange, healthPath, credentials } = this.#deps;
    const startedMs = performance.now();
    const headers = { ...serviceHeaders(credentials), accept: 'application/json', 'accept-encoding': 'identity' };
    const asked = await exchange.ask({ method: 'GET', path: healthPath, headers, body: undefined, isRead: true });
    const outcome = outcomeOf(asked, credentials.serviceSecret);
    const category = categoryOfHealth(outcome);
    const latencyMs = Math.round(performance.now() - startedMs);
    this.#say(category, outcome);
    this.#last = { category, checkedMs: performance.now(), latencyMs };
    return category;
  }

  /** Once a change, not once a question. */
  #say(category: Category, outcome: Outcome): void {
    const { log } = this.#deps;
    const before = this.#last.category;
    if (category === before || (category === 'answered' && before === undefined)) return;
    if (category === 'answered') return log.info({ category }, 'the auth service answers again');
    const { code, meaning, suggestions } = FAULTS[category];
    log.warn(
      { category, problem: code, meaning, suggestions, why: 'why' in outcome ? outcome.why : undefined },
      'the auth service does not answer as it should',
    );
  }
}
