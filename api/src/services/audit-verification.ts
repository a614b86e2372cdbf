/**
 * Walks along a tenant's audit chain and says everything that is wrong with it. Called by cli/audit.ts and the tests; decisions in
 * core/audit-chain.ts. Needs the configured key; an export is verified with the public key alone (services/audit-export.ts).
 */
import {
  type ChainStatement,
  EMPTY_HEAD,
  type Finding,
  type Head,
  judgeEnd,
  judgeStatement,
  stepAlong,
  type Walk,
} from '../core/audit-chain.ts';
import { type AuditKeys, openStatement, sha256 } from '../crypto/audit-keys.ts';
import { countPending, findStrays, readLinks, readStatements } from '../db/audit-chain.ts';
import type { Transaction } from '../db/database.ts';

const PAGE = 2_000;
/** A broken chain can have a fault a row; a report of more says no more. */
const MAX_FINDINGS = 1_000;

export interface ChainReport {
  readonly tenantId: string;
  /** Seals that were looked at. */
  readonly seals: number;
  readonly head: Head;
  /** Rows that wait for their seal: not covered yet. */
  readonly pending: number;
  readonly checkpoints: number;
  readonly findings: readonly Finding[];
}

interface Statements {
  readonly anchor: ChainStatement | undefined;
  readonly checkpoints: readonly ChainStatement[];
  readonly findings: readonly Finding[];
}

/** Where the chain begins now: the farthest anchor, and of several at one place the one that lets go of most. */
export const newestAnchor = (statements: readonly ChainStatement[]): ChainStatement | undefined =>
  statements
    .filter(({ kind }) => kind === 'anchor')
    .toSorted((a, b) => a.sequence - b.sequence || (a.before ?? '').localeCompare(b.before ?? ''))
    .at(-1);

const statementsOf = async (
  tx: Transaction,
  keys: AuditKeys,
  { tenantId, outside }: { readonly tenantId: string; readonly outside: readonly ChainStatement[] },
): Promise<Statements> => {
  const stored = await readStatements(tx);
  const findings: Finding[] = [];
  const opened = stored.flatMap(({ kind, sequence, statement }) => {
    const read = openStatement(statement, keys.publicKeys);
    if (read !== undefined && read.tenant === tenantId && read.kind === kind && read.sequence === sequence)
      return [read];
    const detail = `a stored ${kind} is not signed with a known key, or was moved`;
    findings.push({ kind: 'checkpoint-forged', sequence, detail });
    return [];
  });
  const all = [...opened, ...outside.filter(({ tenant }) => tenant === tenantId)];
  return {
    anchor: newestAnchor(all),
    checkpoints: all.filter(({ kind }) => kind === 'checkpoint').toSorted((a, b) => a.sequence - b.sequence),
    findings,
  };
};

const startOf = (anchor: ChainStatement | undefined): Walk => ({
  head: anchor ?? EMPTY_HEAD,
  newestMs: Number.NEGATIVE_INFINITY,
});

const walkAlong = async (
  tx: Transaction,
  context: Parameters<typeof stepAlong>[2] & { readonly statements: Statements },
): Promise<{ readonly head: Head; readonly seals: number; readonly findings: readonly Finding[] }> => {
  const { anchor, checkpoints } = context.statements;
  const findings: Finding[] = [];
  let waiting = checkpoints.filter(({ sequence }) => sequence > (anchor?.sequence ?? 0));
  let walk = startOf(anchor);
  let seals = 0;
  for (;;) {
    const links = await readLinks(tx, walk.head.sequence, PAGE);
    for (const link of links) {
      const step = stepAlong(walk, link, context);
      walk = step.walk;
      findings.push(...step.findings);
      for (; waiting[0]?.sequence === walk.head.sequence; waiting = waiting.slice(1)) {
        findings.push(...judgeStatement(waiting[0], walk.head));
      }
      waiting = waiting.filter(({ sequence }) => sequence > walk.head.sequence);
    }
    seals += links.length;
    if (links.length < PAGE || findings.length > MAX_FINDINGS) break;
  }
  const end = waiting.at(-1); // the farthest one says all
  return { head: walk.head, seals, findings: [...findings, ...(end === undefined ? [] : judgeEnd(end, walk.head))] };
};

/** Reads everything in the transaction it is given, which should see one snapshot. `outside`: checkpoints that were kept elsewhere. */
export const verifyChain = async (
  tx: Transaction,
  keys: AuditKeys,
  { tenantId, outside = [] }: { readonly tenantId: string; readonly outside?: readonly ChainStatement[] },
): Promise<ChainReport> => {
  const statements = await statementsOf(tx, keys, { tenantId, outside });
  const before = statements.anchor?.before;
  const expiredBeforeMs = before === undefined ? Number.NEGATIVE_INFINITY : Date.parse(before);
  const chain = await walkAlong(tx, {
    tenantId,
    crypto: { sha256, mac: (...about) => keys.mac(...about) },
    expiredBeforeMs,
    statements,
  });
  const strays = await findStrays(tx, before ?? '-infinity');
  const inserted = strays.map(
    ({ source, id }): Finding => ({
      kind: 'inserted',
      source,
      eventId: id,
      detail: 'the row was never sealed, and no queue holds it',
    }),
  );
  return {
    tenantId,
    seals: chain.seals,
    head: chain.head,
    pending: await countPending(tx),
    checkpoints: statements.checkpoints.length,
    findings: [...statements.findings, ...chain.findings, ...inserted].slice(0, MAX_FINDINGS),
  };
};
