/**
 * What is wrong with this installation, part by part. Called by routes/diagnostics.ts. A diagnosis never fails: what cannot be asked is said to
 * be unavailable. The words are for everybody, the figures for whoever may read the system's configuration.
 */
import type { Gauge } from 'prom-client';
import type { ConfigDiagnosis } from '../config/diagnosis.ts';
import type { HashQueue } from '../crypto/hash-queue.ts';
import type { KeyRing } from '../crypto/signing-keys.ts';
import type { Database, DatabaseState } from '../db/database.ts';
import { inspectDatabase } from '../db/diagnostics.ts';
import { readMigrations } from '../db/migrate.ts';
import type { Caller } from '../http/authenticate.ts';
import type { ModeSource } from '../http/mode-gate.ts';
import type { Metrics } from '../metrics.ts';
import type { LoginProxy } from '../upstream/proxy.ts';

export type PartStatus = 'ok' | 'degraded' | 'unavailable';

export interface Diagnosis {
  readonly status: PartStatus;
  readonly detail: Readonly<Record<string, unknown>>;
}

export const DIAGNOSED = ['database', 'auth', 'config', 'upstream'] as const;
export type Diagnosed = (typeof DIAGNOSED)[number];

export interface DiagnosticsDeps {
  readonly database: Database;
  readonly metrics: Metrics;
  readonly queue: HashQueue;
  readonly keyRing: KeyRing;
  readonly modes: ModeSource;
  readonly isRedisReady: (() => boolean) | undefined;
  readonly diagnosis: ConfigDiagnosis;
  readonly appEnv: string;
  readonly loginProxy: Pick<LoginProxy, 'diagnose'> | undefined;
  readonly hasPermission: (who: Caller, permission: string) => Promise<boolean>;
}

const PERMISSION = 'system_config:read';
/** Anybody may ask, so PostgreSQL is asked once a second at most. */
const FRESH_MS = 1_000;
const SLOW_MS = 500;
/** Seals come within seconds; much older ones mean that no pod seals. */
const SEAL_LATE_SECONDS = 300;

const valueOf = async (gauge: Gauge): Promise<number> => (await gauge.get()).values[0]?.value ?? 0;

const worst = (all: readonly PartStatus[]): PartStatus =>
  all.includes('unavailable') ? 'unavailable' : all.includes('degraded') ? 'degraded' : 'ok';

export class Diagnostics {
  readonly #deps: DiagnosticsDeps;
  #database: Promise<Diagnosis> | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: DiagnosticsDeps) {
    this.#deps = deps;
  }

  /** Whether the caller may see more than a word. False too while nobody can be asked. */
  async maySeeDetail(identify: () => Promise<Caller>): Promise<boolean> {
    try {
      return await this.#deps.hasPermission(await identify(), PERMISSION);
    } catch {
      return false; // no session, a bad one, or no database: a word is what is left
    }
  }

  part(name: Diagnosed): Promise<Diagnosis> {
    switch (name) {
      case 'database':
        return this.#freshDatabase();
      case 'auth':
        return this.#auth();
      case 'config':
        return Promise.resolve(this.#config());
      case 'upstream':
        return Promise.resolve(this.#deps.loginProxy?.diagnose() ?? { status: 'ok', detail: { isConfigured: false } });
    }
  }

  async overall(): Promise<Diagnosis> {
    const parts = await Promise.all(DIAGNOSED.map(async (name) => [name, (await this.part(name)).status] as const));
    return {
      status: worst(parts.map(([, status]) => status)),
      detail: { parts: Object.fromEntries(parts), uptimeSeconds: Math.round(process.uptime()) },
    };
  }

  #freshDatabase(): Promise<Diagnosis> {
    const nowMs = performance.now();
    if (this.#database === undefined || nowMs - this.#askedMs > FRESH_MS) {
      this.#askedMs = nowMs;
      this.#database = this.#askDatabase();
    }
    return this.#database;
  }

  async #askDatabase(): Promise<Diagnosis> {
    const { database, metrics } = this.#deps;
    const startedMs = performance.now();
    const state: DatabaseState = await database.state(); // by a connection of its own, and uncounted
    const latencyMs = Math.round(performance.now() - startedMs);
    const [active, idle, waiting] = await Promise.all([
      valueOf(metrics.database.connectionsActive),
      valueOf(metrics.database.connectionsIdle),
      valueOf(metrics.database.connectionsWaiting),
    ]);
    const known = { state, latencyMs, pool: { active, idle, waiting } };
    if (state !== 'up') return { status: 'unavailable', detail: known };
    const inspected = await inspectDatabase(database).catch(() => undefined);
    if (inspected === undefined) return { status: 'degraded', detail: known };
    const expectedSchema = (await readMigrations()).at(-1)?.version ?? 0;
    const isBehind = (inspected.schemaVersion ?? 0) < expectedSchema;
    const isDegraded = inspected.isReadOnly || isBehind || inspected.unprotectedTables > 0 || latencyMs > SLOW_MS;
    return { status: isDegraded ? 'degraded' : 'ok', detail: { ...known, ...inspected, expectedSchema } };
  }

  async #auth(): Promise<Diagnosis> {
    const { metrics, queue, keyRing, modes, isRedisReady } = this.#deps;
    const { status: database } = await this.#freshDatabase();
    const hasRedis = isRedisReady?.();
    const oldestSealSeconds = await valueOf(metrics.audit.oldestPendingSeconds);
    const { keyId, algorithm } = keyRing.signingKey();
    const { isAuthDisabled, isInMaintenance } = modes.current();
    const isDegraded = hasRedis === false || oldestSealSeconds > SEAL_LATE_SECONDS || isAuthDisabled || isInMaintenance;
    return {
      status: worst([database === 'unavailable' ? 'unavailable' : 'ok', isDegraded ? 'degraded' : 'ok']),
      detail: {
        modes: { isAuthDisabled, isInMaintenance },
        signing: { keyId, algorithm },
        hashing: queue.state(),
        redis: hasRedis === undefined ? 'unused' : hasRedis ? 'up' : 'down',
        activeSessions: await valueOf(metrics.auth.activeSessions),
        mailsWaiting: await valueOf(metrics.mail.waiting),
        audit: {
          sealed: await valueOf(metrics.audit.chainLength),
          waiting: await valueOf(metrics.audit.pending),
          oldestWaitingSeconds: oldestSealSeconds,
        },
      },
    };
  }

  #config(): Diagnosis {
    const { diagnosis, appEnv } = this.#deps;
    const isDegraded = appEnv !== 'development' && diagnosis.weaknesses.length > 0;
    return { status: isDegraded ? 'degraded' : 'ok', detail: { ...diagnosis } };
  }
}
