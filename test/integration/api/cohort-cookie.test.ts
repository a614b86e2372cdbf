/** The cookie that tells a gateway which part of the users a browser's user is in: who gets it, what it says, when it goes. */
import { expect } from 'chai';
import { z } from 'zod';
import { bucketOf } from '../../../api/src/core/bucket.ts';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { Browser } from '../../support/browser.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const NAME = 'lk_bucket';
const cookiesOf = (answer: Answer): readonly string[] => [answer.headers['set-cookie'] ?? []].flat();
const bucketIn = (answer: Answer): string | undefined =>
  cookiesOf(answer).find((cookie) => cookie.startsWith(`${NAME}=`));

describe('the cohort cookie', () => {
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url, env: { COHORT_COOKIE: NAME } });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const userIdOf = async (browser: Browser): Promise<string> =>
    z.object({ user: z.object({ id: z.uuid() }) }).parse((await browser.send('GET', '/api/v1/auth/me')).body).user.id;

  it('says the bucket of the flag auth_rollout at login and at each refresh, the same for all of a user’s browsers', async () => {
    const email = await api.register();
    for (const browser of [new Browser(api), new Browser(api)]) {
      const login = await browser.login(email, PASSWORD);
      const bucket = bucketOf('auth_rollout', await userIdOf(browser));
      expect(bucketIn(login)).to.match(new RegExp(`^${NAME}=${bucket};`));
      expect(bucketIn(await browser.send('POST', '/api/v1/auth/refresh'))).to.match(new RegExp(`^${NAME}=${bucket};`));
    }
  });

  it('agrees with the flag at every percentage: whom the flag reaches is whom the same weight selects', async () => {
    const browser = new Browser(api);
    await browser.login(await api.register(), PASSWORD);
    const bucket = Number(browser.cookie(NAME));
    expect(bucket).to.be.within(0, 99);
    for (const percentage of [bucket, bucket + 1]) {
      const other = await Api.start({
        databaseUrl: database.url,
        env: { AUTH_ROLLOUT_PERCENTAGE: String(percentage), COHORT_COOKIE: NAME },
      });
      try {
        const flags = await other.send('GET', '/api/v1/feature-flags', {
          headers: { cookie: browser.cookieHeader('/api/v1/feature-flags') },
        });
        expect(JSON.stringify(flags.body), `${flags.status}`).to.contain(`"auth_rollout":${bucket < percentage}`);
      } finally {
        await other.stop();
      }
    }
  });

  it('lasts as long as the session, is out of reach of scripts and other sites, and goes with a logout', async () => {
    const browser = new Browser(api);
    const login = await browser.login(await api.register(), PASSWORD);
    const ages = cookiesOf(login).flatMap(
      (cookie) => /^(lk_bucket|__Host-latchkey)=.*Max-Age=(\d+)/.exec(cookie)?.[2] ?? [],
    );
    expect(new Set(ages).size, ages.join()).to.equal(1);
    expect(bucketIn(login))
      .to.match(/; Path=\/;/)
      .and.to.match(/; HttpOnly;/)
      .and.to.match(/; Secure;/);
    expect(bucketIn(login)).to.match(/; SameSite=Strict$/);
    await browser.send('POST', '/api/v1/auth/logout');
    expect(browser.cookies.has(NAME)).to.equal(false);
  });

  it('is for browsers that ask for cookies alone, and for nobody where no name is set', async () => {
    const email = await api.register();
    const bearer = await api.send('POST', '/api/v1/auth/login', { body: { email, password: PASSWORD } });
    expect([bearer.status, cookiesOf(bearer)]).to.deep.equal([200, []]);
    const plain = await Api.start({ databaseUrl: database.url });
    try {
      const login = await new Browser(plain).login(email, PASSWORD);
      expect([login.status, bucketIn(login)]).to.deep.equal([200, undefined]);
    } finally {
      await plain.stop();
    }
  });
});
