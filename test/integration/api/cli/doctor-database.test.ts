/** What `latchkey doctor` says of PostgreSQL and the schema: each fault is planted in a real server and found by its check alone. */
import { expect } from 'chai';
import { rollback, withOwner } from '../../../../api/src/db/migrate.ts';
import { DoctorScene, findsEach } from '../../../support/doctor-scene.ts';
import { APPLICATION_ROLE as APPLICATION } from '../../../support/postgres.ts';

describe('latchkey doctor, of the database', () => {
  const scene = new DoctorScene();
  before(() => scene.open());
  beforeEach(() => scene.renew());
  afterEach(() => scene.tidy());
  after(() => scene.close());

  findsEach(scene, [
    {
      title: 'nobody answers where the database should be',
      id: 'database',
      plant: () => ({ DATABASE_URL: `postgres://x:y@127.0.0.1:${scene.closedPort}/z` }),
      remedy: /correct host and port in DATABASE_URL; pg_isready --host 127\.0\.0\.1 --port \d+/,
    },
    {
      title: 'the database refuses the password',
      id: 'database-login',
      plant: () => ({ DATABASE_URL: scene.database.url.replace(':test@', ':wrong@') }),
      remedy: /ALTER ROLE "latchkey_test_app" LOGIN PASSWORD/,
    },
    {
      title: 'there is no such database',
      id: 'database-login',
      plant: () => ({ DATABASE_URL: scene.database.url.replace(/\/\w+$/, '/nowhere') }),
      remedy: /CREATE DATABASE "nowhere"/,
    },
    {
      title: 'transactions are read-only by default',
      id: 'database-writable',
      plant: async () => {
        await scene.sql(
          `ALTER ROLE ${APPLICATION} IN DATABASE ${scene.database.name} SET default_transaction_read_only = on`,
        );
        return {};
      },
      remedy: /RESET default_transaction_read_only/,
    },
    {
      title: 'the service is given a superuser',
      id: 'database-role',
      plant: () => ({ DATABASE_URL: scene.database.ownerUrl }),
      remedy: /ALTER ROLE "postgres" NOSUPERUSER NOBYPASSRLS, or name a role of its own in DATABASE_URL/,
    },
    {
      title: 'the role bypasses row level security',
      id: 'database-role',
      plant: async () => {
        await scene.sql(`ALTER ROLE ${APPLICATION} BYPASSRLS`);
        return {};
      },
      heal: () => scene.sql(`ALTER ROLE ${APPLICATION} NOBYPASSRLS`),
      remedy: /ALTER ROLE "latchkey_test_app" NOSUPERUSER NOBYPASSRLS/,
    },
    {
      title: 'the role owns a table',
      id: 'database-role',
      plant: async () => {
        await scene.sql(`ALTER TABLE auth.roles OWNER TO ${APPLICATION}`);
        return {};
      },
      remedy: /another role in DATABASE_URL and this one in MIGRATION_DATABASE_URL/,
    },
    {
      title: 'the role was not granted the schema',
      id: 'database-grants',
      plant: async () => {
        await scene.sql(`REVOKE latchkey_app FROM ${APPLICATION}`);
        return {};
      },
      heal: () => scene.sql(`GRANT latchkey_app TO ${APPLICATION}`),
      remedy: /^GRANT latchkey_app TO "latchkey_test_app"/,
    },
    {
      title: 'PostgreSQL has fewer connections than the pods may open',
      id: 'connections',
      plant: async () => {
        await scene.sql(`ALTER ROLE ${APPLICATION} CONNECTION LIMIT 20`);
        return {};
      },
      heal: () => scene.sql(`ALTER ROLE ${APPLICATION} CONNECTION LIMIT -1`),
      remedy: /^ALTER ROLE "latchkey_test_app" CONNECTION LIMIT 44$/,
    },
    {
      title: 'a migration is not applied',
      id: 'migrations',
      plant: async () => {
        await withOwner(scene.broken().ownerUrl, rollback);
        return {};
      },
      remedy: /^latchkey db migrate, with MIGRATION_DATABASE_URL/,
    },
    {
      title: 'a migration of another release is applied',
      id: 'migrations',
      plant: async () => {
        await scene.sql("INSERT INTO latchkey.migration (version, name, checksum) VALUES (9999, 'of_the_future', 'x')");
        return {};
      },
      remedy: /run its image, or roll back with it: latchkey db rollback --yes/,
    },
    {
      title: "a migration's file was changed after it was applied",
      id: 'migration-files',
      plant: async () => {
        await scene.sql("UPDATE latchkey.migration SET checksum = 'x' WHERE version = 27");
        return {};
      },
      remedy: /put the file back as it was released/,
    },
    {
      title: 'row level security is not forced',
      id: 'row-level-security',
      plant: async () => {
        await scene.sql('ALTER TABLE auth.user_sessions NO FORCE ROW LEVEL SECURITY');
        return {};
      },
      remedy: /^ALTER TABLE auth\.user_sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY$/,
    },
    {
      title: 'an index is missing',
      id: 'indexes',
      plant: async () => {
        await scene.sql('DROP INDEX auth.users_extended_email_idx');
        return {};
      },
      remedy: /^CREATE INDEX CONCURRENTLY users_extended_email_idx ON auth\.users_extended \(email\)$/,
    },
    {
      title: 'an index is invalid, as a failed CREATE INDEX CONCURRENTLY leaves it',
      id: 'indexes',
      plant: async () => {
        const made = await scene
          .sql('CREATE UNIQUE INDEX CONCURRENTLY broken ON auth.permissions (is_system)')
          .catch(() => 'no');
        expect(made).to.equal('no');
        return {};
      },
      remedy: /^DROP INDEX CONCURRENTLY auth\.broken; CREATE UNIQUE INDEX CONCURRENTLY broken ON auth\.permissions/,
    },
    {
      title: 'the default organization does not exist',
      id: 'default-organization',
      plant: () => ({ DEFAULT_ORGANIZATION: 'nowhere' }),
      remedy: /^DEFAULT_ORGANIZATION=default$/,
    },
  ]);
});
