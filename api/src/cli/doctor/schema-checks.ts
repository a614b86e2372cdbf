/** Whether the schema is the one that this release needs, and whole. Part of the list in ../doctor.ts. */
import { z } from 'zod';
import { readMigrations } from '../../db/migrate.ts';
import { type Check, fail, faultsOr, type Outcome, ok, warn } from './check.ts';
import type { Installation } from './installation.ts';
import { EXPECTED_INDEXES, OF_NO_TENANT } from './schema.ts';

const versions = z.array(z.object({ version: z.int() }));

const appliedVersions = async ({ ask }: Installation): Promise<readonly number[]> => {
  const [found] = await ask("SELECT to_regclass('latchkey.migration')::text AS found");
  if (found?.['found'] === null) return [];
  const rows = await ask('SELECT version FROM latchkey.migration ORDER BY version');
  return versions.parse(rows).map(({ version }) => version);
};

const migrations: Check = {
  id: 'migrations',
  looksAt: 'the schema is the one of this release',
  look: async (installation) => {
    const applied = await appliedVersions(installation);
    const own = await readMigrations();
    const pending = own.filter(({ version }) => !applied.includes(version));
    const newer = applied.filter((version) => own.every((one) => one.version !== version));
    const faults: Outcome[] = [];
    if (pending.length > 0)
      faults.push(
        fail(
          `${pending.length} migrations are not applied: ${pending.map(({ version }) => version).join(', ')}`,
          'latchkey db migrate, with MIGRATION_DATABASE_URL; --dry-run rehearses it',
        ),
      );
    if (newer.length > 0)
      faults.push(
        warn(
          `migrations ${newer.join(', ')} belong to another release, which this one does not know`,
          'right while that release is rolled out; otherwise run its image, or roll back with it: latchkey db rollback --yes',
        ),
      );
    return faultsOr(faults, `${applied.length} migrations, up to ${applied.at(-1) ?? 0}`);
  },
};

const applied = z.array(z.object({ version: z.int(), checksum: z.string() }));

const files: Check = {
  id: 'migration-files',
  looksAt: 'the applied migrations are the files of this release',
  look: async ({ askOwner }) => {
    const rows = applied.parse(await askOwner('SELECT version, checksum FROM latchkey.migration'));
    const own = new Map((await readMigrations()).map(({ version, checksum }) => [version, checksum]));
    const changed = rows.filter(({ version, checksum }) => own.has(version) && own.get(version) !== checksum);
    if (changed.length === 0) return ok('every applied migration is as it is in this release');
    return fail(
      `migration ${changed.map(({ version }) => version).join(', ')} was edited after it was applied`,
      'put the file back as it was released (git checkout, or the release’s image) and add a new migration for the change; latchkey db status shows both',
    );
  },
};

const unprotected = z.array(z.object({ name: z.string() }));

const rowLevelSecurity: Check = {
  id: 'row-level-security',
  looksAt: 'every table with a tenant is protected, from its owner too',
  look: async ({ ask }) => {
    const rows = await ask(
      `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname IN ('auth', 'latchkey') AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
         AND n.nspname || '.' || c.relname <> ALL($1) ORDER BY 1`,
      [OF_NO_TENANT],
    );
    const faults = unprotected
      .parse(rows)
      .map(({ name }) =>
        fail(
          `row level security is not forced on ${name}: whoever queries it may see every organization`,
          `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
        ),
      );
    return faultsOr(faults, 'every table with a tenant is protected');
  },
};

const indexRows = z.array(z.object({ name: z.string(), is_valid: z.boolean(), definition: z.string() }));

/** A partitioned table's index cannot be made concurrently. */
const isPartitioned = (definition: string): boolean =>
  / ON (ONLY )?auth\.(audit_events|login_history) /.test(definition);

const making = (definition: string): string =>
  isPartitioned(definition) ? definition : definition.replace('INDEX', 'INDEX CONCURRENTLY');

const indexes: Check = {
  id: 'indexes',
  looksAt: 'every index is there and valid',
  look: async (installation) => {
    const newest = (await appliedVersions(installation)).at(-1) ?? 0;
    const rows = await installation.ask(
      `SELECT n.nspname || '.' || c.relname AS name, i.indisvalid AND i.indisready AS is_valid, pg_get_indexdef(c.oid) AS definition
       FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname IN ('auth', 'latchkey', 'public')`,
    );
    const found = indexRows.parse(rows);
    const invalid = found
      .filter(({ name, is_valid: isValid }) => !isValid && !name.startsWith('public.'))
      .map(({ name, definition }) =>
        fail(
          `index ${name} is not valid: it costs every write and helps no query`,
          `DROP INDEX CONCURRENTLY ${name}; ${making(definition)}`,
        ),
      );
    const missing = EXPECTED_INDEXES.filter(
      ({ name, since }) => since <= newest && found.every((one) => one.name !== name),
    ).map(({ name, definition }) => fail(`index ${name} is missing`, making(definition)));
    return faultsOr([...missing, ...invalid], `${found.length} indexes`);
  },
};

const organizations = z.array(z.object({ slug: z.string() }));

const organization: Check = {
  id: 'default-organization',
  looksAt: 'the organization for requests that name none exists',
  look: async (installation) => {
    const slug = installation.read('DEFAULT_ORGANIZATION');
    const rows = await installation.ask(
      'SELECT slug FROM public.organization WHERE slug IS NOT NULL ORDER BY slug = $1 DESC, slug LIMIT 5',
      [slug],
    );
    const found = organizations.parse(rows).map((one) => one.slug);
    if (found.includes(slug)) return ok(`organization ${slug} exists`);
    return fail(
      `no organization has the slug ${slug}: the service refuses to start`,
      `DEFAULT_ORGANIZATION=${found[0] ?? 'default'}`,
    );
  },
};

export const SCHEMA_CHECKS: readonly Check[] = [migrations, files, rowLevelSecurity, indexes, organization];
