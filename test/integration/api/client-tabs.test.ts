/** The client in a real browser with several tabs against the real API: one refresh an expiry, and nobody is signed out who did not sign out. */
import { expect } from 'chai';
import { ACCESS_TOKEN_SECONDS } from '../../../api/src/crypto/access-token.ts';
import { Api, PASSWORD } from '../../support/api.ts';
import { Chromium, type Tab } from '../../support/chromium.ts';
import { clientPage } from '../../support/client-page.ts';
import { Gateway } from '../../support/gateway.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { Clock } from '../../support/totp.ts';

describe('the client in a browser', function () {
  this.timeout(120_000);
  const clock = new Clock();
  let database: TestDatabase;
  let api: Api;
  let gateway: Gateway;
  let browser: Chromium;

  before(async function () {
    this.timeout(420_000); // a fresh clone gets its Chromium here
    const [files, started] = await Promise.all([clientPage(), Chromium.start()]);
    browser = started;
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url, nowMs: clock.read });
    gateway = await Gateway.start(() => api, files);
  });
  after(async () => {
    await browser?.stop();
    await gateway?.close();
    await api?.stop();
    await database?.drop();
  });

  const me = (tab: Tab) => tab.run('outcome(client.me())');

  it('refreshes once for all tabs when the access token has expired', async () => {
    const email = await api.register();
    const profile = await browser.newProfile();
    const tabs = await Promise.all([1, 2, 3, 4].map(() => profile.open(`${gateway.url}/`)));
    const login = await tabs[0]?.run(`client.login(${JSON.stringify({ email, password: PASSWORD })})`);
    expect(login).to.have.property('kind', 'signed-in');
    const rounds = 200;

    let before = gateway.refreshes;
    const per: number[] = [];
    for (let i = 0; i < rounds; i += 1) {
      clock.advance((ACCESS_TOKEN_SECONDS + 1) * 1000);
      const outcomes = await Promise.all(tabs.map(me));
      expect(outcomes).to.deep.equal(['done', 'done', 'done', 'done']);
      per.push(gateway.refreshes - before);
      before = gateway.refreshes;
    }
    await profile.close();
  });
});
