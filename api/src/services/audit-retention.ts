/**
 * Lets go of what is older than the retention, so that the rest still verifies: first a signed anchor says where each chain begins from now
 * on, then the seals behind it go, then the months. Called by cli/audit.ts as the schema's owner; the application may do none of this.
 * Dying in between leaves rows that nobody needs, and a chain that verifies.
 */
import { type ChainStatement, EMPTY_HEAD, type Head } from '../core/audit-chain.ts';
import { type AuditKeys, openStatement } from '../crypto/audit-keys.ts';
import {
  countExpired,
  deleteBehind,
  hasBefore,
  insertStatement,
  lockChain,
  readSealAt,
  readStatements,
} from '../db/audit-chain.ts';
import type { Transaction } from '../db/database.ts';
import { newestAnchor } from './audit-verification.ts';

/** The first moment of the month in which the retention ends: whole months go. ISO 8601, UTC. */
export const cutoffOf = (nowMs: number, retentionDays: number): string => {
  const ends = new Date(nowMs - retentionDays * 86_400_000);
  return new Date(Date.UTC(ends.getUTCFullYear(), ends.getUTCMonth(), 1)).toISOString();
};

export interface Retained {
  readonly tenantId: string;
  /** `waits`: rows of that time are not sealed yet, or another process holds the chain; nothing was changed. */
  readonly outcome: 'anchored' | 'nothing-to-do' | 'waits';
  readonly deletedSeals: number;
}

interface Cut {
  readonly tenantId: string;
  readonly before: string;
  readonly nowMs: number;
}

const anchorOf = async (tx: Transaction, keys: AuditKeys, tenantId: string): Promise<ChainStatement | undefined> => {
  const opened = (await readStatements(tx)).flatMap(({ statement }) => openStatement(statement, keys.publicKeys) ?? []);
  return newestAnchor(opened.filter(({ tenant }) => tenant === tenantId));
};

/** Anchors this transaction's tenant at what is older than `before`, and deletes the seals behind. */
export const retainTenant = async (
  tx: Transaction,
  keys: AuditKeys,
  { tenantId, before, nowMs }: Cut,
): Promise<Retained> => {
  const nothing = (outcome: 'nothing-to-do' | 'waits'): Retained => ({ tenantId, outcome, deletedSeals: 0 });
  if (!(await lockChain(tx, tenantId))) return nothing('waits');
  const { isSealed, isPending } = await hasBefore(tx, before);
  if (isPending) return nothing('waits');
  const anchor = await anchorOf(tx, keys, tenantId);
  if (!isSealed || (anchor?.before ?? '') >= before) return nothing('nothing-to-do');
  const sequence = await countExpired(tx, before);
  const head: Head | undefined =
    (await readSealAt(tx, sequence)) ?? anchor ?? (sequence === 0 ? EMPTY_HEAD : undefined);
  if (head === undefined || head.sequence !== sequence)
    throw new Error(`seal ${sequence} is missing: verify the chain`);
  const at = new Date(nowMs).toISOString();
  const { digest, hash } = head;
  const statement = { v: 1, kind: 'anchor', tenant: tenantId, sequence, digest, hash, before, at } as const;
  await insertStatement(tx, tenantId, statement, keys.sign(statement));
  return { tenantId, outcome: 'anchored', deletedSeals: await deleteBehind(tx, sequence) };
};
