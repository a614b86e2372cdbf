/**
 * `latchkey audit verify|checkpoint|retain|export|keys`: the audit chain's commands, for auditors, timers and the chart's jobs.
 * Exit codes: 0 done and nothing found, 1 something was found or it failed, 2 wrong usage. docs/api/audit.md shows examples.
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Client } from 'pg';
import { z } from 'zod';
import { auditVariables, readAuditKeys } from '../config/audit.ts';
import { tokenVariables } from '../config/tokens.ts';
import type { ChainStatement, Finding } from '../core/audit-chain.ts';
import { type AuditKeys, createAuditKeys, openStatement, readAuditJwks, toJwks } from '../crypto/audit-keys.ts';
import { asTenant } from '../db/command-client.ts';
import { withOwner } from '../db/migrate.ts';
import { exportChain, verifyExport } from '../services/audit-export.ts';
import { cutoffOf, type Retained, retainTenant } from '../services/audit-retention.ts';
import { signHead } from '../services/audit-sealing.ts';
import { type ChainReport, verifyChain } from '../services/audit-verification.ts';
import { type Answer, command, runAlone, UsageError, verbOf } from './command.ts';
import type { Terminal } from './terminal.ts';

const HELP = `Usage: latchkey audit <command> [options]

Commands
  verify       walk along every chain: names rows that were edited, removed, inserted or cut off
  checkpoint   sign how long each chain is, and print the signed statements: keep them outside of the database
  retain       anchor the chains and drop the months past the retention; needs the schema's owner
  export       print one organization's chain as JSON lines that the public key alone verifies; needs --tenant
  keys         print the public keys (JWKS)

Options
  --tenant <id or slug>   one organization instead of all
  --checkpoints <file>    verify: compare with checkpoints that were kept (lines of JWS, or of the service's log)
  --export <file>         verify: check an export; needs --public-key, and neither database nor secrets
  --public-key <file>     verify: the JWKS that \`keys\` printed
  --days <n>              retain: keep at least so many days, 365 (default) or more
  --dry-run               retain: only say what would go
  -o, --output            text (default) or json
  -h, --help              this text

Environment
  DATABASE_URL                                 verify, checkpoint, export: the API's role is enough
  MIGRATION_DATABASE_URL                       retain: the schema's owner (falls back to DATABASE_URL)
  ENCRYPTION_KEY, ENCRYPTION_KEYS_PREVIOUS,
  AUDIT_KEY, AUDIT_KEYS_PREVIOUS               as the service has them

Exit codes: 0 nothing found, 1 something found or failed, 2 wrong usage
`;

const VERBS = ['verify', 'checkpoint', 'retain', 'export', 'keys'] as const;

type Env = Readonly<NodeJS.ProcessEnv>;

interface Options {
  readonly env: Env;
  readonly tenant?: string | undefined;
  readonly checkpoints?: string | undefined;
  readonly export?: string | undefined;
  readonly 'public-key'?: string | undefined;
  readonly days: string;
  readonly 'dry-run': boolean;
}

const keyVariables = z.object({
  ...auditVariables,
  ENCRYPTION_KEY: tokenVariables.ENCRYPTION_KEY,
  ENCRYPTION_KEYS_PREVIOUS: tokenVariables.ENCRYPTION_KEYS_PREVIOUS,
});

const readKeys = (env: Env): AuditKeys => {
  const parsed = keyVariables.safeParse(env);
  if (parsed.success) return createAuditKeys(readAuditKeys(parsed.data));
  throw new UsageError(parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`).join('; '));
};

const withDatabase = (env: Env, work: (client: Client) => Promise<Answer>, asOwner = false): Promise<Answer> => {
  const { DATABASE_URL: application, MIGRATION_DATABASE_URL: owner } = env;
  const url = asOwner ? (owner ?? application) : (application ?? owner);
  if (url === undefined) throw new UsageError(`set ${asOwner ? 'MIGRATION_DATABASE_URL' : 'DATABASE_URL'}`);
  return withOwner(url, work);
};

const organizations = z.array(z.object({ id: z.uuid(), slug: z.string().nullable() }));

const tenantsOf = async (client: Client, wanted: string | undefined): Promise<readonly string[]> => {
  const { rows } = await client.query('SELECT id, slug FROM public.organization ORDER BY created_at, id');
  const all = organizations
    .parse(rows)
    .filter(({ id, slug }) => wanted === undefined || wanted === id || wanted === slug);
  if (all.length === 0) throw new UsageError(`there is no organization ${wanted ?? ''}`);
  return all.map(({ id }) => id);
};

/** A line may be a JWS, or a line of the service's log with one in it. */
const statementIn = (text: string, keys: AuditKeys['publicKeys']): ChainStatement | undefined => {
  const found = /[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}/.exec(text);
  return found === null ? undefined : openStatement(found[0], keys);
};

const readKept = async (
  file: string | undefined,
  keys: AuditKeys['publicKeys'],
): Promise<readonly ChainStatement[]> => {
  if (file === undefined) return [];
  const lines = (await readFile(file, 'utf8')).split('\n').filter((text) => text.trim() !== '');
  const kept = lines.flatMap((text) => statementIn(text, keys) ?? []);
  if (kept.length === 0) throw new UsageError(`${file} has no checkpoint that a known key signed`);
  return kept;
};

const sayFinding = ({ kind, sequence, source, eventId, detail }: Finding): string =>
  `  ${kind.padEnd(17)} ${sequence === undefined ? '' : `seal ${sequence} `}${source === undefined ? '' : `${source} ${eventId ?? ''}`}: ${detail}`;

const sayReport = ({ tenantId, seals, pending, checkpoints, findings }: ChainReport): string =>
  [
    `${findings.length === 0 ? 'ok  ' : 'FAIL'}  ${tenantId}  ${seals} seals, ${checkpoints} checkpoints, ${pending} rows not sealed yet`,
    ...findings.map(sayFinding),
  ].join('\n');

const verifyFile = async (options: Options, file: string): Promise<Answer> => {
  if (options['public-key'] === undefined) throw new UsageError('--export needs --public-key');
  const keys = readAuditJwks(await readFile(options['public-key'], 'utf8'));
  const kept = await readKept(options.checkpoints, keys);
  const report = await verifyExport(createInterface({ input: createReadStream(file) }), keys, kept);
  const isGood = report.findings.length === 0;
  const text = [`${isGood ? 'ok  ' : 'FAIL'}  ${file}  ${report.rows} rows`, ...report.findings.map(sayFinding)].join(
    '\n',
  );
  return { data: report, text, isGood };
};

const runVerify = (options: Options): Promise<Answer> => {
  if (options.export !== undefined) return verifyFile(options, options.export);
  const keys = readKeys(options.env);
  return withDatabase(options.env, async (client) => {
    const outside = await readKept(options.checkpoints, keys.publicKeys);
    const reports: ChainReport[] = [];
    for (const tenantId of await tenantsOf(client, options.tenant)) {
      reports.push(
        await asTenant(client, { tenantId, mode: 'snapshot' }, (tx) => verifyChain(tx, keys, { tenantId, outside })),
      );
    }
    return {
      data: reports,
      text: reports.map(sayReport).join('\n'),
      isGood: reports.every(({ findings }) => findings.length === 0),
    };
  });
};

const runCheckpoint = (options: Options): Promise<Answer> => {
  const keys = readKeys(options.env);
  return withDatabase(options.env, async (client) => {
    const statements: string[] = [];
    for (const tenantId of await tenantsOf(client, options.tenant)) {
      const about = { tenantId, nowMs: Date.now() };
      const jws = await asTenant(client, { tenantId, mode: 'write' }, (tx) => signHead(tx, keys, about));
      if (jws !== undefined) statements.push(jws);
    }
    return { data: statements, text: statements.join('\n'), isGood: true };
  });
};

const sayRetained = ({ tenantId, outcome, deletedSeals }: Retained): string =>
  `${tenantId}  ${outcome}  ${deletedSeals} seals deleted`;

const runRetain = (options: Options): Promise<Answer> => {
  const days = Number(options.days);
  if (!Number.isInteger(days) || days < 365) throw new UsageError('--days is a whole number of at least 365');
  const keys = readKeys(options.env);
  const before = cutoffOf(Date.now(), days);
  if (options['dry-run']) {
    return Promise.resolve({ data: { before }, text: `would drop whole months before ${before}`, isGood: true });
  }
  return withDatabase(
    options.env,
    async (client) => {
      const retained: Retained[] = [];
      for (const tenantId of await tenantsOf(client, undefined)) {
        const cut = { tenantId, before, nowMs: Date.now() };
        retained.push(await asTenant(client, { tenantId, mode: 'write' }, (tx) => retainTenant(tx, keys, cut)));
      }
      const isGood = retained.every(({ outcome }) => outcome !== 'waits');
      const drop = 'SELECT * FROM latchkey.drop_audit_partitions($1) AS name';
      const dropped = isGood ? (await client.query<{ name: string }>(drop, [before])).rows.map(({ name }) => name) : [];
      await client.query('SELECT latchkey.ensure_audit_partitions(3)');
      const text = [...retained.map(sayRetained), `dropped ${dropped.join(', ') || 'no month'}`].join('\n');
      return { data: { before, retained, dropped }, text, isGood };
    },
    true,
  );
};

/** Straight to standard output: a chain can be longer than the memory. */
const runExport = (options: Options, terminal: Terminal): Promise<Answer> => {
  if (options.tenant === undefined) throw new UsageError('export needs --tenant');
  const keys = readKeys(options.env);
  return withDatabase(options.env, async (client) => {
    const [tenantId = ''] = await tenantsOf(client, options.tenant);
    const about = { tenantId, nowMs: Date.now() };
    await asTenant(client, { tenantId, mode: 'snapshot' }, (tx) =>
      exportChain(tx, keys, about, (text) => terminal.write(text)),
    );
    return { data: undefined, text: '', isGood: true };
  });
};

const runKeys = async (options: Options): Promise<Answer> => {
  const jwks = toJwks(readKeys(options.env).publicKeys);
  return { data: jwks, text: JSON.stringify(jwks), isGood: true };
};

const run = (verb: (typeof VERBS)[number], options: Options, terminal: Terminal): Promise<Answer> => {
  switch (verb) {
    case 'verify':
      return runVerify(options);
    case 'checkpoint':
      return runCheckpoint(options);
    case 'retain':
      return runRetain(options);
    case 'export':
      return runExport(options, terminal);
    case 'keys':
      return runKeys(options);
  }
};

export const audit = command({
  name: 'audit',
  help: HELP,
  verbs: VERBS,
  options: {
    tenant: { type: 'string' },
    checkpoints: { type: 'string' },
    export: { type: 'string' },
    'public-key': { type: 'string' },
    days: { type: 'string', default: '365' },
    'dry-run': { type: 'boolean', default: false },
  },
  work: async ({ operands, values, terminal }) =>
    run(verbOf(VERBS, operands[0]), { ...values, env: terminal.env }, terminal),
});

if (import.meta.main) await runAlone(audit);
