/**
 * One question to the server, asked again where that cannot do harm. Called by client.ts for the application's requests and by keeper.ts for
 * the session's own; here is the only `fetch`.
 */
import { problemOf, retryAfterMsOf } from './answers.ts';
import { beginCall, type Call, type Clock, pause } from './call.ts';
import { LatchkeyError } from './errors.ts';

export type Fetch = (request: Request) => Promise<Response>;

export interface Line {
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** 0 up to 1. */
  readonly random: () => number;
}

const TRIES = 4;
const FIRST_PAUSE_MS = 200;
/** The server, or a gateway before it, has no room or no database just now. */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * How long to wait before the next try; undefined: give up. A pause is drawn from 0 up to 200, 400, 800 ms, so that clients that failed together do
 * not come back together; what the server asks for is waited for in full.
 */
export const pauseBefore = (failed: number, retryAfterMs: number | undefined, random: number): number | undefined => {
  if (failed >= TRIES) return undefined;
  const backoffMs = random * FIRST_PAUSE_MS * 2 ** (failed - 1);
  return retryAfterMs === undefined ? backoffMs : retryAfterMs + backoffMs;
};

/** RFC 9110 §9.2.1. The server honours no Idempotency-Key, so nothing else may be sent twice without the caller's word. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
export const isSafe = (method: string): boolean => SAFE.has(method);

const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** With its body, so that a body that breaks off is a lost answer too. */
const whole = async (response: Response): Promise<Response> => {
  const { status, headers } = response;
  const body = await response.arrayBuffer();
  return new Response(BODILESS.has(status) ? null : body, { status, headers });
};

export interface Question {
  /** A request of its own for each try. */
  readonly request: (signal: AbortSignal) => Request | Promise<Request>;
  readonly isRepeatable: boolean;
  /** Ends a single try that hangs, its body included; without it a try may last as long as the call. */
  readonly tryMs?: number;
}

/** @throws LatchkeyError `network-failed`, or the signal's reason */
const sendOnce = async ({ fetch, clock }: Line, { request, tryMs }: Question, call: Call): Promise<Response> => {
  const attempt = tryMs === undefined ? call : beginCall(clock, { deadlineMs: tryMs, signals: [call.signal] });
  const asked = await request(attempt.signal);
  try {
    const response = await fetch(asked);
    return tryMs === undefined ? response : await whole(response);
  } catch (cause) {
    if (call.signal.aborted) throw call.signal.reason;
    throw new LatchkeyError('network-failed', `no answer from ${new URL(asked.url).origin}`, { cause });
  } finally {
    if (attempt !== call) attempt.end();
  }
};

/**
 * The answer, whatever its status. Repeats what may be repeated when nobody answered or the server was closed for a moment, for as long as the call lasts.
 * @throws LatchkeyError `network-failed`, or the signal's reason
 */
export const exchange = async (line: Line, question: Question, call: Call): Promise<Response> => {
  for (let failed = 1; ; failed += 1) {
    const outcome = await sendOnce(line, question, call).catch((error: unknown) => {
      if (error instanceof LatchkeyError && error.code === 'network-failed') return error;
      throw error;
    });
    const isLost = outcome instanceof LatchkeyError;
    const retryAfterMs = isLost ? undefined : retryAfterMsOf(outcome);
    const mayRepeat = question.isRepeatable && (isLost || PASSING.has(outcome.status));
    const pauseMs = mayRepeat ? pauseBefore(failed, retryAfterMs, line.random()) : undefined;
    if (pauseMs === undefined || line.clock.now() + pauseMs >= call.untilMs) {
      if (isLost) throw outcome;
      return outcome;
    }
    if (!isLost) await outcome.body?.cancel();
    await pause(line.clock, pauseMs, call.signal);
  }
};

/** @throws LatchkeyError of the answer where it refuses */
export const unlessRefused = async (response: Response): Promise<Response> => {
  if (response.ok) return response;
  const problem = await problemOf(response);
  await response.body?.cancel();
  throw problem;
};
