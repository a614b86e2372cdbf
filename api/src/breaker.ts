/**
 * Stops asking a server that does not answer. Called by db/database.ts around every transaction and by upstream/client.ts around every attempt,
 * so that a hanging server costs the first requests five seconds each and the others nothing.
 *
 * Opens when more than half of the work of the last ten seconds failed for the server's sake; what the server answered, were it a
 * refusal, is no failure. Thirty seconds later one piece of work may try. A server that was away (and did not hang) is asked by a connection
 * of its own every second, and the breaker closes with its first answer: nobody waits half a minute for a database that restarted in two.
 */
import CircuitBreaker from 'opossum';

/** The seed's figures. */
const OPTIONS = {
  errorThresholdPercentage: 50,
  resetTimeout: 30_000,
  rollingCountTimeout: 10_000,
  /** Fewer say nothing: one failure of one would be 100 %. */
  volumeThreshold: 10,
  rollingPercentilesEnabled: false,
  enableSnapshots: false,
} as const;
const ASK_EVERY_MS = 1_000;
/** No transaction of ours takes longer than a fraction of a second, so none is longer than this. */
const DEADLINE_MS = 5_000;

/** One piece of work: nobody waits for it any more once it is abandoned, so it must not commit. */
export interface Attempt {
  isAbandoned: boolean;
}

export type BreakerState = 'closed' | 'half-open' | 'open';

export interface BreakerDeps {
  /** Whether an error says that the server is in trouble: `away`, it `hangs`, or neither. */
  readonly troubleOf: (error: unknown) => 'away' | 'hangs' | undefined;
  /** Whether the server answers, by a connection that is not the pool's. */
  readonly isBack: () => Promise<boolean>;
  /** What work takes at most, `none` where it has deadlines of its own; five seconds unless it is said. */
  readonly deadlineMs?: number | 'none';
}

/** @throws what the work throws; an error with code `EOPENBREAKER` while it is open, `ETIMEDOUT` after the deadline. */
type Run = <T>(work: (attempt: Attempt) => Promise<T>) => Promise<T>;

export interface Breaker {
  readonly run: Run;
  readonly state: () => BreakerState;
  readonly stop: () => void;
}

type Job = (attempt: Attempt) => Promise<unknown>;

const fire = async (circuit: CircuitBreaker<[Job, Attempt]>, work: Job): Promise<unknown> => {
  const attempt = { isAbandoned: false };
  try {
    return await circuit.fire(work, attempt);
  } finally {
    attempt.isAbandoned = true; // by its deadline, or because it is over
  }
};

export const createBreaker = ({ troubleOf, isBack, deadlineMs = DEADLINE_MS }: BreakerDeps): Breaker => {
  const circuit = new CircuitBreaker((work: Job, attempt: Attempt) => work(attempt), {
    ...OPTIONS,
    timeout: deadlineMs === 'none' ? false : deadlineMs,
    errorFilter: (error: unknown) => troubleOf(error) === undefined,
  });
  let trouble: 'away' | 'hangs' | undefined;
  let timer: NodeJS.Timeout | undefined;
  const askAgain = (): void => {
    timer = setTimeout(() => void ask(), ASK_EVERY_MS * (0.75 + Math.random() / 2)).unref();
  };
  const ask = async (): Promise<void> => {
    const isAnswering = await isBack();
    if (circuit.closed || circuit.isShutdown) return;
    if (isAnswering) circuit.close();
    else askAgain();
  };
  circuit.on('failure', (error: unknown) => {
    trouble = troubleOf(error);
  });
  circuit.on('open', () => {
    clearTimeout(timer);
    if (trouble === 'away') askAgain();
  });
  return {
    // What `fire` resolves with is what this very work resolved with.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    run: ((work: Job) => fire(circuit, work)) as Run,
    state: () => (circuit.opened ? 'open' : circuit.halfOpen ? 'half-open' : 'closed'),
    stop: () => {
      clearTimeout(timer);
      circuit.shutdown();
    },
  };
};
