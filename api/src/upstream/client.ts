/**
 * Asks the auth service, with the breaker around each attempt and as many attempts as are safe. Called by proxy.ts.
 * core/upstream-faults.ts says what an answer is, core/upstream-repeat.ts whether to ask again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Breaker, createBreaker } from '../breaker.ts';
import type { UpstreamSettings } from '../config/upstream.ts';
import { type Category, categoryOf, type Fault, type Outcome, troubleOf } from '../core/upstream-faults.ts';
import { waitBeforeNext } from '../core/upstream-repeat.ts';
import type { Metrics } from '../metrics.ts';
import type { Answer, Exchange, Exchanged, Outgoing } from './exchange.ts';
import { outcomeOf } from './facts.ts';
import { type ServiceCredentials, serviceHeaders } from './headers.ts';
import type { Target } from './target.ts';

export interface ClientDeps {
  readonly settings: UpstreamSettings;
  readonly credentials: ServiceCredentials;
  readonly exchange: Exchange;
  /** Whether it answers at all, by a connection of its own. */
  readonly isBack: () => Promise<boolean>;
  readonly metrics: Metrics;
}

/** What a request came to. */
export type Result =
  | { readonly category: 'answered'; readonly answer: Answer; readonly attempts: number }
  | {
      readonly category: Fault;
      readonly attempts: number;
      readonly retryAfterSeconds: number | undefined;
      /** In a few words, for whoever looks for the fault; no secret and nothing of a body. */
      readonly why: string;
    };

export interface Question {
  readonly outgoing: Outgoing;
  readonly target: Target;
  /** Nothing is tried again for a client that is gone. */
  readonly isWaitedFor: () => boolean;
}

export interface UpstreamClient {
  readonly send: (question: Question) => Promise<Result>;
  readonly breakerState: Breaker['state'];
  readonly stop: () => void;
}

interface Attempted {
  readonly exchanged: Exchanged | undefined;
  readonly outcome: Outcome | undefined;
}

/** How an attempt that went wrong for the service's sake leaves the breaker. */
class InTrouble extends Error {
  override readonly name = 'InTrouble';
  readonly attempted: Attempted;
  readonly trouble: 'away' | 'hangs';

  constructor(attempted: Attempted, trouble: 'away' | 'hangs') {
    super('the auth service is in trouble');
    this.attempted = attempted;
    this.trouble = trouble;
  }
}

/** The breaker refused: nothing was asked. */
const NOT_ASKED: Attempted = { exchanged: undefined, outcome: undefined };

const whyOf = (outcome: Outcome | undefined): string => {
  if (outcome === undefined) return 'it was not asked';
  if (outcome.kind === 'answer') return `it answered ${outcome.answer.status}`;
  return 'why' in outcome ? outcome.why : outcome.kind;
};

const resultOf = (category: Category, { exchanged, outcome }: Attempted, attempts: number): Result => {
  if (category === 'answered') {
    if (exchanged?.kind !== 'answer') throw new TypeError('an answer without an answer');
    return { category, answer: exchanged.answer, attempts };
  }
  const retryAfterSeconds = outcome?.kind === 'answer' ? outcome.answer.retryAfterSeconds : undefined;
  return { category, attempts, retryAfterSeconds, why: whyOf(outcome) };
};

const isRefusal = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'EOPENBREAKER';

/** One attempt, through the breaker. */
const attemptThrough =
  (breaker: Breaker, { credentials, exchange, metrics }: ClientDeps) =>
  async (outgoing: Outgoing): Promise<Attempted> => {
    try {
      return await breaker.run(async () => {
        metrics.upstream.attempts.inc();
        const exchanged = await exchange.ask(outgoing);
        const outcome = outcomeOf(exchanged, credentials.serviceSecret);
        const trouble = troubleOf(outcome);
        if (trouble !== undefined) throw new InTrouble({ exchanged, outcome }, trouble);
        return { exchanged, outcome };
      });
    } catch (error) {
      if (error instanceof InTrouble) return error.attempted;
      if (isRefusal(error)) return NOT_ASKED;
      throw error;
    }
  };

export const createClient = (deps: ClientDeps): UpstreamClient => {
  const { settings, credentials, isBack } = deps;
  const breaker = createBreaker({
    troubleOf: (error) => (error instanceof InTrouble ? error.trouble : undefined),
    isBack,
    deadlineMs: 'none', // an exchange has its own
  });
  const attempt = attemptThrough(breaker, deps);

  const send = async ({ outgoing: asked, target, isWaitedFor }: Question): Promise<Result> => {
    const outgoing = { ...asked, headers: { ...asked.headers, ...serviceHeaders(credentials) } };
    const startedMs = performance.now();
    for (let tries = 1; ; tries += 1) {
      const attempted = await attempt(outgoing);
      const { outcome } = attempted;
      const category = outcome === undefined ? 'breaker-open' : categoryOf(outcome, target);
      const result = resultOf(category, attempted, outcome === undefined ? tries - 1 : tries);
      const waitMs = waitBeforeNext({
        category,
        attempt: tries,
        attempts: settings.attempts,
        elapsedMs: performance.now() - startedMs,
        isRepeatable: target.isRead || (target.isRefresh && settings.repeatsRefresh),
        retryAfterSeconds: 'retryAfterSeconds' in result ? result.retryAfterSeconds : undefined,
        random: Math.random(),
      });
      if (waitMs === undefined || !isWaitedFor()) return result;
      await sleep(waitMs);
    }
  };
  return { send, breakerState: breaker.state, stop: breaker.stop };
};
