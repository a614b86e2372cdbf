/**
 * The connection pool and the one way to a tenant's rows. Made by main.ts; the files beside it hold the statements.
 * A driver's error leaves here as an AppError: `database-unavailable` where trying again may help, `internal` otherwise.
 */
import { Pool, type QueryResult } from 'pg';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';

/** What a statement needs: a connection inside a tenant's transaction. */
export interface Transaction {
  query(statement: string, values?: readonly unknown[]): Promise<QueryResult<Record<string, unknown>>>;
}

export interface Database {
  /** Runs in one transaction that sees this tenant's rows and no others. */
  inTenant<T>(tenantId: string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** For what belongs to no tenant. */
  query(statement: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  /** True when PostgreSQL answers within a second; on a connection of its own, so that a busy pool is not mistaken for a dead server. */
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

export interface DatabaseDeps {
  readonly url: string;
  readonly metrics: Metrics;
  readonly onIdleError: (error: unknown) => void;
}

/** SQLSTATE classes and driver codes that say "not now": connection, resources, operator intervention, and what a retry settles. */
const TRANSIENT =
  /^(08|53|57P|58|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENETUNREACH)|^(40001|40P01|55P03|57014|25006)$/;
const TRANSIENT_MESSAGE =
  /timeout exceeded|Connection terminated|Query read timeout|not queryable|Cannot use a pool after/;

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** A unique index refused the row: an answer, not an error. */
export const isUniqueViolation = (error: unknown): boolean =>
  codeOf(error instanceof AppError ? error.cause : error) === '23505';

const isTransient = (error: unknown): boolean =>
  TRANSIENT.test(codeOf(error)) ||
  (error instanceof Error && TRANSIENT_MESSAGE.test(error.message)) ||
  error instanceof AggregateError;

/** Counts a driver's error and gives it its code. Our own errors pass. */
const translate = (error: unknown, { database }: Metrics): AppError => {
  if (error instanceof AppError) return error;
  if (isTransient(error)) {
    database.connectionErrors.inc();
    return new AppError('database-unavailable', { cause: error, retryAfterSeconds: 2 });
  }
  if (!isUniqueViolation(error)) database.queryErrors.inc();
  return new AppError('internal', { cause: error });
};

const UUID = /^[0-9a-f-]{36}$/;

const runInTenant = async <T>(pool: Pool, tenantId: string, work: (tx: Transaction) => Promise<T>): Promise<T> => {
  if (!UUID.test(tenantId)) throw new AppError('internal', { cause: new TypeError('tenant is no UUID') });
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    // Sent together: one round trip. The text is safe to build, since only hex and dashes passed.
    await client.query(`BEGIN; SELECT set_config('app.tenant_id', '${tenantId}', true)`);
    const result = await work({
      query: (statement, values) => client.query(statement, values === undefined ? [] : [...values]),
    });
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((cause: unknown) => {
      broken = new Error('connection left in an unknown state', { cause });
    });
    throw error;
  } finally {
    client.release(broken);
  }
};

export const createDatabase = ({ url, metrics, onIdleError }: DatabaseDeps): Database => {
  const timeouts = { statement_timeout: 5_000, query_timeout: 6_000, idle_in_transaction_session_timeout: 10_000 };
  const pool = new Pool({
    connectionString: url,
    application_name: 'latchkey-api',
    max: 20,
    min: 5,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 10_000,
    maxUses: 7_500,
    ...timeouts,
  });
  const probe = new Pool({
    connectionString: url,
    application_name: 'latchkey-probe',
    max: 1,
    connectionTimeoutMillis: 1_000,
    query_timeout: 1_000,
  });
  for (const each of [pool, probe]) each.on('error', onIdleError);

  const gauges = metrics.database;
  gauges.connectionsActive.set(0);
  const showPool = (): void => {
    gauges.connectionsActive.set(pool.totalCount - pool.idleCount);
    gauges.connectionsIdle.set(pool.idleCount);
    gauges.connectionsWaiting.set(pool.waitingCount);
  };
  for (const event of ['connect', 'acquire', 'release', 'remove'] as const) pool.on(event, showPool);

  const measured = async <T>(work: () => Promise<T>): Promise<T> => {
    const stop = gauges.queryDuration.startTimer();
    try {
      return await work();
    } catch (error) {
      throw translate(error, metrics);
    } finally {
      stop();
    }
  };

  return {
    inTenant: (tenantId, work) => measured(() => runInTenant(pool, tenantId, work)),
    query: (statement, values = []) =>
      measured(async () => (await pool.query<Record<string, unknown>>(statement, [...values])).rows),
    isReachable: () =>
      probe.query('SELECT 1').then(
        () => true,
        () => false,
      ),
    close: async () => {
      await Promise.all([pool.end(), probe.end()]);
    },
  };
};
