/** Registration, login and profile: what is stored, and that nobody learns who has an account. */
import { expect } from 'chai';
import { ConfigError } from '../../../api/src/config.ts';
import { Database } from '../../../api/src/db/database.ts';
import { createMetrics } from '../../../api/src/metrics.ts';
import { createDefaultTenant } from '../../../api/src/services/default-tenant.ts';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('accounts', () => {
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  it('unknown account, wrong password and disabled account answer with the same bytes but for the request id', async () => {
    const known = await api.register();
    const disabled = await api.register();
    await database.query('UPDATE auth.users_extended SET is_active = false WHERE email = $1', [disabled]);
    const headers = { 'x-request-id': 'the-same-id' };
    const attempts = [
      { email: 'nobody@example.com', password: PASSWORD },
      { email: known, password: `${PASSWORD}!` },
      { email: disabled, password: PASSWORD },
    ];
    const answers = await Promise.all(attempts.map((body) => api.post('/api/v1/auth/login', body, { headers })));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).to.equal(1);
    const namesOf = (answer: Answer) => Object.keys(answer.headers).toSorted().join();
    expect(new Set(answers.map(namesOf)).size).to.equal(1);
  });

  it('a default organization that does not exist is a configuration that does not start, and never somebody else’s', async () => {
    const started = Api.start({ databaseUrl: database.url, env: { DEFAULT_ORGANIZATION: 'nowhere' } });
    const refusal = await started.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal).to.be.instanceOf(ConfigError);
    expect(refusal).to.have.deep.property('violations', [
      'DEFAULT_ORGANIZATION: no organization has this slug; for example DEFAULT_ORGANIZATION=default',
    ]);
    const direct = new Database({ url: database.url, metrics: createMetrics(), onIdleError: () => undefined });
    const asked = await createDefaultTenant(direct, 'nowhere')().catch((error: unknown) => error);
    await direct.close();
    expect(asked).to.have.property('code', 'internal');
  });

  it('a failed login of either kind leaves the same traces', async () => {
    const known = await api.register();
    const count = async () =>
      (await database.query('SELECT count(*)::int AS n FROM auth.login_history WHERE NOT success'))[0]?.['n'] as number;
    const start = await count();
    await api.post('/api/v1/auth/login', { email: known, password: 'x' });
    expect(await count()).to.equal(start + 1);
    await api.post('/api/v1/auth/login', { email: 'nobody@example.com', password: 'x' });
    expect(await count()).to.equal(start + 2);
  });

  it('an address is one account however it is written, and a race of registrations has one winner', async () => {
    const spellings = ['Race@Example.com', 'race@example.com', ' race@example.com ', 'ｒａｃｅ@example.com'];
    const answers = await Promise.all(
      spellings.map((email) => api.post('/api/v1/auth/register', { email, password: PASSWORD })),
    );
    expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).to.deep.equal([201, 409, 409, 409]);
    expect(answers.find((answer) => answer.status === 409)?.body).to.include({ code: 'email-taken' });
    expect((await api.login('RACE@EXAMPLE.COM')).sessionId).to.be.a('string');
    expect(await api.metric('auth_db_query_errors_total')).to.equal(0);
  });

  it('a new account has the role user, preferences, an audit event, and a hash that is not its password', async () => {
    const email = await api.register();
    const [row] = await database.query(
      `SELECT u.id, u.password_hash, p.language, p.timezone,
              ARRAY(SELECT r.slug FROM auth.user_roles ur JOIN auth.roles r ON r.id = ur.role_id WHERE ur.user_id = u.id) AS roles
       FROM auth.users_extended u JOIN auth.user_preferences p ON p.user_id = u.id WHERE u.email = $1`,
      [email],
    );
    expect(row).to.deep.include({ roles: ['user'], language: 'en', timezone: 'Africa/Johannesburg' });
    expect(row?.['password_hash']).to.match(/^\$pep\$[0-9a-f]{8}\$2b\$04\$.{53}$/);
    const events = await database.query(
      'SELECT event_type, new_values FROM auth.audit_events WHERE user_id = $1 ORDER BY event_type',
      [row?.['id']],
    );
    expect(events.map((event) => event['event_type'])).to.have.members(['user_created', 'role_changed']);
    expect(JSON.stringify(events)).not.to.include('$2b$');
  });

  it('me shows the account, what it may do, and both ends of the session', async () => {
    const email = await api.register();
    const { accessToken, sessionId } = await api.login(email);
    const { user, session } = (await api.me(accessToken)).body as {
      user: Record<string, unknown>;
      session: Record<string, unknown>;
    };
    expect(user).to.include({ email, emailVerified: false, displayName: email });
    expect(user['roles']).to.deep.equal(['user']);
    expect(user['permissions']).to.include('users:read').and.not.to.include('users:delete');
    expect(user).not.to.have.any.keys('passwordHash', 'password_hash');
    expect(session['id']).to.equal(sessionId);
    expect(Date.parse(String(session['absoluteExpiresAt']))).to.be.greaterThan(
      Date.parse(String(session['expiresAt'])),
    );
  });

  it('validate answers GET and POST alike and reads no body', async () => {
    const { accessToken } = await api.newSession();
    const get = await api.validate(accessToken);
    const post = await api.send('POST', '/api/v1/auth/validate', { bearer: accessToken, rawBody: '{broken' });
    expect([post.status, post.text]).to.deep.equal([200, get.text]);
  });
});
