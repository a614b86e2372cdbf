// One user of the API as k6 plays it. Called by each scenario in this folder; its counters end in the scenario's
// summary, and its answer log (one line an answer) is what the demo and the end-to-end tests read
// (k8s/demo/answers.ts).
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';

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
const milliseconds: Record<Route, Trend> = {
  health: new Trend('latchkey_health_ms', true),
  register: new Trend('latchkey_register_ms', true),
  login: new Trend('latchkey_login_ms', true),
  me: new Trend('latchkey_me_ms', true),
  validate: new Trend('latchkey_validate_ms', true),
  refresh: new Trend('latchkey_refresh_ms', true),
  logout: new Trend('latchkey_logout_ms', true),
};

const password = 'Correct-Horse-42!';

interface Answer {
  readonly status: number;
  readonly body: string;
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

  constructor(name: string) {
    this.email = `load-${runId}-${name}@example.com`;
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

  me(): void {
    this.#useSession(request('GET', 'me', undefined, this.#access));
  }

  validate(): void {
    this.#useSession(request('GET', 'validate', undefined, this.#access));
  }

  refresh(): void {
    if (this.#refreshUnanswered) refreshRetries.add(1);
    const answer = request('POST', 'refresh', { refreshToken: this.#refresh });
    this.#refreshUnanswered = !isFinal(answer.status);
    if (answer.status === 200) this.#keepTokens(answer.body);
    else if (answer.status === 401) this.#loseSession('refresh');
    if (answer.status === 200) refreshes.add(1);
  }

  /** Ends the session; without an answer the session may live on, so it is kept and the next call tries again. */
  logOut(): void {
    const answer = request('POST', 'logout', { refreshToken: this.#refresh }, this.#access);
    if (answer.status === 401) this.#loseSession('logout');
    else if (isFinal(answer.status)) this.#forgetSession();
  }

  #register(): boolean {
    const names = { firstName: 'Load', lastName: 'Test' };
    const answer = request('POST', 'register', { email: this.email, password, ...names });
    return answer.status === 201 || answer.status === 409;
  }

  #logIn(): boolean {
    const answer = request('POST', 'login', { email: this.email, password });
    if (answer.status === 401) loginsRefused.add(1);
    if (answer.status !== 200) return false;
    logins.add(1);
    this.#keepTokens(answer.body);
    return true;
  }

  #useSession(answer: Answer): void {
    if (answer.status === 401) this.#loseSession('access');
  }

  #keepTokens(body: string): void {
    this.#access = textIn(body, 'accessToken');
    this.#refresh = textIn(body, 'refreshToken');
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

function request(method: 'GET' | 'POST', route: Route, body?: object, bearer = ''): Answer {
  const url = route === 'health' ? `${baseUrl}/api/health` : `${baseUrl}/api/v1/auth/${route}`;
  const headers: Record<string, string> = { accept: 'application/json' };
  if (host !== '') headers['host'] = host;
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (bearer !== '') headers['authorization'] = `Bearer ${bearer}`;
  const payload = body === undefined ? null : JSON.stringify(body);
  const response = http.request(method, url, payload, { headers, timeout: timeoutMs, tags: { route, name: route } });
  const version = String(response.headers['Latchkey-Version'] ?? '');
  record(route, { status: response.status, version, error: response.error }, response.timings.duration);
  return { status: response.status, body: typeof response.body === 'string' ? response.body : '' };
}

/** `error` says why none came, where status is 0. */
interface Heard {
  readonly status: number;
  readonly version: string;
  readonly error: string;
}

function record(route: Route, { status, version, error }: Heard, durationMs: number): void {
  milliseconds[route].add(durationMs);
  const failed = status === 0 || status === 429 || status >= 500;
  if (failed) failureOf(version).add(1);
  const wanted = answersLogged === 'all' || (answersLogged === 'canary' && version !== stableVersion);
  const why = status === 0 ? { error } : {};
  if (wanted) console.log(JSON.stringify({ t: Date.now(), status, version, route, ...why }));
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
