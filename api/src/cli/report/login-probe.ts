/**
 * Logs in as a test account, once as a program and once as a browser, and out again: the whole way that users go. Called by ../report.ts. What it is
 * given stays in its requests.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type Answer, type Ask, codeOf, type Step, wanted } from './step.ts';

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

const SECTION = 'Functions';
const SECURITY = 'Security';
const AUTH = '/api/v1/auth';

const tokens = z.object({ accessToken: z.string(), refreshToken: z.string() });
type Tokens = z.infer<typeof tokens>;

const step = (name: string, remedy: string) => ({ section: SECTION, name, remedy });

const skipped = (name: string, finding: string, section = SECTION): Step => ({
  section,
  name,
  verdict: 'skipped',
  finding,
});

const LOGIN_REMEDY =
  'try the account by hand; make one for this alone, verified, without a second factor and without rights';

const tokensOf = ({ body }: Answer): Tokens | undefined => tokens.safeParse(body).data;

/** Every pod hears of an ended session within a second (ADR 9). */
const REVOKED_WITHIN_MS = 2_000;

const untilRefused = async (ask: Ask, bearer: string): Promise<Answer> => {
  const untilMs = performance.now() + REVOKED_WITHIN_MS;
  for (;;) {
    const answer = await ask(`${AUTH}/me`, { bearer });
    if (answer.status !== 200 || performance.now() > untilMs) return answer;
    await sleep(100);
  }
};

const rightsStep = (answer: Answer): Step =>
  answer.status === 200
    ? {
        section: SECTION,
        name: 'no right, no list of users',
        verdict: 'warn',
        finding: 'the test account is an administrator: nothing is proved, and too much is at stake',
        remedy: 'use an account without rights',
      }
    : wanted(step('no right, no list of users', 'see the roles of the test account'), [403], answer);

const withTokens = async (ask: Ask, { accessToken, refreshToken }: Tokens): Promise<readonly Step[]> => {
  const me = await ask(`${AUTH}/me`, { bearer: accessToken });
  const users = await ask('/api/v1/admin/users', { bearer: accessToken });
  const refreshed = await ask(`${AUTH}/refresh`, { method: 'POST', body: { refreshToken } });
  const next = tokensOf(refreshed);
  const bearer = next?.accessToken ?? accessToken;
  const logout = await ask(`${AUTH}/logout`, { method: 'POST', bearer });
  const after = await untilRefused(ask, bearer);
  return [
    wanted(step('me', 'docs/runbook/auth-high-error-rate.md'), [200], me),
    rightsStep(users),
    wanted(step('refresh', 'docs/runbook/auth-sessions-lost.md'), [200], refreshed),
    wanted(step('logout', 'docs/runbook/auth-high-error-rate.md'), [204], logout),
    wanted(
      step(
        'me after the logout is refused',
        'sessions outlive their end: latchkey doctor --only audit-triggers,redis,clock',
      ),
      [401],
      after,
    ),
  ];
};

const asProgram = async (ask: Ask, credentials: Credentials): Promise<readonly Step[]> => {
  const login = await ask(`${AUTH}/login`, { method: 'POST', body: credentials });
  const found = tokensOf(login);
  const first = wanted(step('login', LOGIN_REMEDY), [200], login);
  if (found !== undefined) return [first, ...(await withTokens(ask, found))];
  if (login.status !== 200) return [first, skipped('me, refresh, logout', 'the login failed')];
  return [
    first,
    skipped('me, refresh, logout', 'the account wants a second factor, which nobody here has: use one without'),
  ];
};

const cookieName = (text: string): string => text.slice(0, text.indexOf('='));
const isSafe = (text: string): boolean => /;\s*secure/i.test(text) && /;\s*samesite=strict/i.test(text);
const isReadable = (text: string): boolean => !/;\s*httponly/i.test(text);

const cookieStep = (cookies: readonly string[]): Step => {
  const [section, name] = [SECURITY, 'cookies'];
  const unsafe = cookies.filter((text) => !isSafe(text));
  // The CSRF token is there to be read by the page; nothing else is.
  const readable = cookies.filter((text) => isReadable(text) && !cookieName(text).includes('csrf'));
  const faults = [
    ...unsafe.map((text) => `${cookieName(text)} is not Secure and SameSite=Strict`),
    ...readable.map((text) => `${cookieName(text)} can be read by scripts`),
  ];
  if (cookies.length > 0 && faults.length === 0)
    return { section, name, verdict: 'ok', finding: 'Secure, SameSite=Strict, HttpOnly' };
  return {
    section,
    name,
    verdict: 'fail',
    finding: cookies.length === 0 ? 'a browser gets none' : faults.join('; '),
    remedy: 'see whether a proxy before the service rewrites Set-Cookie',
  };
};

/** A logout without the CSRF token must be refused, and with it end the session. */
const asBrowser = async (ask: Ask, address: string, credentials: Credentials): Promise<readonly Step[]> => {
  const page = { origin: new URL(address).origin, 'sec-fetch-site': 'same-origin' };
  const login = await ask(`${AUTH}/login`, {
    method: 'POST',
    body: { ...credentials, client: 'browser' },
    headers: page,
  });
  const cookies = login.headers.getSetCookie();
  const { csrfToken } = login.body;
  if (login.status !== 200 || typeof csrfToken !== 'string')
    return [skipped('cookies', `the login as a browser answers ${codeOf(login)}`, SECURITY)];
  const cookie = cookies.map((text) => text.split(';', 1)[0] ?? '').join('; ');
  const forged = await ask(`${AUTH}/logout`, { method: 'POST', headers: { ...page, cookie } });
  await ask(`${AUTH}/logout`, { method: 'POST', headers: { ...page, cookie, 'x-csrf-token': csrfToken } });
  const about = { section: SECURITY, name: 'no CSRF token, no effect', remedy: 'see whether a proxy adds headers' };
  return [cookieStep(cookies), wanted(about, [403], forged)];
};

export const probeLogin = async (
  ask: Ask,
  address: string,
  credentials: Credentials | undefined,
): Promise<readonly Step[]> => {
  if (credentials === undefined) {
    const why = 'no test account: LATCHKEY_PROBE_EMAIL and LATCHKEY_PROBE_PASSWORD name one';
    return [skipped('login, me, refresh, logout', why), skipped('cookies, CSRF', why, SECURITY)];
  }
  return [...(await asProgram(ask, credentials)), ...(await asBrowser(ask, address, credentials))];
};
