/** The questions that are about the session itself. Asked by keeper.ts; the application's own requests go through client.ts. */
import { bodyOf, csrfTokenOf, problemOf, startedOf } from './answers.ts';
import type { Call } from './call.ts';
import { LatchkeyError, type SignedOutReason } from './errors.ts';
import { exchange, type Line, unlessRefused } from './exchange.ts';
import type { Holder } from './holders.ts';
import type { Held, Started } from './session-record.ts';

const AUTH = '/api/v1/auth';
/** A refresh or logout that hangs is asked again: four times fit into the 20 s of keeper.ts. */
const TRY_MS = 5_000;

export interface Server {
  readonly baseUrl: string;
  readonly line: Line;
  readonly holder: Holder;
}

interface Asking {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object | undefined;
  readonly held?: Held | undefined;
  /** May be asked twice without harm. */
  readonly isRepeatable?: boolean;
}

const ask = (
  server: Server,
  { method = 'POST', path, body, held, isRepeatable = false }: Asking,
  call: Call,
): Promise<Response> => {
  const { line, holder, baseUrl } = server;
  const request = (signal: AbortSignal): Request => {
    const headers = new Headers({
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    });
    if (body === undefined) holder.authorise(headers, method, held);
    return new Request(`${baseUrl}${AUTH}${path}`, {
      method,
      headers,
      signal,
      credentials: holder.credentials,
      cache: 'no-store',
      redirect: 'error', // nobody else gets a password or a token
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  };
  return exchange(line, { request, isRepeatable, ...(isRepeatable && { tryMs: TRY_MS }) }, call);
};

/** What a refresh came to: its successor, the end, or nothing that could be known. */
export type Verdict =
  | { readonly kind: 'renewed'; readonly started: Started }
  | { readonly kind: 'over'; readonly reason: SignedOutReason };

const OVER: ReadonlySet<string> = new Set([
  'session-ended',
  'session-unknown',
  'refresh-token-invalid',
  'refresh-token-replayed',
] satisfies SignedOutReason[]);
const isOver = (code: string): code is SignedOutReason => OVER.has(code);

/** Only the server's own word ends a session: no gateway's page, no 5xx, no refusal that is about something else. */
export const endOf = ({ status, code, fields }: LatchkeyError): SignedOutReason | undefined => {
  if (status === 401 && isOver(code)) return code;
  // The refresh token's cookie is gone: a logout took it away, or the user did.
  return code === 'invalid-request' && fields.some(({ field }) => field === 'refreshToken') ? 'no-session' : undefined;
};

/**
 * Asks for the next tokens until there is an answer; a lost one is asked for again with the same token, for which the server has the same successor.
 * @throws LatchkeyError for whatever is no definite answer
 */
export const askRefresh = async (server: Server, held: Held | undefined, call: Call): Promise<Verdict> => {
  const body = server.holder.refreshBody(held);
  const response = await withCsrf(server, held, call, (known) =>
    ask(server, { path: '/refresh', body, held: known, isRepeatable: true }, call),
  );
  if (response === 'no-csrf-token') return { kind: 'over', reason: 'no-session' };
  if (response.ok) {
    const started = startedOf(await bodyOf(response));
    if (started !== undefined) return { kind: 'renewed', started };
    throw new LatchkeyError('answer-unreadable', 'a refresh was answered with something else');
  }
  const problem = await problemOf(response);
  const reason = endOf(problem);
  if (reason === undefined) throw problem;
  return { kind: 'over', reason };
};

/** Ends the session; one that is over already is as good. @throws LatchkeyError where the server could not be told */
export const askLogout = async (server: Server, held: Held | undefined, call: Call): Promise<void> => {
  const body = server.holder.refreshBody(held);
  const response = await withCsrf(server, held, call, (known) =>
    ask(server, { path: '/logout', body, held: known, isRepeatable: true }, call),
  );
  if (response === 'no-csrf-token' || response.status === 401) return;
  await unlessRefused(response);
};

/** @param credentials e-mail address and password, or the second step's token and code. Never sent twice: a wrong one counts. */
export const askLogin = (
  server: Server,
  path: '/login' | '/login/mfa',
  credentials: object,
  call: Call,
): Promise<Response> => ask(server, { path, body: { ...credentials, client: server.holder.client } }, call);

/** The CSRF token of the session in the cookies; undefined when there is no live access token to ask with. */
export const askCsrfToken = async (server: Server, call: Call): Promise<string | undefined> => {
  const response = await ask(server, { method: 'GET', path: '/csrf', isRepeatable: true }, call);
  return response.ok ? csrfTokenOf(await bodyOf(response)) : undefined;
};

/**
 * Sends, and once more with another CSRF token where the first was refused: another tab may have logged in since. A page of another host that
 * has lost its token and whose access token has expired cannot learn it any more.
 */
const withCsrf = async (
  server: Server,
  held: Held | undefined,
  call: Call,
  send: (held: Held | undefined) => Promise<Response>,
): Promise<Response | 'no-csrf-token'> => {
  const sent = server.holder.csrfToken(held);
  const response = await send(held);
  if (response.status !== 403 || (await problemOf(response)).code !== 'csrf-token-invalid') return response;
  const now = server.holder.csrfToken(held);
  const csrfToken = now === sent ? await askCsrfToken(server, call) : now;
  if (csrfToken === undefined) return 'no-csrf-token';
  return send({ kind: 'cookies', csrfToken });
};
