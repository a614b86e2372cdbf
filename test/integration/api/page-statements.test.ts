/** The SQL that pages of docs/ tell people to run does what they say. What belongs to a rotation of keys is in key-rotation.test.ts. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { z } from 'zod';
import { migrate, verify, withOwner } from '../../../api/src/db/migrate.ts';
import { Api } from '../../support/api.ts';
import { blocksOf } from '../../support/page-commands.ts';
import { createEmptyDatabase, createTestDatabase } from '../../support/postgres.ts';

const lastRow = z.array(z.looseObject({ rows: z.array(z.record(z.string(), z.unknown())) })).transform((answers) => {
  return answers.at(-1)?.rows[0];
});

describe('the statements of the pages', () => {
  it('docs/migration-guide.md: a view over somebody’s own users becomes accounts, and the counts match', async () => {
    const [view = '', counts = ''] = blocksOf('docs/migration-guide.md', 'sql');
    const database = await createEmptyDatabase();
    try {
      await database.query('CREATE SCHEMA app');
      await database.query(`CREATE TABLE app.users (user_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mail text, mail_confirmed boolean,
        given_name text, family_name text, phone text, created timestamptz DEFAULT now(), changed timestamptz, is_deleted boolean)`);
      await database.query(
        `INSERT INTO app.users (mail, given_name, is_deleted) VALUES ('Ada@Example.com', 'Ada', false), ('bob@example.com', 'Bob', false), ('gone@example.com', 'Gone', true)`,
      );
      await database.query(view);
      await withOwner(database.ownerUrl, migrate);
      const failed = (await withOwner(database.ownerUrl, verify)).filter(({ isPassed }) => !isPassed);
      expect(failed).to.deep.equal([]);
      const answers: unknown = await withOwner(database.ownerUrl, (client) => client.query(counts));
      expect(lastRow.parse(answers)).to.deep.equal({ profiles: '2', accounts: '2' });
    } finally {
      await database.drop();
    }
  });

  it('docs/row-level-security.md: every policy that there is, every table without one, and no row before it is said whose', async () => {
    const page = readFileSync(new URL('../../../docs/row-level-security.md', import.meta.url), 'utf8');
    const [, policies = '', rest = ''] = /## The policies\n([\s\S]*?)\n\n(Two tables have none[^\n]*)/.exec(page) ?? [];
    const named = policies
      .split('\n')
      .flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map((m) => m[1]));
    const [block = ''] = blocksOf('docs/row-level-security.md', 'sql');
    const [, counts = ''] = block.split('\n');
    const database = await createTestDatabase();
    try {
      const found = await database.query(
        `SELECT DISTINCT policyname AS name FROM pg_policies WHERE schemaname IN ('auth', 'latchkey') ORDER BY 1`,
      );
      expect(named).to.have.members(found.map(({ name }) => name));
      const bare = await database.query(
        `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('auth', 'latchkey') AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity ORDER BY 1`,
      );
      expect([...rest.matchAll(/`(latchkey\.\w+)`/g)].map((m) => m[1])).to.deep.equal(bare.map(({ name }) => name));
      await database.query(
        "INSERT INTO auth.users_extended (org_id, email, display_name) SELECT id, 'ada@example.com', 'Ada' FROM public.organization",
      );
      // As the API's role, which row level security filters as it does the owner.
      expect((await withOwner(database.url, (client) => client.query(counts))).rows).to.deep.equal([{ count: '0' }]);
      const both: unknown = await withOwner(database.url, (client) => client.query(block));
      expect(lastRow.parse(both)).to.deep.equal({ count: '1' });
    } finally {
      await database.drop();
    }
  });

  it('docs/faq.md: a registered account becomes the first super administrator', async () => {
    const [statement = ''] = blocksOf('docs/faq.md', 'sql');
    const database = await createTestDatabase();
    const api = await Api.start({ databaseUrl: database.url });
    try {
      await api.register('ada@example.com');
      const { accessToken } = await api.login('ada@example.com');
      const users = async () => (await api.get('/api/v1/admin/users', { bearer: accessToken })).status;
      expect(await users()).to.equal(403);
      // As the API's role, which row level security filters as it does the owner.
      await withOwner(database.url, (client) => client.query(statement));
      expect(await users()).to.equal(200);
    } finally {
      await api.stop();
      await database.drop();
    }
  });
});
