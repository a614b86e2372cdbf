/**
 * The client in a real browser with several tabs against the real API: one refresh an expiry, and nobody is signed out who did not sign out. 1,000 tokens
 * expire under four tabs that use them at once, with answers that are lost, by Web Locks and by the lease; 10,000 with TEST_LONG=1.
 */
import { expect } from 'chai';
import { ACCESS_TOKEN_SECONDS } from '../../../api/src/crypto/access-token.ts';
import { Api, PASSWORD } from '../../support/api.ts';
import { Chromium, type Profile, type Tab } from '../../support/chromium.ts';
import { clientPage } from '../../support/client-page.ts';
import { eventually } from '../../support/eventually.ts';
import { Gateway } from '../../support/gateway.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { Clock } from '../../support/totp.ts';

const IS_LONG = process.env['TEST_LONG'] === '1';
/** A thousand together take 70 s; in CI every fifth of them. */
const EXPIRIES = IS_LONG ? { withLocks: 900, without: 100 } : { withLocks: 180, without: 20 };
const TABS = 4;
const LIFE_MS = ACCESS_TOKEN_SECONDS * 1000;
/** Every seventh refresh is carried out and its answer lost. */
const LOSSES = 7;
const REFRESH = '/api/v1/auth/refresh';
/** A session ends a week after its login; a test that is faster than time logs in again before. */
const ROUNDS_A_LOGIN = 500;

describe('the client in a browser', function () {
  this.timeout(IS_LONG ? 60 * 60_000 : 480_000); // 193 s for the first test alone, seen on a busy machine
  const clock = new Clock();
  let database: TestDatabase;
  let api: Api;
  let gateway: Gateway;
  let elsewhere: Gateway;
  let browser: Chromium;
  let profile: Profile;
  let tabs: readonly Tab[];

  before(async function () {
    this.timeout(420_000); // a fresh clone gets its Chromium here
    const [files, started] = await Promise.all([clientPage(), Chromium.start()]);
    browser = started;
    database = await createTestDatabase();
    gateway = await Gateway.start(() => api, files);
    elsewhere = await Gateway.start(() => api, files);
    api = await Api.start({
      databaseUrl: database.url,
      nowMs: clock.read,
      env: { ALLOWED_ORIGINS: `http://app.example.localhost:${elsewhere.port}` },
    });
  });
  after(async () => {
    await browser?.stop();
    await Promise.all([gateway?.close(), elsewhere?.close()]);
    await api?.stop();
    await database?.drop();
  });
  beforeEach(async () => {
    gateway.faults.length = 0;
    profile = await browser.newProfile();
    tabs = [];
  });
  afterEach(() => profile.close());

  const open = async (count: number, { path = '/', beforehand = '' } = {}): Promise<readonly Tab[]> => {
    tabs = await Promise.all(Array.from({ length: count }, () => profile.open(`${gateway.url}${path}`, beforehand)));
    return tabs;
  };
  const first = (): Tab => {
    const [tab] = tabs;
    if (tab === undefined) throw new Error('no tab is open');
    return tab;
  };
  const login = async (tab = first()): Promise<void> => {
    const credentials = { email: await api.register(), password: PASSWORD };
    expect(await tab.run(`client.login(${JSON.stringify(credentials)})`)).to.include({ kind: 'signed-in' });
  };
  const me = (tab: Tab): Promise<unknown> => tab.run('outcome(client.me())');
  const heardIn = async (tab: Tab): Promise<readonly unknown[]> => {
    const heard = await tab.run('heard.splice(0)');
    return Array.isArray(heard) ? heard : [];
  };
  /** The server's clock says that the token has expired; half of the time the page knows it too, and asks first. */
  const expire = async (round: number): Promise<void> => {
    clock.advance(LIFE_MS + 1000);
    if (round % 2 === 1) await Promise.all(tabs.map((tab) => tab.run(`ahead += ${LIFE_MS + 1000}`)));
  };

  /** How often the API refreshed for so many expiries, with the tabs at work all at once. */
  const play = async (rounds: number): Promise<number> => {
    let sent = 0;
    gateway.faults.push({
      matches: (_method, path) => path === REFRESH && (sent += 1) % LOSSES === 0,
      losesAnswer: true,
    });
    const spurious: unknown[] = [];
    const before = gateway.refreshes;
    for (let round = 0; round < rounds; round += 1) {
      if (round % ROUNDS_A_LOGIN === 0) await login();
      await expire(round);
      const outcomes = await Promise.all(tabs.map(me));
      spurious.push(...outcomes.filter((outcome) => outcome !== 'done'));
    }
    const heard = (await Promise.all(tabs.map(heardIn))).flat().map(String);
    expect([...spurious, ...heard.filter((each) => each.startsWith('signed-out'))], 'spurious logouts').to.deep.equal(
      [],
    );
    const lost = Math.floor(sent / LOSSES);
    expect(lost, 'answers were lost').to.be.greaterThan(rounds / 10);
    return gateway.refreshes - before - lost;
  };

  it(`${EXPIRIES.withLocks} expiries under four tabs sign nobody out, by one refresh each`, async () => {
    await open(TABS);
    const rounds = EXPIRIES.withLocks;
    const from = performance.now();
    const refreshes = await play(rounds);
    if (IS_LONG)
      console.info(JSON.stringify({ rounds, refreshes, seconds: Math.round((performance.now() - from) / 1000) }));
    expect(refreshes / rounds).to.be.within(1, 1.02);
  });

  it(`${EXPIRIES.without} more sign nobody out where there are no Web Locks`, async () => {
    await open(TABS, { beforehand: "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })" });
    expect(await first().run('navigator.locks === undefined')).to.equal(true);
    const rounds = EXPIRIES.without;
    expect((await play(rounds)) / rounds).to.be.within(1, 1.05);
  });

  it('a logout in one tab ends what is under way in the others, and a refresh that races it signs nobody in again', async () => {
    const [one, other] = await open(2);
    if (one === undefined || other === undefined) throw new Error('no tabs');
    await login(one);
    await eventually('the other tab has heard', 5_000, async () => (await heardIn(other)).includes('signed-in'));
    const answered = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    gateway.faults.push({
      matches: (_method, path) => path === REFRESH,
      times: 1,
      onAnswered: answered.resolve,
      until: held.promise,
    });
    await expire(0);
    const underWay = other.run('outcome(client.me())');
    await answered.promise;
    expect(await one.run('outcome(client.logout())')).to.equal('done');
    held.resolve();
    expect(await underWay).to.equal('signed-out logout');
    expect(await heardIn(other)).to.deep.equal(['signed-out logout']);
    expect(await Promise.all([me(one), me(other)])).to.deep.equal(['signed-out logout', 'signed-out logout']);
    expect(await other.run("fetch('/api/v1/auth/me').then(({ status }) => status)"), 'the cookies are gone').to.equal(
      401,
    );
    await login(other);
    expect(await Promise.all([me(one), me(other)])).to.deep.equal(['done', 'done']);
  });

  it('a tab that was frozen while the others went on for a day wakes up with their session, without a refresh', async () => {
    const [one, other] = await open(2);
    if (one === undefined || other === undefined) throw new Error('no tabs');
    await login(one);
    await other.send('Page.setWebLifecycleState', { state: 'frozen' });
    const start = gateway.refreshes;
    for (let hour = 0; hour < 24; hour += 1) {
      clock.advance(3_600_000);
      expect(await me(one)).to.equal('done');
    }
    const before = gateway.refreshes;
    expect(before - start).to.equal(24);
    await other.send('Page.setWebLifecycleState', { state: 'active' });
    expect(await me(other)).to.equal('done');
    expect(gateway.refreshes).to.equal(before);
  });

  it('a tab that slept alone for longer than a session lives is told so when it wakes', async () => {
    const [tab] = await open(1);
    if (tab === undefined) throw new Error('no tab');
    await login(tab);
    clock.advance(25 * 3_600_000);
    await tab.run(`ahead += ${25 * 3_600_000}; dispatchEvent(new Event('pageshow'))`);
    await eventually('the page hears of it', 10_000, async () =>
      (await heardIn(tab)).includes('signed-out session-ended'),
    );
    expect(await me(tab)).to.equal('signed-out session-ended');
  });

  it('a page of another origin keeps its session over a reload, and repeats the CSRF token that it cannot read', async () => {
    // One site, two hosts: what SameSite=Strict asks for.
    const path = `http://app.example.localhost:${elsewhere.port}/?api=http://api.example.localhost:${gateway.port}`;
    const tab = await profile.open(path);
    await login(tab);
    clock.advance(LIFE_MS + 1000);
    await tab.visit(path);
    expect(await me(tab)).to.equal('done');
    const renamed = `client.session().then(({ sessionId }) => client.fetch('/api/v1/auth/sessions/' + sessionId, {
      method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"name":"Laptop"}',
    })).then(({ status }) => status)`;
    expect(await tab.run(renamed)).to.equal(200);
    // Somebody cleared the page's storage: the token is asked for as long as there is a live access token to ask with.
    await tab.run('localStorage.clear()');
    expect(await tab.run('outcome(client.refresh())')).to.equal('done');
    expect(await tab.run('outcome(client.logout())')).to.equal('done');
    expect(await me(tab)).to.equal('signed-out logout');
  });

  it('a logout that the server did not hear of holds in this browser, and is told after a reload', async () => {
    const [tab] = await open(1);
    if (tab === undefined) throw new Error('no tab');
    await login(tab);
    gateway.faults.push({ matches: (_method, path) => path === '/api/v1/auth/logout', status: 502 });
    expect(await tab.run('outcome(client.logout({ deadlineMs: 3000 }))')).to.equal('answer-unreadable');
    expect(await tab.run('outcome(client.refresh())')).to.equal('signed-out logout');
    gateway.faults.length = 0;
    const before = gateway.count('POST /api/v1/auth/logout', 204);
    await tab.visit(`${gateway.url}/?again`);
    await eventually(
      'the server has heard',
      10_000,
      () => gateway.count('POST /api/v1/auth/logout', 204) === before + 1,
    );
    expect(await tab.run("fetch('/api/v1/auth/me').then(({ status }) => status)")).to.equal(401);
  });

  it('a page that has never asked finds the session of its cookies, and that there is none', async () => {
    const [tab] = await open(1);
    if (tab === undefined) throw new Error('no tab');
    expect(await tab.run('client.session()')).to.deep.equal({ state: 'unknown' });
    expect(await me(tab)).to.equal('signed-out no-session');
    await login(tab);
    await tab.run('localStorage.clear()');
    await tab.visit(`${gateway.url}/?again`);
    await tab.run('client.refresh()');
    expect(await tab.run('client.session()')).to.include({ state: 'signed-in' });
    expect(await tab.run('JSON.stringify(localStorage)'), 'no token where scripts are').not.to.match(/lkr1|eyJ/);
  });
});
