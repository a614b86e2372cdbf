/** What a password must be, how long it lasts and how it is changed, by HTTP. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { type Answer, Api, PASSWORD, tokensOf } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const RUNS = process.env['TEST_LONG'] === undefined ? 10 : 100;
const DAY_MS = 86_400_000;

let count = 0;
const freshPassword = (): string => `Fresh-Passw0rd-${(count += 1)}`;

const oneOf = (characters: string): fc.Arbitrary<string> => fc.constantFrom(...Array.from(characters));
const lower = oneOf('abcdefghijklmnopqrstuvwxyzéñß');
const upper = oneOf('ABCDEFGHIJKLMNOPQRSTUVWXYZÉÑ');
const digit = oneOf('0123456789');
const symbol = oneOf('!"#$%&\'()*+,-./:;<=>?@[]^_{|}~€');
const letters = (of: fc.Arbitrary<string>, min: number, max: number): fc.Arbitrary<string> =>
  fc.array(of, { minLength: min, maxLength: max }).map((parts) => parts.join(''));

describe('passwords', () => {
  let database: TestDatabase;
  let api: Api;
  let nist: Api;
  let nowMs = Date.now();

  before(async () => {
    database = await createTestDatabase();
    const options = { databaseUrl: database.url, nowMs: () => nowMs };
    api = await Api.start(options);
    nist = await Api.start({ ...options, env: { PASSWORD_POLICY: 'nist' } });
  });
  after(async () => {
    await Promise.all([api?.stop(), nist?.stop()]);
    await database?.drop();
  });

  const register = (password: string, to = api): Promise<Answer> =>
    to.post('/api/v1/auth/register', { email: `password-${(count += 1)}@example.com`, password });
  const login = (email: string, password = PASSWORD, to = api) => to.post('/api/v1/auth/login', { email, password });
  const change = (bearer: string, currentPassword: string, newPassword: string, to = api) =>
    to.post('/api/v1/auth/password', { currentPassword, newPassword }, { bearer });
  const changeExpired = (email: string, currentPassword: string, newPassword: string, to = api) =>
    to.post('/api/v1/auth/password/expired', { email, currentPassword, newPassword });
  const fieldsOf = ({ body }: Answer) =>
    (body['errors'] as readonly { field: string }[] | undefined)?.map(({ field }) => field);
  const accountOf = async (email: string) =>
    (await database.query('SELECT * FROM auth.users_extended WHERE email = $1', [email]))[0];

  it('a change and a login of one moment never wait for each other: both lock the budget before the account', async () => {
    let current = PASSWORD;
    const email = await api.register();
    let { accessToken } = tokensOf(await login(email, current));
    for (let round = 0; round < 15; round += 1) {
      expect((await login(email, freshPassword())).status).to.equal(401); // a budget to settle
      const next = freshPassword();
      const [changed, entered] = await Promise.all([change(accessToken, current, next), login(email, current)]);
      expect(changed.status).to.equal(200);
      expect(entered.status).to.be.oneOf([200, 401]);
      ({ accessToken } = tokensOf(changed));
      current = next;
    }
  });

  it('Property 33: below 12 characters no password is taken, whatever it is made of', async () => {
    const short = fc.tuple(letters(lower, 1, 5), letters(upper, 1, 2), letters(digit, 1, 2), letters(symbol, 1, 2));
    await fc.assert(
      fc.asyncProperty(short, async (parts) => {
        const answer = await register(parts.join(''));
        expect(answer.status).to.equal(400);
        expect(fieldsOf(answer)).to.deep.equal(['password']);
      }),
      { numRuns: RUNS },
    );
  });

  it('Property 34: a lower-case letter, an upper-case letter, a digit and a symbol: with all four it is taken, without one not', async () => {
    const all = [letters(lower, 9, 12), letters(upper, 1, 4), letters(digit, 1, 4), letters(symbol, 1, 4)];
    const missing = fc.integer({ min: 0, max: 3 });
    await fc.assert(
      fc.asyncProperty(fc.tuple(...all), missing, async (parts, index) => {
        expect((await register(parts.join(''))).status).to.equal(201);
        const without = parts
          .filter((_part, at) => at !== index)
          .join('')
          .padEnd(12, parts[(index + 1) % 4] ?? '');
        expect(fieldsOf(await register(without))).to.deep.equal(['password']);
      }),
      { numRuns: RUNS },
    );
  });

  it('Property 39: what the schema lets through is judged again where it is stored: no endpoint takes a weak one', async () => {
    const email = await api.register();
    const { accessToken } = await api.login(email);
    await fc.assert(
      fc.asyncProperty(letters(lower, 12, 40), async (weak) => {
        const answers = await Promise.all([register(weak), change(accessToken, PASSWORD, weak)]);
        expect(answers.map(({ status }) => status)).to.deep.equal([400, 400]);
        expect(answers.map(fieldsOf)).to.deep.equal([['password'], ['newPassword']]);
      }),
      { numRuns: RUNS },
    );
    expect((await login(email)).status).to.equal(200);
  });

  it('Property 35: the current password and the five before it are refused; the sixth before may come back', async () => {
    const email = await api.register();
    let { accessToken } = await api.login(email);
    const used = [PASSWORD];
    for (let round = 1; round <= 6; round += 1) {
      const next = freshPassword();
      accessToken = tokensOf(await change(accessToken, used.at(-1) ?? '', next)).accessToken;
      used.push(next);
      nowMs += 1000;
    }
    const current = used.at(-1) ?? '';
    for (const old of used.slice(1)) {
      expect(fieldsOf(await change(accessToken, current, old)), old).to.deep.equal(['newPassword']);
    }
    expect((await change(accessToken, current, PASSWORD)).status).to.equal(200);
  });

  it('Property 36: the history holds bcrypt hashes, five at most, and no password', async () => {
    const email = await api.register();
    let { accessToken } = await api.login(email);
    const used = [PASSWORD];
    for (let round = 0; round < 7; round += 1) {
      const next = freshPassword();
      accessToken = tokensOf(await change(accessToken, used.at(-1) ?? '', next)).accessToken;
      used.push(next);
    }
    const rows = await database.query(
      `SELECT h.* FROM latchkey.password_history h JOIN auth.users_extended u ON u.id = h.user_id WHERE u.email = $1`,
      [email],
    );
    expect(rows).to.have.length(5);
    for (const row of rows) expect(row['password_hash']).to.match(/^\$pep\$[0-9a-f]{8}\$2b\$04\$.{53}$/);
    expect(new Set(rows.map((row) => row['password_hash'])).size).to.equal(5);
    for (const password of used) expect(JSON.stringify(rows)).not.to.include(password);
  });

  it('Property 37: a password opens sessions for 90 days and not a moment longer', async () => {
    const startMs = nowMs;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 180 * DAY_MS }), async (ageMs) => {
        nowMs = startMs;
        const email = await api.register();
        nowMs = startMs + ageMs;
        const { status, body } = await login(email);
        if (ageMs < 90 * DAY_MS) expect(status).to.equal(200);
        else expect(body).to.include({ status: 403, code: 'password-change-needed' });
        const wrong = await login(email, `${PASSWORD}!`);
        expect(wrong.body, wrong.text).to.include({ status: 401 });
      }),
      { numRuns: RUNS, examples: [[90 * DAY_MS - 1], [90 * DAY_MS]] },
    );
    nowMs = startMs;
  });

  it('Property 38: an expired password is good for one thing, a new one, which opens sessions for 90 days again', async () => {
    const email = await api.register();
    const { accessToken, refreshToken } = await api.login(email);
    nowMs += 90 * DAY_MS;
    expect((await login(email)).body).to.include({ code: 'password-change-needed' });
    expect((await changeExpired(email, `${PASSWORD}!`, freshPassword())).body).to.include({
      code: 'invalid-credentials',
    });
    expect(fieldsOf(await changeExpired(email, PASSWORD, PASSWORD))).to.deep.equal(['newPassword']);
    const next = freshPassword();
    expect((await changeExpired(email, PASSWORD, next)).status).to.equal(204);
    for (const answer of [await api.validate(accessToken), await api.refresh(refreshToken)]) {
      expect(answer.status).to.equal(401);
    }
    expect((await login(email)).body).to.include({ code: 'invalid-credentials' });
    expect((await login(email, next)).status).to.equal(200);
    expect((await accountOf(email))?.['password_expires_at']).to.deep.equal(new Date(nowMs + 90 * DAY_MS));
    nowMs += 90 * DAY_MS - 1;
    expect((await login(email, next)).status).to.equal(200);
  });

  it('an account of before the column expires 90 days after its last change', async () => {
    const email = await api.register();
    await database.query('UPDATE auth.users_extended SET password_expires_at = NULL WHERE email = $1', [email]);
    expect((await login(email)).status).to.equal(200);
    nowMs += 90 * DAY_MS;
    expect((await login(email)).body).to.include({ code: 'password-change-needed' });
  });

  it('a password that has not expired is changed in a session alone, past no second factor', async () => {
    const email = await api.register();
    const { status, body } = await changeExpired(email, PASSWORD, freshPassword());
    expect({ status, code: body['code'] }).to.deep.equal({ status: 409, code: 'password-not-expired' });
    expect((await login(email)).status).to.equal(200);
  });

  it('the change of an expired password shares the rules against guessing with the login', async () => {
    const email = await api.register();
    nowMs += 90 * DAY_MS;
    for (let guess = 0; guess < 5; guess += 1) await changeExpired(email, `Wrong-Passw0rd-${guess}`, freshPassword());
    expect((await changeExpired(email, PASSWORD, freshPassword())).body).to.include({ code: 'invalid-credentials' });
    expect((await login(email)).body).to.include({ code: 'invalid-credentials' });
  });

  it('a change ends every other session and gives this one a new id', async () => {
    const email = await api.register();
    const [mine, other] = [await api.login(email), await api.login(email)];
    const renewed = tokensOf(await change(mine.accessToken, PASSWORD, freshPassword()));
    expect(renewed.sessionId).not.to.equal(mine.sessionId);
    expect((await api.validate(renewed.accessToken)).status).to.equal(200);
    for (const { accessToken, refreshToken } of [mine, other]) {
      expect((await api.validate(accessToken)).status).to.equal(401);
      expect((await api.refresh(refreshToken)).status).to.equal(401);
    }
  });

  it('a change needs the current password, and five wrong ones close it for this session', async () => {
    const email = await api.register();
    const { accessToken } = await api.login(email);
    for (let guess = 0; guess < 5; guess += 1) {
      const { body } = await change(accessToken, `Wrong-Passw0rd-${guess}`, freshPassword());
      expect(body).to.include({ status: 401, code: 'invalid-credentials' });
    }
    expect((await change(accessToken, PASSWORD, freshPassword())).body).to.include({ code: 'invalid-credentials' });
    expect((await login(email)).status, 'the login has a budget of its own').to.equal(200);
  });

  it('two changes at once have one winner, whose password is the account’s', async () => {
    const email = await api.register();
    const sessions = [await api.login(email), await api.login(email)];
    const wishes = sessions.map(({ accessToken }) => ({ accessToken, password: freshPassword() }));
    const answers = await Promise.all(
      wishes.map(({ accessToken, password }) => change(accessToken, PASSWORD, password)),
    );
    const won = answers.flatMap(({ status }, at) => (status === 200 ? [wishes[at]?.password ?? ''] : []));
    expect(won).to.have.length(1);
    expect((await login(email, won[0])).status).to.equal(200);
  });

  describe('nist profile', () => {
    it('asks for 15 characters and for nothing else', async () => {
      expect((await register('purplish weaving of 9', nist)).status).to.equal(201);
      expect((await register('wqkzjxvmtrnbfgh', nist)).status).to.equal(201);
      expect(fieldsOf(await register('Aa1!wqkzjxvmtr', nist))).to.deep.equal(['password']);
    });

    it('refuses what is made of common words, runs, repetitions and the address', async () => {
      const common = [
        'passwordpassword',
        'P4ssw0rd!P4ssw0rd!',
        'qwertyuiopasdfghjkl',
        '123456789012345',
        'aaaaaaaaaaaaaaaaaaaa',
      ];
      for (const text of [...common, 'latchkeylatchkey', 'iloveyouiloveyou1', 'summer2026summer2026']) {
        expect(fieldsOf(await register(text, nist)), text).to.deep.equal(['password']);
      }
      const body = { email: 'bartholomew@fishermen.example', password: 'bartholomew-fishermen' };
      expect(fieldsOf(await nist.post('/api/v1/auth/register', body))).to.deep.equal(['password']);
    });

    it('lets a password live for ever, and still asks for a new one where an administrator does', async () => {
      const email = `nist-${(count += 1)}@example.com`;
      const password = 'wqkzjxvmtrnbfgh';
      await nist.post('/api/v1/auth/register', { email, password });
      nowMs += 1000 * DAY_MS;
      expect((await login(email, password, nist)).status).to.equal(200);
      await database.query('UPDATE auth.users_extended SET must_change_password = true WHERE email = $1', [email]);
      expect((await login(email, password, nist)).body).to.include({ code: 'password-change-needed' });
      expect((await changeExpired(email, password, 'hgfbnrtmvxjzkqw', nist)).status).to.equal(204);
      expect((await login(email, 'hgfbnrtmvxjzkqw', nist)).status).to.equal(200);
    });
  });
});
