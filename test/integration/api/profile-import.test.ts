/** Accounts of an older application: every profile becomes an account or is named with the reason, again and again with the same result. */
import { expect } from 'chai';
import { migrate, rollback, verify, withOwner } from '../../../api/src/db/migrate.ts';
import { createEmptyDatabase, type TestDatabase } from '../../support/postgres.ts';

const COLUMNS =
  'id uuid PRIMARY KEY, email text, email_verified boolean, first_name text, last_name text, display_name text, avatar_url text, phone text, created_at timestamptz, updated_at timestamptz';
const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

describe('the import of profiles', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createEmptyDatabase();
  });
  afterEach(() => database.drop());

  const createProfiles = async (): Promise<void> => {
    await database.query(`CREATE TABLE public.profile (${COLUMNS})`);
    await database.query(
      `INSERT INTO public.profile (id, email, email_verified, first_name, last_name, display_name, created_at, updated_at) VALUES
        ('${id(1)}', ' Ada@Example.COM ', true, 'Ada', 'Lovelace', NULL, '2024-01-01', '2024-02-01'),
        ('${id(2)}', 'bob@example.com', NULL, 'Bob', NULL, 'Bobby', '2023-01-01', NULL),
        ('${id(3)}', 'ada@example.com', true, 'Ada', 'Again', '', '2025-01-01', '2025-01-01'),
        ('${id(4)}', NULL, false, 'Nameless', NULL, NULL, NULL, NULL),
        ('${id(5)}', 'not an address', false, NULL, NULL, NULL, now(), now()),
        ('${id(6)}', 'ｅｖｅ@example.com', false, repeat('e', 120), NULL, NULL, now(), now())`,
    );
  };
  const migrateAll = () => withOwner(database.ownerUrl, migrate);
  const failed = async (): Promise<readonly string[]> =>
    (await withOwner(database.ownerUrl, verify)).filter((c) => !c.isPassed).map((c) => `${c.name}: ${c.detail}`);
  const accounts = () =>
    database.query(
      `SELECT u.id, u.email, u.email_verified, u.display_name,
              ARRAY(SELECT r.slug FROM auth.user_roles ur JOIN auth.roles r ON r.id = ur.role_id WHERE ur.user_id = u.id ORDER BY 1) AS roles
       FROM auth.users_extended u ORDER BY u.id`,
    );
  const importAgain = () => database.query('SELECT * FROM latchkey.import_profiles()');

  it('without such a table does nothing and verifies', async () => {
    await migrateAll();
    expect(await failed()).to.deep.equal([]);
    await database.query('CREATE TABLE public.profile (id uuid PRIMARY KEY, email text)');
    expect(await importAgain(), 'a table of another shape is somebody else’s').to.deep.equal([]);
    expect(await failed()).to.deep.equal([]);
  });

  it('makes accounts of profiles under their own ids, each with the role user, the oldest a super administrator', async () => {
    await createProfiles();
    await migrateAll();
    expect(await accounts()).to.deep.equal([
      { id: id(1), email: 'ada@example.com', email_verified: true, display_name: 'Ada Lovelace', roles: ['user'] },
      {
        id: id(2),
        email: 'bob@example.com',
        email_verified: false,
        display_name: 'Bobby',
        roles: ['super_admin', 'user'],
      },
      {
        id: id(6),
        email: 'eve@example.com',
        email_verified: false,
        display_name: 'e'.repeat(120),
        roles: ['user'],
      },
    ]);
  });

  it('names every profile that it could not take over, and every value that it cut: the counts do not match silently', async () => {
    await createProfiles();
    await migrateAll();
    expect(await failed()).to.deep.equal([
      `every profile became an account: 6 profiles, 3 accounts; not taken over: ${id(3)} email-taken, ${id(4)} email-unusable, ${id(5)} email-unusable`,
      `no name was cut: ${id(6)} first_name`,
    ]);
  });

  it('is idempotent, and takes over what was corrected or added since', async () => {
    await createProfiles();
    await migrateAll();
    const before = await accounts();
    await importAgain();
    expect(await accounts()).to.deep.equal(before);
    await database.query(`UPDATE public.profile SET email = 'ada.again@example.com' WHERE id = '${id(3)}'`);
    await database.query(`UPDATE public.profile SET first_name = 'Eve' WHERE id = '${id(6)}'`);
    await database.query(`DELETE FROM public.profile WHERE id IN ('${id(4)}', '${id(5)}')`);
    await database.query(
      `INSERT INTO public.profile (id, email, created_at) VALUES ('${id(7)}', 'late@example.com', '2020-01-01')`,
    );
    expect(await importAgain()).to.deep.equal([{ outcome: 'imported', profiles: '2' }]);
    const after = await accounts();
    expect(after.map((row) => row['id'])).to.deep.equal([1, 2, 3, 6, 7].map(id));
    expect(after.filter((row) => String(row['roles']).includes('super_admin')).map((row) => row['id'])).to.deep.equal([
      id(2),
    ]);
    expect(await failed()).to.deep.equal([`no name was cut: ${id(6)} first_name`]);
  });

  it('leaves accounts alone that are there already, by id or by address', async () => {
    await migrateAll();
    const insert = (n: number, email: string) =>
      database.query(
        `INSERT INTO auth.users_extended (id, org_id, email, display_name) SELECT '${id(n)}', id, $1, 'Kept' FROM public.organization`,
        [email],
      );
    await insert(1, 'elsewhere@example.com');
    await insert(9, 'bob@example.com');
    await createProfiles();
    expect(await importAgain()).to.have.deep.members([
      { outcome: 'already-there', profiles: '1' },
      { outcome: 'email-taken', profiles: '1' },
      { outcome: 'email-unusable', profiles: '2' },
      { outcome: 'imported', profiles: '2' },
    ]);
    expect((await accounts()).filter((row) => row['display_name'] === 'Kept')).to.have.length(2);
  });

  it('rolls back the accounts that nobody has used since, keeps the others and the profiles, and goes forward again', async () => {
    await createProfiles();
    await migrateAll();
    await database.query(`UPDATE auth.users_extended SET password_hash = 'x' WHERE id = '${id(2)}'`);
    await withOwner(database.ownerUrl, async (client) => {
      let name = '';
      while (!name.startsWith('0027')) name = await rollback(client);
    });
    expect((await accounts()).map((row) => row['id'])).to.deep.equal([id(2)]);
    expect(await database.query('SELECT 1 FROM public.profile')).to.have.length(6);
    await migrateAll();
    expect((await accounts()).map((row) => row['id'])).to.deep.equal([1, 2, 6].map(id));
  });

  it('works for an owner who is no superuser', async () => {
    await createProfiles();
    const role = `importer_${database.name}`;
    await database.query(`CREATE ROLE ${role} LOGIN CREATEROLE PASSWORD 'test'`);
    await database.query(`GRANT CREATE ON DATABASE ${database.name} TO ${role}`);
    await database.query(`GRANT CREATE, USAGE ON SCHEMA public TO ${role} WITH GRANT OPTION`);
    await database.query(`ALTER TABLE public.profile OWNER TO ${role}`);
    await withOwner(database.ownerUrl.replace('//postgres:', `//${role}:`), migrate);
    expect(await accounts()).to.have.length(3);
    await database.query(`DROP OWNED BY ${role} CASCADE`);
    await database.query(`DROP ROLE ${role}`);
  });
});
