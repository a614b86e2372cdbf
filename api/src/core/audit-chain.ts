/**
 * The chain over the audit trail of one tenant, without its I/O: what is hashed, and what a walk along it finds. Called by
 * services/audit-sealing.ts, which makes it grow, and by services/audit-verification.ts. @see docs/adr/0010-audit-chain.md
 *
 * digest(n) = SHA-256(digest(n-1) ‖ row n): says what the rows say; anybody can compute it, so a signed digest proves an export offline.
 * hash(n) = HMAC(key, hash(n-1) ‖ seal n with its digest): only who has the key can write it, so the database's owner cannot.
 */
import { z } from 'zod';

export const AUDIT_SOURCES = ['audit_events', 'login_history'] as const;

export type AuditSource = (typeof AUDIT_SOURCES)[number];

/** The columns that are sealed, in this order. A column that is added later is not part of it: it needs a new form of `canonicalEvent`. */
export const SEALED_FIELDS: Readonly<Record<AuditSource, readonly string[]>> = {
  audit_events: [
    'id',
    'org_id',
    'user_id',
    'event_type',
    'action',
    'resource_type',
    'resource_id',
    'old_values',
    'new_values',
    'metadata',
    'severity',
    'created_at',
  ],
  login_history: [
    'id',
    'org_id',
    'user_id',
    'session_id',
    'success',
    'failure_reason',
    'ip_address',
    'user_agent',
    'created_at',
  ],
};

/** The text of each of SEALED_FIELDS; null is SQL's NULL. */
export type EventFields = readonly (string | null)[];

/** 32 bytes as hex. */
type Hex = string;

export const ZERO: Hex = '0'.repeat(64);

export interface Seal {
  readonly sequence: number;
  readonly source: AuditSource;
  readonly eventId: string;
  /** UTC, with microseconds. */
  readonly eventCreatedAt: string;
  readonly keyId: string;
  readonly digest: Hex;
  readonly hash: Hex;
}

/** Where a chain stands. */
export interface Head {
  readonly sequence: number;
  readonly digest: Hex;
  readonly hash: Hex;
}

export const EMPTY_HEAD: Head = { sequence: 0, digest: ZERO, hash: ZERO };

/** What the walk needs of the world. */
export interface ChainCrypto {
  readonly sha256: (text: string) => Hex;
  /** undefined: no key of this id is known. */
  readonly mac: (keyId: string, tenantId: string, text: string) => Hex | undefined;
}

/** Every value carries its length, so no two rows have one text. */
export const canonicalEvent = (source: AuditSource, fields: EventFields): string => {
  const parts = SEALED_FIELDS[source].map((name, index) => {
    const value = fields[index] ?? null;
    return value === null ? `${name}!` : `${name}=${value.length}:${value}`;
  });
  return [`${source} 1`, ...parts].join('\n');
};

/** A row that was gone before it was sealed gets a digest of its own kind: the verifier then misses the row. */
export const digestInput = (previous: Hex, source: AuditSource, fields: EventFields | undefined): string =>
  `latchkey audit digest\n${previous}\n${fields === undefined ? 'vanished' : canonicalEvent(source, fields)}`;

export const macInput = (previous: Hex, seal: Omit<Seal, 'hash'>): string =>
  [
    'latchkey audit seal',
    previous,
    seal.sequence,
    seal.source,
    seal.eventId,
    seal.eventCreatedAt,
    seal.keyId,
    seal.digest,
  ].join('\n');

/** One step of the chain: the seal, and the row as it is now (undefined: it is not there). */
export interface Link {
  readonly seal: Seal;
  readonly fields: EventFields | undefined;
}

/** A signed statement of a chain's head. An `anchor` allows the chain to begin there; rows before `before` may be gone. */
export const chainStatement = z.strictObject({
  v: z.literal(1),
  kind: z.enum(['checkpoint', 'anchor']),
  tenant: z.uuid(),
  sequence: z.int().min(0),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  before: z.string().optional(),
  at: z.string(),
});

export type ChainStatement = z.infer<typeof chainStatement>;

export type FindingKind =
  | 'edited'
  | 'removed'
  | 'inserted'
  | 'backdated'
  | 'seal-forged'
  | 'seal-missing'
  | 'rewritten'
  | 'truncated'
  | 'checkpoint-forged'
  | 'key-unknown';

/** What is wrong with a chain, and with which row. */
export interface Finding {
  readonly kind: FindingKind;
  readonly sequence?: number;
  readonly source?: AuditSource;
  readonly eventId?: string;
  readonly detail: string;
}

/** How far before the newest row of the chain a row may say that it happened: transactions end within seconds. */
const MAX_BACKDATE_MS = 10 * 60_000;

export interface Walk {
  readonly head: Head;
  readonly newestMs: number;
}

const findingOf = (kind: FindingKind, { sequence, source, eventId }: Seal, detail: string): Finding => ({
  kind,
  sequence,
  source,
  eventId,
  detail,
});

const judgeRow = (link: Link, previous: Head, crypto: ChainCrypto, expiredBeforeMs: number): readonly Finding[] => {
  const { seal, fields } = link;
  if (fields === undefined) {
    const isExpired = Date.parse(seal.eventCreatedAt) < expiredBeforeMs;
    return isExpired ? [] : [findingOf('removed', seal, 'the row is not there any more')];
  }
  const isSame = crypto.sha256(digestInput(previous.digest, seal.source, fields)) === seal.digest;
  return isSame ? [] : [findingOf('edited', seal, 'the row does not say what was sealed')];
};

const judgeSeal = (seal: Seal, previous: Head, crypto: ChainCrypto, tenantId: string): readonly Finding[] => {
  const mac = crypto.mac(seal.keyId, tenantId, macInput(previous.hash, seal));
  if (mac === undefined) return [findingOf('key-unknown', seal, `key ${seal.keyId} is not configured`)];
  return mac === seal.hash ? [] : [findingOf('seal-forged', seal, 'the seal was not made with the key')];
};

/** Takes the next link, in the order of the sequence. After a fault it goes on from what is stored, so that each fault is named once. */
export const stepAlong = (
  { head, newestMs }: Walk,
  link: Link,
  context: {
    readonly tenantId: string;
    readonly crypto: ChainCrypto;
    readonly expiredBeforeMs: number;
  },
): { readonly walk: Walk; readonly findings: readonly Finding[] } => {
  const { seal } = link;
  const atMs = Date.parse(seal.eventCreatedAt);
  const walk = { head: seal, newestMs: Math.max(newestMs, atMs) };
  if (seal.sequence !== head.sequence + 1) {
    const detail = `seals ${head.sequence + 1} to ${seal.sequence - 1} are not there any more`;
    return { walk, findings: [{ kind: 'seal-missing', sequence: head.sequence + 1, detail }] };
  }
  const isBackdated = atMs < newestMs - MAX_BACKDATE_MS;
  return {
    walk,
    findings: [
      ...judgeSeal(seal, head, context.crypto, context.tenantId),
      ...judgeRow(link, head, context.crypto, context.expiredBeforeMs),
      ...(isBackdated
        ? [findingOf('backdated', seal, 'the row says that it is older than rows that came before it')]
        : []),
    ],
  };
};

/** Holds a signed statement against the chain's head at its sequence. */
export const judgeStatement = (statement: ChainStatement, head: Head): readonly Finding[] =>
  statement.hash === head.hash && statement.digest === head.digest
    ? []
    : [
        {
          kind: 'rewritten',
          sequence: statement.sequence,
          detail: `the checkpoint of ${statement.at} saw another seal here`,
        },
      ];

/** A statement beyond the chain's end: what it saw has been cut off. */
export const judgeEnd = (statement: ChainStatement, head: Head): readonly Finding[] =>
  statement.sequence <= head.sequence
    ? []
    : [
        {
          kind: 'truncated',
          sequence: head.sequence + 1,
          detail: `the checkpoint of ${statement.at} saw ${statement.sequence} seals, the chain ends at ${head.sequence}`,
        },
      ];
