/**
 * The client of Latchkey for browsers and Node: signs in, keeps the session, sends the application's requests with it.
 * @see docs/client.md
 */
import { bodyOf, isProfile, isValidity, type Profile, problemOf, type Validity } from './answers.ts';
import { beginCall, type Call, type CallOptions, type Clock, REAL_CLOCK, waitFor } from './call.ts';
import { LatchkeyError, type SignedOutReason } from './errors.ts';
import { createEvents, type Events } from './events.ts';
import type { Fetch, Line } from './exchange.ts';
import { bearerHolder, type Holder } from './holders.ts';
import { Keeper, type LoginOutcome } from './keeper.ts';
import { type Page, pageFor } from './page.ts';
import { type Interceptor, Requests, type SendOptions } from './requests.ts';
import { SessionState } from './session-state.ts';
import { memoryStore, type Store } from './stores.ts';
import { type Lock, queueLock } from './tab-locks.ts';

export type { Profile, SecondFactorNeeded, Validity } from './answers.ts';
export { problemOf } from './answers.ts';
export type { CallOptions, Clock } from './call.ts';
export type { ClientCode, FieldProblem, ProblemCode, SignedOutReason } from './errors.ts';
export { LatchkeyError } from './errors.ts';
export type { SessionEvents } from './events.ts';
export type { LoginOutcome } from './keeper.ts';
export type { Interceptor, SendOptions } from './requests.ts';
export type { SessionRecord } from './session-record.ts';
export type { Store } from './stores.ts';
export { memoryStore } from './stores.ts';
export type { Lock } from './tab-locks.ts';
export { queueLock } from './tab-locks.ts';

export interface ClientOptions {
  /** Where the API is: `https://auth.example.com`, or with the path under which a gateway has it. */
  readonly baseUrl: string;
  /** `cookies` in a page, where scripts never see a token; `bearer` elsewhere. Default: whether there is a page. */
  readonly credentials?: 'cookies' | 'bearer';
  /** Where a bearer session is kept. Default: in memory. */
  readonly store?: Store;
  /** One at a time over everybody who uses `store`. Default: within this client. */
  readonly lock?: Lock;
  /** Origins beside `baseUrl`'s own that may get the access token: your services that verify it. */
  readonly origins?: readonly string[];
  /** For a call that says nothing else, its retries and its body included. Default: 30,000. */
  readonly deadlineMs?: number;
  readonly fetch?: Fetch;
  readonly clock?: Clock;
}

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

export type SecondFactor = { readonly mfaToken: string } & (
  | { readonly code: string }
  | { readonly backupCode: string }
);

/** `unknown`: a page that has never asked; `refresh` finds out. */
export type Session =
  | { readonly state: 'signed-in'; readonly sessionId: string }
  | { readonly state: 'signed-out'; readonly reason: SignedOutReason }
  | { readonly state: 'unknown' };

/** Every method rejects with a LatchkeyError, or with the reason of `signal`. */
export interface Client {
  /** @throws `invalid-credentials`, `password-change-needed`, `rate-limited`, `overloaded` … */
  login(credentials: Credentials, options?: CallOptions): Promise<LoginOutcome>;
  /** The second step of a login that answered `second-factor`. @throws `mfa-code-wrong` (ask again), `mfa-token-invalid` (log in again) … */
  verifySecondFactor(factor: SecondFactor, options?: CallOptions): Promise<LoginOutcome>;
  /** Ends the session in every tab at once, then on the server. @throws where the server could not be told; it will be, later */
  logout(options?: CallOptions): Promise<void>;
  /** The account and the session. */
  me(options?: CallOptions): Promise<Profile>;
  /** Whose session this is, out of the token: cheaper than `me`. */
  validate(options?: CallOptions): Promise<Validity>;
  /** Asks for new tokens now; in a page that has never asked, whether there is a session. Rarely needed: requests do it by themselves. */
  refresh(options?: CallOptions): Promise<void>;
  /** `fetch` with the session: resolves with any answer, as fetch does; paths are relative to `baseUrl`. @see problemOf */
  fetch(input: string | URL | Request, init?: SendOptions): Promise<Response>;
  /** A token that is good now, for what cannot use `fetch`, such as a WebSocket. Only with `bearer`. */
  accessToken(options?: CallOptions): Promise<string>;
  /** Takes the session in the answer to a request that began another one: a new password, a confirmed second factor. */
  adopt(body: unknown): Promise<void>;
  /** What is known, without asking the server. */
  session(): Promise<Session>;
  readonly on: Events['on'];
  /** Adds an interceptor for requests of the application; returns what takes it away. */
  use(interceptor: Interceptor): () => void;
  /** Stops listening to other tabs. What is under way goes on. */
  close(): void;
}

const DEADLINE_MS = 30_000;

/** @throws TypeError when `baseUrl` is no http(s) address, or cookies are asked for where there is no page */
export const createClient = (options: ClientOptions): Client => {
  const { clock = REAL_CLOCK, deadlineMs = DEADLINE_MS } = options;
  const line: Line = { fetch: options.fetch ?? ((request) => fetch(request)), clock, random: Math.random };
  const baseUrl = addressOf(options.baseUrl);
  const { holder, store, lock, onWake } = placeFor(options, baseUrl, line);
  const events = createEvents();
  const state = new SessionState(store, events, line);
  const server = { baseUrl: baseUrl.href.replace(/\/$/, ''), line, holder };
  const keeper = new Keeper({ server, state, lock });
  const requests = new Requests({ server, keeper, origins: options.origins ?? [] });
  // A store that fails here fails at the next call as well, which says so.
  const aside = (work: Promise<unknown>): void => void work.catch(() => undefined);
  const stops = [store.subscribe?.(() => aside(state.look())), onWake?.(() => aside(keeper.wake()))];
  aside(state.start().then(() => keeper.wake()));
  const engine: Engine = {
    keeper,
    state,
    requests,
    begin: ({ signal, deadlineMs: ownMs }, { among, from } = {}) => {
      const call = beginCall(clock, {
        deadlineMs: ownMs ?? deadlineMs,
        signals: [signal, from],
        ...(among && { among }),
      });
      call.signal.throwIfAborted();
      return call;
    },
  };
  return {
    ...signingIn(engine),
    ...asking(engine),
    on: events.on,
    use: (interceptor) => requests.use(interceptor),
    close: () => {
      for (const stop of stops) stop?.();
    },
  };
};

interface Engine {
  readonly keeper: Keeper;
  readonly state: SessionState;
  readonly requests: Requests;
  readonly begin: (
    given: CallOptions,
    more?: { readonly among?: Set<Call>; readonly from?: AbortSignal | undefined },
  ) => Call;
}

const within = async <T>(call: Call, work: (call: Call) => Promise<T>): Promise<T> =>
  work(call).finally(() => call.end());

const signingIn = ({
  keeper,
  state,
  begin,
}: Engine): Pick<Client, 'login' | 'verifySecondFactor' | 'logout' | 'adopt' | 'session'> => ({
  login: async ({ email, password }, given = {}) =>
    within(begin(given), (call) => keeper.login('/login', { email, password }, call)),
  verifySecondFactor: async (factor, given = {}) =>
    within(begin(given), (call) => keeper.login('/login/mfa', factor, call)),
  logout: async (given = {}) => within(begin(given), (call) => keeper.logout(call)),
  adopt: async (body) => void (await keeper.adopt(body)),
  session: async () => {
    const record = await state.read();
    switch (record?.state) {
      case 'signed-in':
        return { state: 'signed-in', sessionId: record.sessionId };
      case 'signed-out':
        return { state: 'signed-out', reason: record.reason };
      case undefined:
        return { state: 'unknown' };
    }
  },
});

type Asking = Pick<Client, 'me' | 'validate' | 'refresh' | 'fetch' | 'accessToken'>;

const asking = ({ keeper, state, requests, begin }: Engine): Asking => {
  /** In the session as it is now: when that ends, so does the call. */
  const inSession = async <T>(given: CallOptions, work: (call: Call) => Promise<T>): Promise<T> =>
    within(begin(given, { among: state.calls }), work);
  const read =
    <T>(path: string, isRight: (body: unknown) => body is T) =>
    (given: CallOptions = {}): Promise<T> =>
      inSession(given, async (call) => believed(await requests.send(path, {}, call), isRight));
  return {
    me: read('/api/v1/auth/me', isProfile),
    validate: read('/api/v1/auth/validate', isValidity),
    refresh: (given = {}) =>
      inSession(given, async (call) => {
        await waitFor(keeper.renew((await state.read())?.id, true), call.signal);
      }),
    fetch: async (input, init = {}) => {
      const call = begin(init, { among: state.calls, from: input instanceof Request ? input.signal : undefined });
      try {
        return await requests.send(input, init, call); // which does not end the call: deadline and logout reach the body too
      } catch (error) {
        call.end();
        throw error;
      }
    },
    accessToken: (given = {}) =>
      inSession(given, async (call) => {
        const held = (await keeper.usable(call))?.held;
        if (held?.kind === 'bearer') return held.accessToken;
        throw new TypeError("accessToken: a browser's session is in cookies, which no script can read");
      }),
  };
};

/** @throws LatchkeyError of the refusal, or `answer-unreadable` */
const believed = async <T>(response: Response, isRight: (body: unknown) => body is T): Promise<T> => {
  if (!response.ok) throw await problemOf(response);
  const body: unknown = await bodyOf(response);
  if (isRight(body)) return body;
  throw new LatchkeyError('answer-unreadable', 'the answer is not what the API answers', { status: response.status });
};

const addressOf = (text: string): URL => {
  if (/^https?:\/\/[^/]/.test(text)) return new URL(text);
  throw new TypeError(`baseUrl: must be the address of the API, for example https://auth.example.com, and is ${text}`);
};

interface Place {
  readonly holder: Holder;
  readonly store: Store;
  readonly lock: Lock;
  readonly onWake?: Page['onWake'];
}

const placeFor = ({ credentials, store, lock }: ClientOptions, baseUrl: URL, line: Line): Place => {
  const page = credentials === 'bearer' || store !== undefined ? undefined : pageFor(baseUrl, line.clock, line.random);
  if (page !== undefined) return page;
  if (credentials === 'cookies') {
    const why = store === undefined ? 'there is no page here' : 'no store is needed for them';
    throw new TypeError(`credentials: cookies are a browser's, and ${why}; use bearer`);
  }
  return { holder: bearerHolder, store: store ?? memoryStore(), lock: lock ?? queueLock() };
};
