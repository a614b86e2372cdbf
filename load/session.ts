// One user of the API as k6 plays it. Called by each scenario in this folder; its counters end in the scenario's
// summary, and its answer log (one line an answer) is what the demo and the end-to-end tests read
// (k8s/demo/answers.ts).
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';

export type Route = 'health' | 'register' | 'login' | 'me' | 'validate' | 'refresh' | 'logout';

const baseUrl = (__ENV.BASE_URL ?? 'http://127.0.0.1:3000').replace(/\/$/, '');
const stableVersion = __ENV.STABLE_VERSION ?? '';
const answersLogged = __ENV.LOG_ANSWERS ?? 'none';
const host = __ENV.HOST ?? '';
const timeoutMs = Number(__ENV.REQUEST_TIMEOUT_MS ?? 10_000);
const retrySignInMs = Number(__ENV.RETRY_SIGN_IN_MS ?? 2_000);
const runId = __ENV.RUN_ID ?? Date.now().toString(36);

const failedStable = new Counter('latchkey_failed_stable');
const failedCanary = new Counter('latchkey_failed_canary');
const failedUnanswered = new Counter('latchkey_failed_unanswered');
const sessionsLost = new Counter('latchkey_sessions_lost');
const refreshes = new Counter('latchkey_refreshes');
const refreshRetries = new Counter('latchkey_refresh_retries');
const logins = new Counter('latchkey_logins');
const loginsRefused = new Counter('latchkey_logins_refused');
const loginsGood = new Rate('latchkey_logins_good');
const loginsTrue = new Rate('latchkey_logins_true');
const refreshesGood = new Rate('latchkey_refreshes_good');
/** No answer, or a server's error. */
const errors = new Rate('latchkey_errors');
/** Of those that say "later", how many say when. */
const refusalsGood = new Rate('latchkey_refusals_good');
const internalErrors = new Counter('latchkey_internal_errors');
const unanswered = new Counter('latchkey_unanswered');
/** Everything that hashes no password. */
const apiMs = new Trend('latchkey_api_ms', true);
/** What asks whether a session is good: `validate`, and `me`, which the runbook's load test calls. */
const sessionMs = new Trend('latchkey_session_ms', true);
const milliseconds: Record<Route, Trend> = {
  health: new Trend('latchkey_health_ms', true),
  register: new Trend('latchkey_register_ms', true),
  login: new Trend('latchkey_login_ms', true),
  me: new Trend('latchkey_me_ms', true),
  validate: new Trend('latchkey_validate_ms', true),
  refresh: new Trend('latchkey_refresh_ms', true),
  logout: new Trend('latchkey_logout_ms', true),
};

/** An account that exists, and a session of it where there is one: runner/scene.ts makes them, a run by hand does without. */
interface Seed {
  readonly email: string;
  readonly accessToken?: string;
  readonly refreshToken?: string;
}

const seedFile = __ENV.SEEDS ?? '';
const seeds: Seed[] = new SharedArray('seeds', () => (seedFile === '' ? [] : JSON.parse(open(seedFile))));
export const metricsUrl = `${baseUrl}/api/metrics`;
const password = __ENV.PASSWORD ?? 'Correct-Horse-42!';
/** Access tokens live a quarter of an hour. */
const renewAfterMs = 600_000;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Ask {
  readonly body?: object;
  readonly bearer?: string;
  /** What a proxy that is trusted would say of the client: several clients of one machine. */
  readonly from?: string;
}

/**
 * A user with an account and at most one session. Everything it knows it was told by an answer; a refresh whose answer
 * was lost keeps the old token and tries again with it, as every client of the API should.
 */
export class User {
  readonly email: string;
  #hasAccount = false;
  #access = '';
  #refresh = '';
  #refreshUnanswered = false;
  #waitsUntilMs = 0;
  #renewedMs = Date.now();

  /** `number`: which of the seeds is this user's, in turn, where there are seeds; without it the user begins by registering. */
  constructor(name: string, number?: number) {
    const seed = number === undefined || seeds.length === 0 ? undefined : seeds[number % seeds.length];
    this.email = seed?.email ?? `load-${runId}-${name}@example.com`;
    this.#hasAccount = seed !== undefined;
    // Two users with one session would replay each other's refresh tokens.
    if (number === undefined || number >= seeds.length) return;
    this.#access = seed?.accessToken ?? '';
    this.#refresh = seed?.refreshToken ?? '';
  }

  get signedIn(): boolean {
    return this.#refresh !== '';
  }

  /** True while a refused sign-in should not be tried again. */
  get isWaiting(): boolean {
    return Date.now() < this.#waitsUntilMs;
  }

  /** Registers (once) and logs in; false when one of the two was not answered as hoped, to be tried again later. */
  signIn(): boolean {
    this.#hasAccount ||= this.#register();
    const isIn = this.#hasAccount && this.#logIn();
    if (!isIn) this.#waitsUntilMs = Date.now() + retrySignInMs;
    return isIn;
  }

  /** @returns the status that answered it */
  me(): number {
    return this.#useSession('me');
  }

  validate(): void {
    this.#useSession('validate');
  }

  refresh(): void {
    if (this.#refreshUnanswered) refreshRetries.add(1);
    const answer = request('POST', 'refresh', { body: { refreshToken: this.#refresh } });
    refreshesGood.add(answer.status === 200);
    this.#refreshUnanswered = !isFinal(answer.status);
    if (answer.status === 200) this.#keepTokens(answer.body);
    else if (answer.status === 401) this.#loseSession('refresh');
    if (answer.status === 200) refreshes.add(1);
  }

  /** Ends the session; without an answer the session may live on, so it is kept and the next call tries again. */
  logOut(): void {
    const answer = request('POST', 'logout', { body: { refreshToken: this.#refresh }, bearer: this.#access });
    if (answer.status === 401) this.#loseSession('logout');
    else if (isFinal(answer.status)) this.#forgetSession();
  }

  #register(): boolean {
    const names = { firstName: 'Load', lastName: 'Test' };
    const answer = request('POST', 'register', { body: { email: this.email, password, ...names } });
    return answer.status === 201 || answer.status === 409;
  }

  #logIn(): boolean {
    const answer = request('POST', 'login', { body: { email: this.email, password } });
    loginsGood.add(answer.status === 200);
    if (answer.status !== 503) loginsTrue.add(answer.status === 200);
    if (answer.status === 401) loginsRefused.add(1);
    if (answer.status !== 200) return false;
    logins.add(1);
    this.#keepTokens(answer.body);
    return true;
  }

  #useSession(route: 'me' | 'validate'): number {
    if (Date.now() > this.#renewedMs + renewAfterMs) this.refresh();
    const { status } = request('GET', route, { bearer: this.#access });
    if (status === 401) this.#loseSession('access');
    return status;
  }

  #keepTokens(body: string): void {
    this.#access = textIn(body, 'accessToken');
    this.#refresh = textIn(body, 'refreshToken');
    this.#renewedMs = Date.now();
  }

  #loseSession(how: string): void {
    sessionsLost.add(1);
    if (answersLogged !== 'none') console.log(JSON.stringify({ t: Date.now(), lost: how, user: this.email }));
    this.#forgetSession();
  }

  #forgetSession(): void {
    this.#access = '';
    this.#refresh = '';
    this.#refreshUnanswered = false;
  }
}

/** What a passer-by does: ask whether the service is there. */
export function lookAtHealth(): void {
  request('GET', 'health');
}

export function request(method: 'GET' | 'POST', route: Route, { body, bearer = '', from = '' }: Ask = {}): Answer {
  const url = route === 'health' ? `${baseUrl}/api/health` : `${baseUrl}/api/v1/auth/${route}`;
  const headers: Record<string, string> = { accept: 'application/json' };
  if (host !== '') headers['host'] = host;
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (bearer !== '') headers['authorization'] = `Bearer ${bearer}`;
  if (from !== '') headers['x-forwarded-for'] = from;
  const payload = body === undefined ? null : JSON.stringify(body);
  const response = http.request(method, url, payload, { headers, timeout: timeoutMs, tags: { route, name: route } });
  const version = String(response.headers['Latchkey-Version'] ?? '');
  const retryAfter = String(response.headers['Retry-After'] ?? '');
  const { status, error } = response;
  record(route, { status, version, error, retryAfter, ms: response.timings.duration });
  return { status, body: typeof response.body === 'string' ? response.body : '' };
}

/** `error` says why none came, where status is 0. */
interface Heard {
  readonly status: number;
  readonly version: string;
  readonly error: string;
  readonly retryAfter: string;
  readonly ms: number;
}

function record(route: Route, heard: Heard): void {
  const { status, version, error, ms } = heard;
  milliseconds[route].add(ms);
  if (route !== 'login' && route !== 'register') apiMs.add(ms);
  if (route === 'me' || route === 'validate') sessionMs.add(ms);
  const failed = status === 0 || status === 429 || status >= 500;
  errors.add(status === 0 || status >= 500);
  if (failed) countFailure(heard);
  const wanted = answersLogged === 'all' || (answersLogged === 'canary' && version !== stableVersion);
  const why = status === 0 ? { error } : {};
  const took = Math.round(ms * 100) / 100;
  if (wanted) console.log(JSON.stringify({ t: Date.now(), status, version, route, ms: took, ...why }));
}

function countFailure({ status, version, retryAfter }: Heard): void {
  failureOf(version).add(1);
  if (status === 0) unanswered.add(1);
  else if (status === 429 || status === 503) refusalsGood.add(/^[1-9]\d*$/.test(retryAfter));
  else internalErrors.add(1);
}

function failureOf(version: string): Counter {
  if (version === '') return failedUnanswered;
  return version === stableVersion ? failedStable : failedCanary;
}

function textIn(body: string, key: string): string {
  const parsed: unknown = JSON.parse(body);
  const value: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, key) : undefined;
  if (typeof value !== 'string') throw new Error(`The answer has no text "${key}": is this another API?`);
  return value;
}

/** An answer after which trying again with the same token makes no sense: neither lost nor a server's failure. */
function isFinal(status: number): boolean {
  return status !== 0 && status !== 429 && status < 500;
}

/** The number of the virtual user within the test, from 0. */
export function userNumber(): number {
  return exec.vu.idInTest - 1;
}

let ownUser: User | undefined;

/**
 * This virtual user's own session. Users without a seed begin one after the other: each login takes a core for a quarter of a second.
 * @returns undefined before its turn
 */
export function userInTurn(everyMs: number): User | undefined {
  const number = userNumber();
  const pauseMs = seeds.length > 0 ? 0 : Number(__ENV.SIGN_IN_EVERY_MS ?? everyMs);
  if (Date.now() >= exec.scenario.startTime + number * pauseMs) ownUser ??= new User(String(number), number);
  return ownUser;
}
