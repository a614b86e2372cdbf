/**
 * Remembers what went wrong for whoever operates the service: grouped, counted, without secrets, bounded in memory and in PostgreSQL.
 * `track` is called by http/problems.ts for every refusal and only adds up; a background turn writes. Read through routes/errors.ts.
 */
import { createHash } from 'node:crypto';
import { type ErrorContext, fingerprintInput, reportOf } from '../core/error-report.ts';
import { decodeCursor, encodeCursor } from '../core/page-cursor.ts';
import { redactText } from '../core/redact.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database } from '../db/database.ts';
import { addToErrors, type ErrorFilter, type ErrorGroup, type ErrorRow, listErrors } from '../db/errors.ts';
import { AppError, PROBLEMS } from '../errors.ts';
import type { Caller } from '../http/authenticate.ts';
import type { Log } from '../log.ts';

const FLUSH_MS = 5_000;
/** A database that is away gets asked less: these errors count in the metrics that a rollout is judged by. */
const AFTER_FAILURE_MS = 30_000;
/** New groups a minute and pod; beyond, an error is counted in the metrics alone. With 90 days and hourly rows this bounds the table. */
const GROUPS_PER_MINUTE = 50;
/** Groups that wait for a database that is away. */
const MAX_WAITING = 500;
const KEEP_DAYS = 90;
const FORGET_MS = 6 * 3_600_000;
const LAST_FLUSH_MS = 1_000;

export interface ErrorTrackerDeps {
  readonly database: Pick<Database, 'inTenant' | 'query'>;
  readonly log: Log;
  readonly nowMs: () => number;
}

export interface ErrorPage {
  readonly errors: readonly ErrorRow[];
  readonly nextCursor: string | null;
}

/** Row level security wants some tenant for what belongs to none: this one has no rows. */
const NO_TENANT = '00000000-0000-0000-0000-000000000000';

export class ErrorTracker {
  readonly #deps: ErrorTrackerDeps;
  #waiting = new Map<string, ErrorGroup>();
  #minute = 0;
  #groupsThisMinute = 0;
  #forgottenMs = Number.NEGATIVE_INFINITY;

  constructor(deps: ErrorTrackerDeps) {
    this.#deps = deps;
  }

  /** Never throws, never waits. */
  track(error: AppError, context: ErrorContext): void {
    const report = reportOf({ code: error.code, ...PROBLEMS[error.code] }, error);
    if (report === undefined) return;
    const fingerprint = createHash('sha256').update(fingerprintInput(report, context)).digest('hex').slice(0, 16);
    const key = `${context.tenantId ?? ''} ${fingerprint}`;
    const nowMs = this.#deps.nowMs();
    const known = this.#waiting.get(key);
    if (known === undefined && !this.#hasRoom(nowMs)) return;
    const { tenantId, method, route, requestId, ip, userId } = context;
    const userAgent = context.userAgent === undefined ? undefined : redactText(context.userAgent).slice(0, 256);
    this.#waiting.set(key, {
      ...report,
      tenantId,
      fingerprint,
      route,
      method,
      count: (known?.count ?? 0) + 1,
      firstAtMs: known?.firstAtMs ?? nowMs,
      lastAtMs: nowMs,
      lastRequest: { requestId, ip, userAgent, userId },
    });
  }

  /** Writes what waits; what cannot be written waits on. @throws AppError `database-unavailable` */
  async flush(): Promise<void> {
    for (const [key, group] of this.#waiting) {
      this.#waiting.delete(key);
      try {
        await this.#deps.database.inTenant(group.tenantId ?? NO_TENANT, (tx) => addToErrors(tx, group));
      } catch (error) {
        // An organization that is gone refuses its row for good: only what may succeed later waits.
        if (!(error instanceof AppError && PROBLEMS[error.code].status === 503)) continue;
        this.#putBack(key, group);
        throw error;
      }
    }
    await this.#forget();
  }

  /** Newest first; that somebody read is written down. @throws AppError `invalid-request` | `database-unavailable` */
  async list(
    who: Caller,
    { limit, cursor, ...filter }: ErrorFilter & { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<ErrorPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    if (cursor !== undefined && after === undefined) {
      throw new AppError('invalid-request', { fields: [{ field: 'cursor', message: 'is not a cursor of ours' }] });
    }
    const rows = await this.#deps.database.inTenant(who.tenantId, async (tx) => {
      await appendAudit(tx, {
        tenantId: who.tenantId,
        userId: who.userId,
        eventType: 'data_read',
        action: 'errors.read',
        resource: { type: 'error_event', id: undefined },
        metadata: { severity: 'info', sessionId: who.sessionId, filter },
      });
      return listErrors(tx, filter, { after, limit: limit + 1 });
    });
    const errors = rows.slice(0, limit);
    const last = rows.length > limit ? errors.at(-1) : undefined;
    return { errors, nextCursor: last === undefined ? null : encodeCursor({ at: last.position, id: last.id }) };
  }

  /** Returns the function that stops it, which writes once more. */
  start(): () => Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let isStopped = false;
    const turn = async (): Promise<void> => {
      const waitMs = await this.flush().then(
        () => FLUSH_MS,
        (error: unknown) => {
          this.#deps.log.debug({ error }, 'errors wait to be written');
          return AFTER_FAILURE_MS;
        },
      );
      if (!isStopped) timer = setTimeout(() => void turn(), waitMs * (0.8 + Math.random() * 0.4));
    };
    timer = setTimeout(() => void turn(), FLUSH_MS);
    return async () => {
      isStopped = true;
      clearTimeout(timer);
      const given = new Promise<void>((resolve) => setTimeout(resolve, LAST_FLUSH_MS).unref());
      await Promise.race([this.flush().catch(() => undefined), given]);
    };
  }

  #hasRoom(nowMs: number): boolean {
    const minute = Math.floor(nowMs / 60_000);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#groupsThisMinute = 0;
    }
    this.#groupsThisMinute += 1;
    return this.#groupsThisMinute <= GROUPS_PER_MINUTE && this.#waiting.size < MAX_WAITING;
  }

  #putBack(key: string, group: ErrorGroup): void {
    const newer = this.#waiting.get(key);
    const count = group.count + (newer?.count ?? 0);
    this.#waiting.set(key, { ...(newer ?? group), count, firstAtMs: group.firstAtMs });
  }

  async #forget(): Promise<void> {
    if (this.#deps.nowMs() - this.#forgottenMs < FORGET_MS) return;
    this.#forgottenMs = this.#deps.nowMs();
    await this.#deps.database.query('SELECT latchkey.forget_old_errors(make_interval(days => $1))', [KEEP_DAYS]);
  }
}
