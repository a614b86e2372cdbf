/** One step of the verification after a deployment: what was asked, what came, what to do where it is wrong. Called by the probes beside this file. */
import { CommandError, describe } from '../command.ts';
import type { Outcome } from '../doctor/check.ts';

export type Step = Outcome & {
  readonly section: string;
  readonly name: string;
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as a JSON object; empty where it is none. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly tookMs: number;
}

export interface Request {
  readonly method?: 'GET' | 'POST';
  readonly body?: unknown;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks the deployed service. @throws CommandError with exit code 3 when it does not answer */
export type Ask = (path: string, request?: Request) => Promise<Answer>;

const DEADLINE_MS = 15_000;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const bodyOf = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
};

const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : describe(error);
};

export const askAt =
  (address: string): Ask =>
  async (path, { method = 'GET', body, bearer, headers = {} } = {}) => {
    const sinceMs = performance.now();
    const sent = {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...headers,
    };
    try {
      const answer = await fetch(new URL(path, address), {
        method,
        headers: sent,
        redirect: 'manual',
        signal: AbortSignal.timeout(DEADLINE_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      const tookMs = Math.round(performance.now() - sinceMs);
      return { status: answer.status, headers: answer.headers, text, body: bodyOf(text), tookMs };
    } catch (error) {
      throw new CommandError(`${new URL(address).origin} does not answer ${path} (${reasonOf(error)})`, 3);
    }
  };

/** What a problem document says of itself. */
export const codeOf = ({ status, body }: Answer): string =>
  typeof body['code'] === 'string' ? `${status} ${body['code']}` : String(status);

/** An answer that has to have one of these statuses. */
export const wanted = (
  { section, name, remedy }: { readonly section: string; readonly name: string; readonly remedy: string },
  statuses: readonly number[],
  answer: Answer,
): Step =>
  statuses.includes(answer.status)
    ? { section, name, verdict: 'ok', finding: `${answer.status} in ${answer.tookMs} ms` }
    : { section, name, verdict: 'fail', finding: `${codeOf(answer)}, wanted ${statuses.join(' or ')}`, remedy };
