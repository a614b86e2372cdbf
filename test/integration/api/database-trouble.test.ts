/** A database that hangs, goes away and comes back, closes for writing, or is sent what it cannot store. */
import { expect } from 'chai';
import { Database, type Transaction } from '../../../api/src/db/database.ts';
import { createMetrics, type Metrics } from '../../../api/src/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const TENANT = '00000000-0000-4000-8000-000000000001';

describe('a database in trouble', () => {
  let test: TestDatabase;
  let database: Database;
  let metrics: Metrics;

  before(async () => {
    test = await createTestDatabase();
  });
  beforeEach(() => {
    metrics = createMetrics();
    database = new Database({ url: test.url, metrics, onIdleError: () => undefined });
  });
  afterEach(async () => {
    await allowAll(test);
    await database.close();
  });
  after(() => test?.drop());

  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'fine',
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown'),
    );
  const run = (statement: string, values: readonly unknown[] = []) =>
    codeOf(database.inTenant(TENANT, (tx: Transaction) => tx.query(statement, values)));
  const breakerState = async (): Promise<number> => {
    const line = (await metrics.registry.metrics())
      .split('\n')
      .find((each) => each.startsWith('auth_db_breaker_state '));
    return Number(line?.split(' ')[1]);
  };
  const times = <T>(count: number, work: () => Promise<T>) => Promise.all(Array.from({ length: count }, work));

  it('that refuses what it was sent is not in trouble: the sender is told, and the breaker stays closed', async () => {
    for (const [statement, value] of [
      ['SELECT $1::text', 'a\u0000b'],
      ['SELECT $1::uuid', 'no uuid'],
      ['SELECT $1::int', '99999999999'],
      ['SELECT $1::timestamptz', '2026-13-45'],
      ['SELECT $1::varchar(3)::text, CAST($1 AS jsonb)', '"\\u0000"'],
    ] as const) {
      expect(await times(20, () => run(statement, [value])), statement).to.deep.equal(
        Array(20).fill('invalid-request'),
      );
    }
    await times(20, () => run('SELECT 1/0'));
    expect(await breakerState()).to.equal(0);
    expect(await run('SELECT 1')).to.equal('fine');
  });

  it('that is closed for writing says database-read-only, still reads, and does not open the breaker', async () => {
    const insert = `INSERT INTO public.organization (id, slug, name) VALUES (gen_random_uuid(), 'x', 'x')`;
    const codes = await times(15, () =>
      codeOf(
        database.inTenant(TENANT, async (tx) => {
          await tx.query('SET TRANSACTION READ ONLY');
          await tx.query(insert);
        }),
      ),
    );
    expect(new Set(codes)).to.deep.equal(new Set(['database-read-only']));
    expect(await breakerState()).to.equal(0);
    expect(await run('SELECT 1')).to.equal('fine');
  });

  it('that hangs costs the first ones five seconds and the others nothing, until one may try again', async function () {
    this.timeout(30_000);
    const slow = () => run('SELECT pg_sleep(20)');
    const startedMs = performance.now();
    expect(new Set(await times(12, slow))).to.deep.equal(new Set(['database-unavailable']));
    expect(performance.now() - startedMs).to.be.within(4_500, 9_000);
    expect(await breakerState()).to.equal(2);
    const refusedMs = performance.now();
    expect(new Set(await times(50, () => run('SELECT 1')))).to.deep.equal(new Set(['database-unavailable']));
    expect(performance.now() - refusedMs).to.be.below(500);
  });

  it('what nobody waits for any more does not commit', async function () {
    this.timeout(20_000);
    await test.query('CREATE TABLE IF NOT EXISTS public.late (at timestamptz)');
    await test.query('GRANT INSERT ON public.late TO latchkey_app');
    const code = await codeOf(
      database.inTenant(TENANT, async (tx) => {
        await tx.query('INSERT INTO public.late VALUES (now())');
        await tx.query('SELECT pg_sleep(3)');
        await tx.query('SELECT pg_sleep(3)');
      }),
    );
    expect(code).to.equal('database-unavailable');
    await eventually('the transaction has ended', 10_000, async () => {
      const [row] = await test.query(
        `SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = $1 AND state LIKE 'idle in%' OR query LIKE '%pg_sleep(3)' AND state = 'active'`,
        [test.name],
      );
      return row?.['open'] === 0;
    });
    expect(await test.query('SELECT * FROM public.late')).to.deep.equal([]);
  });

  it('that comes back is used at once, not after the thirty seconds of a server that hangs', async function () {
    this.timeout(20_000);
    expect(await run('SELECT 1')).to.equal('fine');
    await superuser(test, `ALTER DATABASE ${test.name} ALLOW_CONNECTIONS false`);
    await cutAll(test);
    await eventually('the breaker is open', 10_000, async () => {
      await times(12, () => run('SELECT 1'));
      return (await breakerState()) === 2;
    });
    const beforeMs = performance.now();
    await allowAll(test);
    await eventually('it works again', 6_000, async () => (await run('SELECT 1')) === 'fine');
    expect(performance.now() - beforeMs).to.be.below(6_000);
    expect(await breakerState()).to.equal(0);
  });

  it('a restart in the middle of traffic is survived: a connection that could not be had is tried for again', async () => {
    expect(await times(5, () => run('SELECT 1'))).to.deep.equal(Array(5).fill('fine'));
    await cutAll(test);
    expect(await times(20, () => run('SELECT 1'))).to.deep.equal(Array(20).fill('fine'));
  });
});

const superuser = async (test: TestDatabase, statement: string): Promise<void> => {
  const { Client } = (await import('pg')).default;
  const client = new Client({ connectionString: test.ownerUrl.replace(/\/[^/]+$/, '/postgres') });
  await client.connect();
  await client.query(statement);
  await client.end();
};

const cutAll = (test: TestDatabase): Promise<void> =>
  superuser(
    test,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${test.name}' AND usename = 'latchkey_test_app'`,
  );

const allowAll = (test: TestDatabase): Promise<void> =>
  superuser(test, `ALTER DATABASE ${test.name} ALLOW_CONNECTIONS true`);
