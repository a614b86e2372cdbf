/** Errors as operators see them: categories, context, bounds, and no secret anywhere. */
import { expect } from 'chai';
import { AppError } from '../../../api/src/errors.ts';
import { createLog } from '../../../api/src/log.ts';
import { ErrorTracker } from '../../../api/src/services/error-tracking.ts';
import { codeOf, type Person, World } from '../../support/admin.ts';
import { Api, PASSWORD } from '../../support/api.ts';
import { createTestDatabase } from '../../support/postgres.ts';

interface Tracked {
  readonly category: string;
  readonly code: string;
  readonly message: string;
  readonly count: number;
  readonly route: string;
  readonly method: string;
  readonly frames: readonly string[];
  readonly lastRequest: Readonly<Record<string, string>>;
}

describe('errors', function () {
  this.timeout(60_000);
  let world: World;
  let root: Person;

  before(async () => {
    world = await World.create();
    root = await world.person('super_admin');
  });
  after(() => world?.destroy());

  const list = async (query = '', person = root): Promise<readonly Tracked[]> => {
    const { status, body, text } = await world.api.get(`/api/v1/errors${query}`, { bearer: person.accessToken });
    if (status !== 200) throw new Error(text);
    return body['errors'] as readonly Tracked[];
  };
  const eventually = async (found: () => Promise<Tracked | undefined>): Promise<Tracked> => {
    const until = Date.now() + 20_000;
    for (;;) {
      const row = await found();
      if (row !== undefined) return row;
      if (Date.now() > until) throw new Error('never written');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };

  it('are kept with category, route, request, address and agent, grouped and counted, without the secret that came along', async () => {
    for (let n = 0; n < 5; n += 1) {
      await world.api.get('/api/v1/auth/sessions', {
        bearer: 'not-a-token',
        headers: { 'user-agent': `agent password=hunter2-${n}`, 'x-request-id': `request-${n}` },
      });
    }
    const row = await eventually(async () =>
      (await list('?category=auth')).find(({ route, count }) => route === '/api/v1/auth/sessions' && count >= 5),
    );
    expect(row).to.deep.include({ category: 'auth', code: 'access-token-invalid', method: 'GET', count: 5 });
    expect(row.lastRequest).to.deep.include({ requestId: 'request-4', ip: '127.0.0.1' });
    expect(JSON.stringify(row)).not.to.include('hunter2');
  });

  it('are for super administrators alone, also under the older path, and reading them is written down', async () => {
    for (const role of ['admin', 'manager', 'user', 'viewer'] as const) {
      const person = await world.person(role);
      expect(codeOf(await world.api.get('/api/v1/errors', { bearer: person.accessToken })), role).to.equal(
        '403 permission-missing',
      );
    }
    const older = await world.api.get('/api/errors', { bearer: root.accessToken });
    expect([older.status, older.headers['deprecation'] !== undefined]).to.deep.equal([200, true]);
    const [seen] = await world.database.query(
      "SELECT user_id FROM auth.audit_events WHERE action = 'errors.read' LIMIT 1",
    );
    expect(seen).to.deep.equal({ user_id: root.id });
    expect((await world.api.get('/api/v1/errors?category=strange', { bearer: root.accessToken })).status).to.equal(400);
  });

  it('say in staging what happened, without secrets or statements; in production nothing', async () => {
    for (const [appEnv, hasDetail] of [
      ['staging', true],
      ['production', false],
    ] as const) {
      const database = await createTestDatabase();
      const api = await Api.start({ databaseUrl: database.url, env: { APP_ENV: appEnv, BCRYPT_COST: '10' } });
      const email = await api.register();
      await database.query('DROP FUNCTION auth.log_audit_event CASCADE');
      const answer = await api.post('/api/v1/auth/login', { email, password: PASSWORD });
      expect([answer.status, answer.body['code']]).to.deep.equal([500, 'internal']);
      expect(answer.body['detail'] !== undefined, appEnv).to.equal(hasDetail);
      expect(answer.text)
        .not.to.match(/select |insert |with |\.ts:|node_modules/i)
        .and.not.to.include(email);
      await api.stop();
      const [kept] = await database.query(
        "SELECT category, code, status, message FROM latchkey.error_event WHERE code = 'internal'",
      );
      expect(kept).to.deep.include({ category: 'database', status: 500 });
      await database.drop();
    }
  });

  it('do not cross organizations', async () => {
    const other = await world.person('super_admin', 'second');
    const victim = await world.person('user', 'second');
    await world.api.get('/api/v1/audit/logs', { bearer: victim.accessToken });
    const row = await eventually(async () =>
      (await list('?code=permission-missing', other)).find(({ lastRequest }) => lastRequest['userId'] === victim.id),
    );
    expect(row.route).to.equal('/api/v1/audit/logs');
    expect(JSON.stringify(await list('?limit=100'))).not.to.include(victim.id);
  });

  describe('in memory and in the table', () => {
    const context = (route: string) => ({
      requestId: 'r',
      method: 'GET',
      route,
      ip: '192.0.2.1',
      userAgent: undefined,
      userId: undefined,
      tenantId: undefined,
    });
    const trackerOn = (inTenant: () => Promise<never>) =>
      new ErrorTracker({
        database: { inTenant, query: () => Promise.resolve([]) },
        log: createLog('silent', undefined),
        nowMs: Date.now,
      });

    it('a flood is counted, not kept: fifty groups a minute, and none lost while the database is away', async () => {
      const written: string[] = [];
      let isAway = true;
      const tracker = trackerOn(() => {
        if (isAway) return Promise.reject(new AppError('database-unavailable'));
        written.push('x');
        return Promise.reject(new AppError('internal')); // a row that is refused for good is let go
      });
      for (let n = 0; n < 1_000; n += 1)
        tracker.track(new AppError('internal', { cause: new Error('x') }), context(`/route-${n}`));
      const failed = await tracker.flush().then(
        () => 'written',
        (error: unknown) => (error as AppError).code,
      );
      expect(failed).to.equal('database-unavailable');
      isAway = false;
      await tracker.flush();
      expect(written).to.have.length(50);
    });

    it('rows older than 90 days go', async () => {
      await world.database.query(
        "INSERT INTO latchkey.error_event (fingerprint, hour, category, code, message, first_at, last_at) SELECT lpad(to_hex(n), 16, '0'), now() - make_interval(days => n), 'internal', 'internal', 'x', now(), now() FROM generate_series(80, 100) AS n",
      );
      await world.database.query("SELECT latchkey.forget_old_errors('90 days')");
      expect(
        await world.database.query("SELECT count(*)::int AS n FROM latchkey.error_event WHERE message = 'x'"),
      ).to.deep.equal([{ n: 10 }]);
    });
  });
});
