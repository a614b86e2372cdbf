/** Cookies, CSRF and CORS over HTTP: what a browser may do with a session, and what another site may not make it do. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { Browser } from '../../support/browser.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const APP = 'https://app.example.com';
const EVIL = 'https://evil.example';
const LOGOUT = '/api/v1/auth/logout';
const REFRESH = '/api/v1/auth/refresh';

describe('browsers', () => {
  let database: TestDatabase;
  let api: Api;
  let email: string;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url, env: { ALLOWED_ORIGINS: APP } });
    email = await api.register();
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const loggedIn = async (): Promise<Browser> => {
    const browser = new Browser(api);
    expect((await browser.login(email, PASSWORD)).status).to.equal(200);
    return browser;
  };
  const codeOf = ({ status, body }: Answer) => [status, body['code']];
  const cookiesOf = (answer: Answer) => [answer.headers['set-cookie'] ?? []].flat();

  describe('cookies', () => {
    it('Property 11: Secure Cookie Flags: every cookie is Secure, and what holds a token is out of reach of scripts', async () => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom('login', 'refresh'), fc.integer({ min: 1, max: 3 }), async (how, times) => {
          const browser = await loggedIn();
          let answer = await browser.login(email, PASSWORD);
          for (let i = 0; i < (how === 'refresh' ? times : 0); i += 1) answer = await browser.send('POST', REFRESH);
          const cookies = cookiesOf(answer);
          expect(cookies.length).to.be.within(3, 4); // a login knows the device by a fourth
          for (const cookie of cookies) {
            expect(cookie).to.match(/; Secure(;|$)/);
            expect(cookie).not.to.match(/; Domain/i);
            expect(/; HttpOnly(;|$)/.test(cookie)).to.equal(!cookie.startsWith('__Host-latchkey-csrf='));
          }
          expect(JSON.stringify(answer.body)).not.to.match(/"(accessToken|refreshToken)"|lkr1\.|eyJ/);
        }),
        { numRuns: 8 },
      );
    });

    it('Property 12: SameSite Cookie Policy: every cookie that is set or taken away is SameSite=Strict', async () => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom('login', REFRESH, LOGOUT), async (last) => {
          const browser = await loggedIn();
          const answer = last === 'login' ? await browser.login(email, PASSWORD) : await browser.send('POST', last);
          expect(cookiesOf(answer).length).to.be.within(3, 4);
          for (const cookie of cookiesOf(answer)) expect(cookie).to.match(/; SameSite=Strict(;|$)/);
        }),
        { numRuns: 9 },
      );
    });

    it('are sent where they belong: the refresh token to the auth paths only', async () => {
      const browser = await loggedIn();
      expect(browser.cookieHeader('/api/v1/other')).not.to.include('refresh');
      expect(browser.cookies.get('__Secure-latchkey-refresh')?.path).to.equal('/api/v1/auth');
      for (const name of ['__Host-latchkey', '__Host-latchkey-csrf'])
        expect(browser.cookies.get(name)?.path).to.equal('/');
    });

    it('carry a session through me, refresh and logout, and a header wins over them', async () => {
      const browser = await loggedIn();
      expect((await browser.send('GET', '/api/v1/auth/me')).status).to.equal(200);
      const before = browser.cookie('__Secure-latchkey-refresh');
      const csrf = browser.cookie('__Host-latchkey-csrf');
      expect((await browser.send('POST', REFRESH)).status).to.equal(200);
      expect(browser.cookie('__Secure-latchkey-refresh')).not.to.equal(before);
      expect(browser.cookie('__Host-latchkey-csrf'), 'two tabs share one').to.equal(csrf);
      expect(codeOf(await browser.send('GET', '/api/v1/auth/me', { bearer: 'x' }))).to.deep.equal([
        401,
        'access-token-invalid',
      ]);
      expect((await browser.send('POST', LOGOUT)).status).to.equal(204);
      expect([...browser.cookies.keys()], 'the device stays known').to.deep.equal(['__Host-latchkey-device']);
      expect(codeOf(await browser.send('GET', '/api/v1/auth/me'))).to.deep.equal([401, 'access-token-missing']);
    });

    it('are never taken away by a refresh that failed or lost a race; only a logout does that', async () => {
      const browser = await loggedIn();
      const twin = new Browser(api);
      for (const [name, cookie] of browser.cookies) twin.cookies.set(name, cookie);
      const race = await Promise.all([browser, twin, twin, browser].map((tab) => tab.send('POST', REFRESH)));
      expect(race.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200]);
      expect(twin.cookie('__Secure-latchkey-refresh')).to.equal(browser.cookie('__Secure-latchkey-refresh'));
      await browser.send('POST', LOGOUT);
      const late = await twin.send('POST', REFRESH);
      expect([...codeOf(late), cookiesOf(late)]).to.deep.equal([401, 'session-ended', []]);
      expect(cookiesOf(await twin.send('POST', REFRESH, { isForgetful: true }))).to.deep.equal([]);
      expect(cookiesOf(await twin.send('GET', '/api/v1/auth/me'))).to.deep.equal([]);
    });

    it('CVE-2026-25748: a cookie header of any form never passes for a session, and never breaks the check', async () => {
      const browser = await loggedIn();
      const good = browser.cookie('__Host-latchkey') ?? '';
      const spoiled = fc
        .tuple(fc.nat(good.length - 1), fc.constantFrom('', 'A', '%', ';', '=', '"', ' ', '.', '\\'))
        .map(([at, other]) => `__Host-latchkey=${good.slice(0, at)}${other}${good.slice(at + 1)}`)
        .filter((text) => text !== `__Host-latchkey=${good}`);
      const names = fc.constantFrom(
        '__Host-latchkey',
        '__host-latchkey',
        'latchkey',
        ' ',
        '',
        '__proto__',
        'constructor',
      );
      const printable = fc.string({
        unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
        maxLength: 80,
      });
      const junk = fc
        .array(fc.tuple(names, printable), { minLength: 1, maxLength: 5 })
        .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('; '));
      await fc.assert(
        fc.asyncProperty(fc.oneof(spoiled, junk, printable), async (cookie) => {
          const answer = await api.get('/api/v1/auth/validate', { headers: { cookie } });
          expect(codeOf(answer)[0], cookie).to.equal(401);
          expect(codeOf(answer)[1]).to.be.oneOf(['access-token-missing', 'access-token-invalid']);
        }),
        { numRuns: 150 },
      );
      expect((await browser.send('GET', '/api/v1/auth/validate')).status).to.equal(200);
    });
  });

  describe('csrf', () => {
    it('refuses every unsafe method that comes with a cookie and no token, and changes nothing', async () => {
      const browser = await loggedIn();
      for (const path of [LOGOUT, REFRESH, '/api/v1/auth/validate']) {
        const answer = await browser.send('POST', path, { isForgetful: true });
        expect(codeOf(answer), path).to.deep.equal([403, 'csrf-token-invalid']);
      }
      expect((await browser.send('GET', '/api/v1/auth/me')).status).to.equal(200);
      expect((await browser.send('POST', '/api/v1/auth/validate')).status).to.equal(200);
    });

    it('refuses the token of another session, a planted pair, and a token that is not the cookie', async () => {
      const [browser, other] = [await loggedIn(), await loggedIn()];
      const foreign = other.cookies.get('__Host-latchkey-csrf');
      const own = browser.cookie('__Host-latchkey-csrf') ?? '';
      for (const header of [foreign?.value ?? '', `${own}x`, own.slice(1), '', 'a.b']) {
        const answer = await browser.send('POST', LOGOUT, { headers: { 'x-csrf-token': header } });
        expect(codeOf(answer), header).to.deep.equal([403, 'csrf-token-invalid']);
      }
      if (foreign !== undefined) browser.cookies.set(foreign.name, foreign);
      expect(codeOf(await browser.send('POST', LOGOUT))).to.deep.equal([403, 'csrf-token-invalid']);
    });

    it('refuses another origin even with the right token, and one that does not say where it comes from', async () => {
      const browser = await loggedIn();
      const csrf = browser.cookie('__Host-latchkey-csrf') ?? '';
      const cookie = browser.cookieHeader(LOGOUT);
      const attempts: Readonly<Record<string, string>>[] = [
        { origin: EVIL, 'sec-fetch-site': 'cross-site' },
        { origin: 'https://sub.app.example.com', 'sec-fetch-site': 'same-site' },
        { origin: 'null', 'sec-fetch-site': 'cross-site' },
        { origin: `${APP}.evil.example` },
        { origin: 'null' },
        { origin: EVIL, host: '127.0.0.1' },
        { 'sec-fetch-site': 'same-site' },
        {},
      ];
      for (const headers of attempts) {
        const answer = await api.post(LOGOUT, undefined, { headers: { cookie, 'x-csrf-token': csrf, ...headers } });
        expect(codeOf(answer), JSON.stringify(headers)).to.deep.equal([403, 'origin-not-allowed']);
      }
      expect((await browser.send('POST', LOGOUT, { from: APP })).status).to.equal(204);
    });

    it('refuses to log a browser in from another site, so that nobody is given a session that is not theirs', async () => {
      const browser = new Browser(api);
      const body = { email, password: PASSWORD, client: 'browser' };
      const answer = await browser.send('POST', '/api/v1/auth/login', { body, from: EVIL });
      expect([...codeOf(answer), cookiesOf(answer)]).to.deep.equal([403, 'origin-not-allowed', []]);
      expect((await browser.send('POST', '/api/v1/auth/login', { body, from: APP })).status).to.equal(200);
    });

    it('asks nothing of a bearer token, which no browser adds by itself', async () => {
      const { accessToken } = await api.login(email);
      const answer = await api.post(LOGOUT, undefined, { bearer: accessToken, headers: { origin: EVIL } });
      expect(answer.status).to.equal(204);
    });
  });

  describe('cors', () => {
    const preflight = (origin: string) =>
      api.send('OPTIONS', '/api/v1/auth/me', {
        headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-csrf-token' },
      });

    it('lets a listed origin read with credentials, and answers its preflight', async () => {
      const ask = await preflight(APP);
      expect(ask.status).to.equal(204);
      expect(ask.headers).to.include({
        'access-control-allow-origin': APP,
        'access-control-allow-credentials': 'true',
        'access-control-max-age': '600',
      });
      expect(ask.headers['access-control-allow-headers']).to.include('X-CSRF-Token');
      const answer = await api.get('/api/v1/auth/me', { headers: { origin: APP } });
      expect(answer.headers).to.include({ 'access-control-allow-origin': APP });
      expect(answer.headers['access-control-expose-headers']).to.include('Retry-After');
      expect(answer.headers['vary']).to.match(/Origin/);
    });

    it('names no other origin, whatever it is called, and never a star', async () => {
      const near = [
        EVIL,
        'null',
        '*',
        APP.toUpperCase(),
        `${APP}/`,
        `${APP}:443`,
        `${APP}.evil.example`,
        'http://app.example.com',
        '',
      ];
      await fc.assert(
        fc.asyncProperty(fc.oneof(fc.constantFrom(...near), fc.webUrl()), async (origin) => {
          for (const answer of [await preflight(origin), await api.get('/api/v1/auth/me', { headers: { origin } })]) {
            expect(answer.headers).not.to.have.any.keys(
              'access-control-allow-origin',
              'access-control-allow-credentials',
            );
            expect(answer.headers['vary']).to.match(/Origin/);
          }
        }),
        { numRuns: 40 },
      );
    });
  });
});
