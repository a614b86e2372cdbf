/**
 * Makes the audit chain grow: takes what the insert triggers queued, seals it, and signs the chain's length now and then. Started by
 * service.ts; statements in db/audit-chain.ts, decisions in core/audit-chain.ts. Never in the way of a request.
 *
 * Several pods do this at once. A tenant's chain is under one advisory lock, and a seal is written in the transaction that takes its event
 * from the queue: no fork, and a crash in between loses nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { digestInput, type Head, macInput, type Seal } from '../core/audit-chain.ts';
import { type AuditKeys, sha256 } from '../crypto/audit-keys.ts';
import {
  insertSeals,
  insertStatement,
  lockChain,
  type PendingEvent,
  readHead,
  takePending,
} from '../db/audit-chain.ts';
import type { Database, Transaction } from '../db/database.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';

/** How long an event waits for its seal when nothing else is to do. */
const EVERY_MS = 1_000;
/** A database that is away gets asked less: these errors count in the metrics that a rollout is judged by. */
const AFTER_FAILURE_MS = 30_000;
const BATCH = 500;
/** Checkpoints and figures are looked after less often than seals. */
const CHECKPOINT_ROUND_MS = 5_000;
const PARTITION_ROUND_MS = 24 * 3_600_000;
const MONTHS_AHEAD = 3;
/** A database that is away must not hold up the end of the process. */
const LAST_ROUND_MS = 2_000;

export interface AuditSealingDeps {
  readonly database: Pick<Database, 'inTenant' | 'query'>;
  readonly keys: AuditKeys;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly auditCheckpointMs: number;
}

const organizations = z.array(z.object({ org_id: z.uuid() }));
const totals = z.object({
  sealed: z.coerce.number(),
  waiting: z.coerce.number(),
  oldest_waiting_seconds: z.number().nullable(),
});

/** The seals of these events, behind `head`. */
const sealEvents = (
  keys: AuditKeys,
  tenantId: string,
  head: Head,
  events: readonly PendingEvent[],
): readonly Seal[] => {
  const seals: Seal[] = [];
  let previous = head;
  for (const { source, eventId, eventCreatedAt, fields } of events) {
    const digest = sha256(digestInput(previous.digest, source, fields));
    const bare = { sequence: previous.sequence + 1, source, eventId, eventCreatedAt, keyId: keys.keyId, digest };
    const hash = keys.mac(keys.keyId, tenantId, macInput(previous.hash, bare));
    if (hash === undefined) throw new TypeError('the current audit key is not in its own keyring');
    const seal = { ...bare, hash };
    seals.push(seal);
    previous = seal;
  }
  return seals;
};

/** Seals the oldest of one tenant's queue. 0: nothing was there, or another pod is at it. */
export const sealTenant = (
  { database, keys, log }: Pick<AuditSealingDeps, 'database' | 'keys' | 'log'>,
  tenantId: string,
): Promise<number> =>
  database.inTenant(tenantId, async (tx) => {
    if (!(await lockChain(tx, tenantId))) return 0;
    const head = await readHead(tx);
    const events = await takePending(tx, BATCH);
    if (events.length === 0) return 0;
    const vanished = events.filter(({ fields }) => fields === undefined);
    for (const { eventId } of vanished) log.error({ tenantId, eventId }, 'an audit row was gone before it was sealed');
    await insertSeals(tx, tenantId, sealEvents(keys, tenantId, head, events));
    return events.length;
  });

/** Signs where the chain of this transaction's tenant stands: a JWS. undefined: the chain is empty. */
export const signHead = async (
  tx: Transaction,
  keys: AuditKeys,
  { tenantId, nowMs }: { readonly tenantId: string; readonly nowMs: number },
): Promise<string | undefined> => {
  const head = await readHead(tx);
  if (head.sequence === 0) return undefined;
  const at = new Date(nowMs).toISOString();
  const statement = { v: 1, kind: 'checkpoint', tenant: tenantId, ...head, at } as const;
  const jws = keys.sign(statement);
  await insertStatement(tx, tenantId, statement, jws);
  return jws;
};

/** Seals until every queue is empty. */
export const sealAll = async (deps: AuditSealingDeps): Promise<void> => {
  for (;;) {
    let sealed = 0;
    for (const { org_id: tenantId } of organizations.parse(
      await deps.database.query('SELECT org_id FROM latchkey.audit_backlog()'),
    )) {
      sealed += await sealTenant(deps, tenantId);
    }
    if (sealed === 0) return;
  }
};

/** Signs every chain that grew since a checkpoint older than `auditCheckpointMs`; the log keeps a copy that the database's owner cannot reach. */
export const signAll = async (deps: AuditSealingDeps): Promise<void> => {
  const { database, keys, log, metrics, auditCheckpointMs } = deps;
  const due = await database.query('SELECT org_id FROM latchkey.audit_unsigned(make_interval(secs => $1))', [
    auditCheckpointMs / 1000,
  ]);
  for (const { org_id: tenantId } of organizations.parse(due)) {
    const checkpoint = await database.inTenant(tenantId, (tx) => signHead(tx, keys, { tenantId, nowMs: Date.now() }));
    if (checkpoint === undefined) continue;
    metrics.audit.checkpoints.inc();
    log.info({ tenantId, checkpoint }, 'audit checkpoint');
  }
};

const showTotals = async ({ database, metrics }: AuditSealingDeps): Promise<void> => {
  const [row] = await database.query('SELECT sealed, waiting, oldest_waiting_seconds FROM latchkey.audit_totals()');
  const { sealed, waiting, oldest_waiting_seconds: oldest } = totals.parse(row);
  metrics.audit.chainLength.set(sealed);
  metrics.audit.pending.set(waiting);
  metrics.audit.oldestPendingSeconds.set(oldest ?? 0);
};

const addPartitions = async ({ database, log }: AuditSealingDeps): Promise<void> => {
  const [row] = await database.query('SELECT latchkey.ensure_audit_partitions($1) AS made', [MONTHS_AHEAD]);
  log.debug({ made: row?.['made'] }, 'audit partitions');
};

/** Runs `work` now and then until stopped; a failure is logged and tried again at the next turn. */
const repeat = (work: () => Promise<void>, everyMs: number, log: Log): (() => Promise<void>) => {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let running: Promise<void> = Promise.resolve();
  const turn = async (): Promise<void> => {
    const waitMs = await work().then(
      () => everyMs,
      (error: unknown) => {
        log.warn({ error }, 'the audit chain waits');
        return Math.max(everyMs, AFTER_FAILURE_MS);
      },
    );
    if (!isStopped) timer = setTimeout(begin, waitMs * (0.8 + Math.random() * 0.4));
  };
  const begin = (): void => {
    running = turn();
  };
  timer = setTimeout(begin, everyMs * Math.random());
  return async () => {
    isStopped = true;
    clearTimeout(timer);
    await running;
  };
};

interface Round {
  readonly work: () => Promise<void>;
  readonly everyMs: number;
}

/** What is done now and then, each by itself: what cannot be done must keep nothing else from being done. */
export const auditRounds = (deps: AuditSealingDeps): readonly Round[] => [
  { work: () => sealAll(deps), everyMs: EVERY_MS },
  { work: () => signAll(deps), everyMs: CHECKPOINT_ROUND_MS },
  // Where nothing can be signed, as a rule nothing is sealed either, and then these figures are what somebody has to see.
  { work: () => showTotals(deps), everyMs: CHECKPOINT_ROUND_MS },
  { work: () => addPartitions(deps), everyMs: PARTITION_ROUND_MS },
];

/** Returns the function that stops it, which seals once more: what this pod's last requests wrote need not wait for another pod. */
export const startAuditSealing = (deps: AuditSealingDeps): (() => Promise<void>) => {
  const stops = auditRounds(deps).map(({ work, everyMs }) => repeat(work, everyMs, deps.log));
  const finish = async (): Promise<void> => {
    await Promise.all(stops.map((stop) => stop()));
    await sealAll(deps).catch((error: unknown) => deps.log.warn({ error }, 'the last audit rows wait for another pod'));
  };
  return () => Promise.race([finish(), sleep(LAST_ROUND_MS, undefined, { ref: false })]);
};
