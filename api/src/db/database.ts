/**
 * The connection pool and the one way to a tenant's rows. Made by service.ts; the files beside it hold the statements.
 * A driver's error leaves here as an AppError: `database-unavailable` where trying again may help, `database-read-only`, `invalid-request`
 * where the input cannot be stored, `internal` otherwise. A server that is in trouble is left alone (../breaker.ts).
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { escapeLiteral, Pool, type PoolClient, type QueryResult } from 'pg';
import { z } from 'zod';
import { type Attempt, type Breaker, createBreaker } from '../breaker.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { currentRequest } from '../request-scope.ts';
import { connectionOf } from './connection.ts';
import { isConflict, isReadOnly, isTransient, isUniqueViolation, isUnstorable, troubleOf } from './sqlstate.ts';

/** What a statement needs: a connection inside a tenant's transaction. */
export interface Transaction {
  query(statement: string, values?: readonly unknown[]): Promise<QueryResult<Record<string, unknown>>>;
}

export interface DatabaseDeps {
  readonly url: string;
  readonly metrics: Metrics;
  readonly onIdleError: (error: unknown) => void;
}

/** Whether the service could work now: `unsafe-role` would see every tenant's rows, `no-schema` waits for the migration. */
export type DatabaseState = 'up' | 'down' | 'unsafe-role' | 'no-schema';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A connection that could not be had is tried for again, with nothing sent yet: a restart or a failover is over in that time, or it is not. */
const CONNECT_AGAIN_AFTER_MS: readonly number[] = [50, 150];

/** How often a transaction that PostgreSQL undid in favour of another (a deadlock) is begun anew before its caller is told. */
const CONFLICT_TRIES = 3;

/** Seed figures (pool 20/5, 30 s idle, 10 s to connect, 7,500 uses); every statement has a deadline on both sides. */
const POOL = {
  application_name: 'latchkey-api',
  max: 20,
  min: 5,
  idleTimeoutMillis: 30_000,
  connectionTimeoutMillis: 10_000,
  maxUses: 7_500,
  statement_timeout: 5_000,
  query_timeout: 6_000,
  idle_in_transaction_session_timeout: 10_000,
};

const PROBE = { application_name: 'latchkey-probe', max: 1, connectionTimeoutMillis: 1_000, query_timeout: 1_000 };

/** What a pod may hold at once: both pools and the feed of ended sessions (revocation-feed.ts). `latchkey doctor` holds it against max_connections. */
export const CONNECTIONS_PER_POD = POOL.max + PROBE.max + 1;

const names = new Map<string, string>();

/** A name of its own for each statement, so that PostgreSQL parses and plans it once a connection. */
const nameOf = (statement: string): string => {
  const known = names.get(statement);
  if (known !== undefined) return known;
  const name = createHash('sha256').update(statement).digest('hex').slice(0, 24);
  names.set(statement, name);
  return name;
};

export class Database {
  readonly #pool: Pool;
  readonly #probe: Pool;
  readonly #metrics: Metrics;
  readonly #breaker: Breaker;

  constructor({ url, metrics, onIdleError }: DatabaseDeps) {
    this.#metrics = metrics;
    const connection = connectionOf(url);
    this.#pool = new Pool({ ...connection, ...POOL });
    // A connection of its own: a busy pool must not be mistaken for a dead server.
    this.#probe = new Pool({ ...connection, ...PROBE });
    this.#breaker = createBreaker({ troubleOf, isBack: async () => (await this.state()) !== 'down' });
    for (const pool of [this.#pool, this.#probe]) {
      pool.on('error', onIdleError);
      // A connection that is cut while it is lent out says so on the client too; unheard, that ends the process. Its query rejects anyway.
      pool.on('connect', (client) => client.on('error', () => undefined));
    }
    metrics.database.watchPool(() => ({
      active: this.#pool.totalCount - this.#pool.idleCount,
      idle: this.#pool.idleCount,
      waiting: this.#pool.waitingCount,
    }));
    metrics.breaker.watch(() => this.#breaker.state());
  }

  /** Runs in one transaction that sees this tenant's rows and no others; `work` runs again where a deadlock undid it. @throws AppError `database-unavailable` | `database-read-only` | `invalid-request` | `internal` */
  async inTenant<T>(tenantId: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (!UUID.test(tenantId)) throw new AppError('internal', { cause: new TypeError('tenant is no UUID') });
    // The text is safe to build, since only hex and dashes passed.
    return this.#inTransaction(`SELECT set_config('app.tenant_id', '${tenantId}', true)`, work);
  }

  /** A background worker's transaction over every tenant's rows, as far as the policies that name this worker go. @throws as `inTenant` */
  asWorker<T>(worker: 'mail', work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#inTransaction(`SELECT set_config('app.worker', '${worker}', true)`, work);
  }

  /** One statement in no transaction: for what belongs to no tenant, or sets its tenant itself. @throws AppError `database-unavailable` | `internal` */
  query(statement: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
    return this.#measured(async (attempt) => {
      const client = await connect(this.#pool, undefined, attempt);
      try {
        return (await transactionOn(client).query(statement, values)).rows;
      } finally {
        client.release();
      }
    });
  }

  /** Opens what the pool keeps open anyway: the first requests then wait for no handshake. What does not open now will later. */
  async warmUp(): Promise<void> {
    await Promise.allSettled(Array.from({ length: POOL.min }, () => this.query('SELECT 1')));
  }

  /** Within a second. */
  async state(): Promise<DatabaseState> {
    try {
      const { rows } = await this.#probe.query(
        `SELECT rolsuper OR rolbypassrls AS is_unsafe, to_regclass('auth.user_sessions') IS NOT NULL AS has_schema
         FROM pg_roles WHERE rolname = current_user`,
      );
      const found = z.object({ is_unsafe: z.boolean(), has_schema: z.boolean() }).parse(rows[0]);
      return found.is_unsafe ? 'unsafe-role' : found.has_schema ? 'up' : 'no-schema';
    } catch {
      return 'down';
    }
  }

  async close(): Promise<void> {
    this.#breaker.stop();
    await Promise.all([this.#pool.end(), this.#probe.end()]);
  }

  /** `setting` says for whom, in the same round trip as the begin, and ends with the transaction. */
  #inTransaction<T>(setting: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#measured((attempt) => settled(() => inTransaction(this.#pool, { setting, attempt }, work)));
  }

  async #measured<T>(work: (attempt: Attempt) => Promise<T>): Promise<T> {
    const stop = this.#metrics.database.queryDuration.startTimer();
    try {
      return await this.#breaker.run(work);
    } catch (error) {
      throw this.#translate(error);
    } finally {
      stop();
    }
  }

  /** Counts a driver's error and gives it its code. Our own errors pass. */
  #translate(error: unknown): AppError {
    if (error instanceof AppError) return error;
    const { connectionErrors, queryErrors } = this.#metrics.database;
    if (isTransient(error)) {
      connectionErrors.inc();
      return new AppError('database-unavailable', { cause: error, retryAfterSeconds: 2 });
    }
    if (isReadOnly(error)) {
      connectionErrors.inc();
      return new AppError('database-read-only', { cause: error, retryAfterSeconds: 5 });
    }
    if (isUnstorable(error)) return new AppError('invalid-request', { cause: error });
    if (!isUniqueViolation(error)) queryErrors.inc();
    return new AppError('internal', { cause: error });
  }
}

interface Begin {
  readonly setting: string;
  readonly attempt: Attempt;
}

/** What auth.log_audit_event adds to every row of this transaction (migration 0026). PostgreSQL's jsonb takes no NUL. */
const requestSetting = (): string => {
  const request = currentRequest();
  if (request === undefined) return '';
  const text = JSON.stringify(request).replaceAll('\\u0000', '');
  return `, set_config('app.request', ${escapeLiteral(text)}, true)`;
};

/** Nothing of what a deadlock undid has happened, so it can be done again, and the one that it met is through by then. */
const settled = async <T>(transact: () => Promise<T>): Promise<T> => {
  for (let tries = 1; tries < CONFLICT_TRIES; tries += 1) {
    try {
      return await transact();
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  return transact();
};

const inTransaction = async <T>(
  pool: Pool,
  { setting, attempt }: Begin,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> => {
  const client = await connect(pool, `BEGIN; ${setting}${requestSetting()}`, attempt);
  let isBroken = false;
  try {
    const result = await work(transactionOn(client));
    throwIfAbandoned(attempt); // somebody was told that it failed, so it must
    await client.query('COMMIT');
    return result;
  } catch (error) {
    isBroken = !(await undo(client));
    throw error;
  } finally {
    client.release(isBroken);
  }
};

/** A connection on which `first`, if any, has worked: until then nothing has happened, so it may be tried again on another one. */
const connect = async (pool: Pool, first: string | undefined, attempt: Attempt): Promise<PoolClient> => {
  for (const waitMs of CONNECT_AGAIN_AFTER_MS) {
    try {
      return await connectOnce(pool, first, attempt);
    } catch (error) {
      if (troubleOf(error) !== 'away') throw error;
      await sleep(waitMs * (0.5 + Math.random()));
    }
  }
  return connectOnce(pool, first, attempt);
};

const connectOnce = async (pool: Pool, first: string | undefined, attempt: Attempt): Promise<PoolClient> => {
  throwIfAbandoned(attempt);
  const client = await pool.connect();
  try {
    throwIfAbandoned(attempt);
    if (first !== undefined) await client.query(first);
    return client;
  } catch (error) {
    client.release(!attempt.isAbandoned);
    throw error;
  }
};

const throwIfAbandoned = ({ isAbandoned }: Attempt): void => {
  if (isAbandoned) throw new Error('nobody waits for this any more');
};

const transactionOn = (client: PoolClient): Transaction => ({
  query: (text, values = []) => client.query({ name: nameOf(text), text, values: [...values] }),
});

/** False when the connection is in a state that nobody knows: the pool then throws it away. */
const undo = (client: PoolClient): Promise<boolean> =>
  client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
