/** `latchkey doctor`: a healthy installation has no finding; each planted fault is found by its check alone, with its remedy. Everything is real. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { EXPECTED_INDEXES } from '../../../../api/src/cli/doctor/schema.ts';
import { createSealedBoxes } from '../../../../api/src/crypto/sealed-box.ts';
import { createSigningKeys, readPrivateKey } from '../../../../api/src/crypto/signing-keys.ts';
import { rollback, withOwner } from '../../../../api/src/db/migrate.ts';
import { freePort } from '../../../../api/src/embedded/free-port.ts';
import { generateKeys } from '../../../../api/src/embedded/keys.ts';
import { mailContext } from '../../../../api/src/services/mail-outbox.ts';
import { TEST_KEYS } from '../../../support/api.ts';
import { AUDIT_SECRET, AuditPod, defaultTenant, writeTrail } from '../../../support/audit.ts';
import { runLatchkey, type Said } from '../../../support/command-line.ts';
import { MailServer } from '../../../support/mail-server.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres.ts';
import { TestRedis } from '../../../support/redis.ts';

const MAIN = fileURLToPath(new URL('../../../../api/src/cli/latchkey.ts', import.meta.url));
const SKEWED_CLOCK = fileURLToPath(new URL('../../../support/skewed-clock.ts', import.meta.url));
const APPLICATION = 'latchkey_test_app';
const REDIS_PASSWORD = 'redis-Secret-0815';
const OTHER_KEYS = generateKeys();

type Env = Readonly<Record<string, string>>;

interface Found {
  readonly id: string;
  readonly verdict: string;
  readonly finding: string;
  readonly remedy?: string;
}

const foundIn = ({ out }: Said): readonly Found[] => (JSON.parse(out) as { checks: readonly Found[] }).checks;
const faultsIn = (said: Said): readonly Found[] =>
  foundIn(said).filter(({ verdict }) => verdict === 'fail' || verdict === 'warn');

const MONTH = /^\d{4}-(\d{2})/;
const nextMonth = (): string => {
  const now = new Date();
  const next = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString();
  expect(next).to.match(MONTH);
  return next.slice(0, 7).replace('-', '_');
};

describe('latchkey doctor', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let redisAdmin: Redis;
  let mails: MailServer;
  let closedPort: number;

  before(async () => {
    [redis, mails, closedPort] = await Promise.all([TestRedis.start(), MailServer.start(), freePort()]);
    await redis.command((client) => client.config('SET', 'requirepass', REDIS_PASSWORD));
    redisAdmin = new Redis(redisUrl());
  });
  after(async () => {
    if (!isBroken) await database?.drop();
    redisAdmin?.disconnect();
    await mails?.stop();
    await redis?.drop();
  });
  // A database that nobody has broken serves the next test too.
  let isBroken = true;
  beforeEach(async () => {
    if (isBroken) database = await createTestDatabase();
    isBroken = false;
  });
  afterEach(async () => {
    if (isBroken) await database?.drop();
  });

  const redisUrl = (password = REDIS_PASSWORD): string => `redis://:${password}@127.0.0.1:${redis.port}`;

  const healthy = (): Env => ({
    ...TEST_KEYS,
    APP_ENV: 'staging',
    DATABASE_URL: database.url,
    MIGRATION_DATABASE_URL: database.ownerUrl,
    REDIS_URL: redisUrl(),
    SMTP_URL: mails.url,
    PUBLIC_URL: 'https://auth.example.com',
    TRUST_PROXY: '10.0.0.0/8',
  });
  const examine = (change: Env = {}, args: readonly string[] = []): Promise<Said> =>
    runLatchkey(['doctor', '-o', 'json', ...args], { env: { ...healthy(), ...change } });
  const broken = (): TestDatabase => {
    isBroken = true;
    return database;
  };
  const sql = (statement: string, values?: readonly unknown[]) => broken().query(statement, values);
  const latchkey = async (...args: readonly string[]): Promise<string> => {
    broken();
    const { code, out, err } = await runLatchkey(args, { env: healthy() });
    expect(code, err).to.equal(0);
    return out;
  };
  const waitingMail = async (key: string, ageMinutes: number): Promise<void> => {
    const id = crypto.randomUUID();
    const sealed = createSealedBoxes(Buffer.from(key, 'base64')).seal('{}', mailContext(id));
    await sql(
      `INSERT INTO latchkey.mail_outbox (id, org_id, template, recipient, sealed, next_attempt_at, created_at)
       VALUES ($1, $2, 'verification', 'somebody@example.com', $3, now(), now() - make_interval(mins => $4))`,
      [id, await defaultTenant(database), sealed, ageMinutes],
    );
  };

  it('has no finding and skips nothing on a healthy installation, exit 0', async () => {
    const said = await examine();
    expect(foundIn(said).filter(({ verdict }) => verdict !== 'ok')).to.deep.equal([]);
    expect([said.code, said.err]).to.deep.equal([0, '']);
    expect(new Set(foundIn(said).map(({ id }) => id)).size).to.be.at.least(30);
  });

  it('knows exactly the indexes of a migrated database', async () => {
    const rows = await sql(
      `SELECT n.nspname || '.' || c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('auth', 'latchkey', 'public') AND NOT c.relispartition
       AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid)`,
    );
    expect(EXPECTED_INDEXES.map(({ name }) => name)).to.have.members(rows.map(({ name }) => String(name)));
    for (const { name } of EXPECTED_INDEXES) await sql(`DROP INDEX ${name}`);
    const said = await examine({}, ['--only', 'indexes']);
    for (const { remedy } of faultsIn(said)) await sql(String(remedy));
    expect((await examine({}, ['--only', 'indexes'])).code).to.equal(0);
  });

  interface Fault {
    readonly title: string;
    readonly id: string;
    /** Breaks it; resolves with what of the environment is other than healthy. */
    readonly plant: () => Promise<Env> | Env;
    readonly remedy: RegExp;
    /** Other checks that rightly say something too. */
    readonly also?: readonly string[];
    /** Undoes what does not go with the database. */
    readonly heal?: () => Promise<unknown>;
  }

  const FAULTS: readonly Fault[] = [
    {
      title: 'nobody answers where the database should be',
      id: 'database',
      plant: () => ({ DATABASE_URL: `postgres://x:y@127.0.0.1:${closedPort}/z` }),
      remedy: /correct host and port in DATABASE_URL; pg_isready --host 127\.0\.0\.1 --port \d+/,
    },
    {
      title: 'the database refuses the password',
      id: 'database-login',
      plant: () => ({ DATABASE_URL: database.url.replace(':test@', ':wrong@') }),
      remedy: /ALTER ROLE "latchkey_test_app" LOGIN PASSWORD/,
    },
    {
      title: 'there is no such database',
      id: 'database-login',
      plant: () => ({ DATABASE_URL: database.url.replace(/\/\w+$/, '/nowhere') }),
      remedy: /CREATE DATABASE "nowhere"/,
    },
    {
      title: 'transactions are read-only by default',
      id: 'database-writable',
      plant: async () => {
        await sql(`ALTER ROLE ${APPLICATION} IN DATABASE ${database.name} SET default_transaction_read_only = on`);
        return {};
      },
      remedy: /RESET default_transaction_read_only/,
    },
    {
      title: 'the service is given a superuser',
      id: 'database-role',
      plant: () => ({ DATABASE_URL: database.ownerUrl }),
      remedy: /ALTER ROLE "postgres" NOSUPERUSER NOBYPASSRLS, or name a role of its own in DATABASE_URL/,
    },
    {
      title: 'the role bypasses row level security',
      id: 'database-role',
      plant: async () => {
        await sql(`ALTER ROLE ${APPLICATION} BYPASSRLS`);
        return {};
      },
      heal: () => sql(`ALTER ROLE ${APPLICATION} NOBYPASSRLS`),
      remedy: /ALTER ROLE "latchkey_test_app" NOSUPERUSER NOBYPASSRLS/,
    },
    {
      title: 'the role owns a table',
      id: 'database-role',
      plant: async () => {
        await sql(`ALTER TABLE auth.roles OWNER TO ${APPLICATION}`);
        return {};
      },
      remedy: /another role in DATABASE_URL and this one in MIGRATION_DATABASE_URL/,
    },
    {
      title: 'the role was not granted the schema',
      id: 'database-grants',
      plant: async () => {
        await sql(`REVOKE latchkey_app FROM ${APPLICATION}`);
        return {};
      },
      heal: () => sql(`GRANT latchkey_app TO ${APPLICATION}`),
      remedy: /^GRANT latchkey_app TO "latchkey_test_app"/,
    },
    {
      title: 'PostgreSQL has fewer connections than the pods may open',
      id: 'connections',
      plant: async () => {
        await sql(`ALTER ROLE ${APPLICATION} CONNECTION LIMIT 20`);
        return {};
      },
      heal: () => sql(`ALTER ROLE ${APPLICATION} CONNECTION LIMIT -1`),
      remedy: /^ALTER ROLE "latchkey_test_app" CONNECTION LIMIT 44$/,
    },
    {
      title: 'a migration is not applied',
      id: 'migrations',
      plant: async () => {
        await withOwner(broken().ownerUrl, rollback);
        return {};
      },
      remedy: /^latchkey db migrate, with MIGRATION_DATABASE_URL/,
    },
    {
      title: 'a migration of another release is applied',
      id: 'migrations',
      plant: async () => {
        await sql("INSERT INTO latchkey.migration (version, name, checksum) VALUES (9999, 'of_the_future', 'x')");
        return {};
      },
      remedy: /run its image, or roll back with it: latchkey db rollback --yes/,
    },
    {
      title: "a migration's file was changed after it was applied",
      id: 'migration-files',
      plant: async () => {
        await sql("UPDATE latchkey.migration SET checksum = 'x' WHERE version = 27");
        return {};
      },
      remedy: /put the file back as it was released/,
    },
    {
      title: 'row level security is not forced',
      id: 'row-level-security',
      plant: async () => {
        await sql('ALTER TABLE auth.user_sessions NO FORCE ROW LEVEL SECURITY');
        return {};
      },
      remedy: /^ALTER TABLE auth\.user_sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY$/,
    },
    {
      title: 'an index is missing',
      id: 'indexes',
      plant: async () => {
        await sql('DROP INDEX auth.users_extended_email_idx');
        return {};
      },
      remedy: /^CREATE INDEX CONCURRENTLY users_extended_email_idx ON auth\.users_extended \(email\)$/,
    },
    {
      title: 'an index is invalid, as a failed CREATE INDEX CONCURRENTLY leaves it',
      id: 'indexes',
      plant: async () => {
        const made = await sql('CREATE UNIQUE INDEX CONCURRENTLY broken ON auth.permissions (is_system)').catch(
          () => 'no',
        );
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
    {
      title: 'a trigger of the audit trail is disabled',
      id: 'audit-triggers',
      plant: async () => {
        await sql('ALTER TABLE auth.login_history DISABLE TRIGGER refuse_login_history_change');
        return {};
      },
      remedy: /^ALTER TABLE \S+ ENABLE TRIGGER refuse_login_history_change; then latchkey audit verify/,
    },
    {
      title: 'a trigger of the audit trail is gone',
      id: 'audit-triggers',
      plant: async () => {
        await sql('DROP TRIGGER refuse_truncate ON latchkey.audit_events_default');
        return {};
      },
      remedy: /as migration 0026 does, then latchkey audit verify/,
    },
    {
      title: "next month's partition of the audit trail is missing",
      id: 'audit-partitions',
      plant: async () => {
        await sql(`DROP TABLE latchkey.audit_events_${nextMonth()}`);
        return {};
      },
      remedy: /^psql "\$DATABASE_URL" -c 'SELECT latchkey\.ensure_audit_partitions\(3\)'$/,
    },
    {
      title: 'audit rows wait for their seal',
      id: 'audit-seals',
      plant: async () => {
        await writeTrail(broken(), await defaultTenant(database), 1);
        await sql("UPDATE latchkey.audit_pending SET event_created_at = now() - interval '10 minutes'");
        return {};
      },
      remedy: /auth-audit-unsealed\.md$/,
    },
    {
      title: 'the key of the audit trail was changed and the old one not kept',
      id: 'audit-keys',
      plant: async () => {
        const pod = new AuditPod(database.url);
        await writeTrail(broken(), await defaultTenant(database), 1);
        await pod.seal();
        await pod.sign();
        await pod.close();
        expect((await examine({ AUDIT_KEY: AUDIT_SECRET.toString('base64') }, ['--only', 'audit-keys'])).code).to.equal(
          0,
        );
        return { AUDIT_KEY: OTHER_KEYS.ENCRYPTION_KEY };
      },
      remedy: /AUDIT_KEYS_PREVIOUS/,
    },
    {
      title: 'the key that signs was retired and no other is there',
      id: 'signing-keys',
      plant: async () => {
        await latchkey('keys', 'retire', createSigningKeys(readPrivateKey(TEST_KEYS.JWT_PRIVATE_KEY)).keyId);
        return {};
      },
      remedy: /^latchkey keys rotate --now$/,
    },
    {
      title: 'a retired key still has its private half',
      id: 'signing-keys',
      plant: async () => {
        await latchkey('keys', 'rotate', '--now');
        await sql('UPDATE latchkey.signing_key SET retired_at = now()');
        return {};
      },
      remedy: /^latchkey keys retire [\w-]{43}$/,
    },
    {
      title: 'the signing key is old and the next one missing',
      id: 'signing-key-age',
      plant: async () => {
        await latchkey('keys', 'rotate', '--now');
        await sql("UPDATE latchkey.signing_key SET activates_at = now() - interval '91 days'");
        return {};
      },
      remedy: /^latchkey keys rotate,/,
    },
    {
      title: 'ENCRYPTION_KEY is not the one that sealed the signing key',
      id: 'signing-keys-sealed',
      plant: async () => {
        await latchkey('keys', 'rotate', '--now');
        return { ENCRYPTION_KEY: OTHER_KEYS.ENCRYPTION_KEY };
      },
      remedy: /ENCRYPTION_KEYS_PREVIOUS; if it is lost, latchkey keys rotate --now/,
    },
    {
      title: 'ENCRYPTION_KEY is not the one that sealed what waits',
      id: 'encryption-key',
      plant: async () => {
        await waitingMail(OTHER_KEYS.ENCRYPTION_KEY, 1);
        return {};
      },
      remedy: /^put the key before into ENCRYPTION_KEYS_PREVIOUS$/,
    },
    {
      title: 'nobody answers where Redis should be',
      id: 'redis',
      plant: () => ({ REDIS_URL: `redis://127.0.0.1:${closedPort}` }),
      remedy: /REDIS_URL; redis-cli -h 127\.0\.0\.1 -p \d+ ping/,
    },
    {
      title: 'Redis is not configured outside of development',
      id: 'redis',
      plant: () => ({ REDIS_URL: '' }),
      remedy: /^REDIS_URL=rediss:/,
    },
    {
      title: 'Redis refuses the password',
      id: 'redis-login',
      plant: () => ({ REDIS_URL: redisUrl('wrong') }),
      remedy: /requirepass/,
    },
    {
      title: 'Redis wants no password',
      id: 'redis-login',
      plant: async () => {
        await redisAdmin.config('SET', 'requirepass', '');
        return { REDIS_URL: redis.url };
      },
      heal: () => redisAdmin.config('SET', 'requirepass', REDIS_PASSWORD),
      remedy: /requirepass in redis\.conf/,
    },
    {
      title: 'Redis evicts whatever it likes',
      id: 'redis-eviction',
      plant: async () => {
        await redisAdmin.config('SET', 'maxmemory-policy', 'allkeys-lru');
        return {};
      },
      heal: () => redisAdmin.config('SET', 'maxmemory-policy', 'noeviction'),
      remedy: /^redis-cli CONFIG SET maxmemory-policy noeviction/,
    },
    {
      title: 'this Redis is a replica',
      id: 'redis-primary',
      plant: async () => {
        await redisAdmin.replicaof('127.0.0.1', closedPort);
        return {};
      },
      heal: () => redisAdmin.replicaof('NO', 'ONE'),
      remedy: /redis-cli REPLICAOF NO ONE/,
    },
    {
      title: 'the mail server is away',
      id: 'smtp',
      plant: () => ({ SMTP_URL: `smtp://127.0.0.1:${closedPort}` }),
      remedy: /correct host and port in SMTP_URL/,
    },
    {
      title: 'the mail server offers no STARTTLS',
      id: 'smtp',
      plant: () => ({ SMTP_URL: `${mails.url}?tls=required` }),
      remedy: /switch STARTTLS on there, or SMTP_URL=smtps:/,
    },
    {
      title: 'mails are written to a folder in production',
      id: 'mail-folder',
      plant: () => ({ APP_ENV: 'production', SMTP_URL: '', MAIL_FOLDER: '/tmp/mails', EMAIL_VERIFICATION: 'optional' }),
      also: ['configuration', 'smtp', 'email-verification'],
      remedy: /^MAIL_FOLDER= \(empty\)/,
    },
    {
      title: 'mails wait and nobody sends them',
      id: 'outbox',
      plant: async () => {
        await waitingMail(TEST_KEYS.ENCRYPTION_KEY, 60);
        return {};
      },
      remedy: /^see smtp, and that a pod runs/,
    },
    {
      title: 'no proxy is trusted behind a gateway',
      id: 'proxy-trust',
      plant: () => ({ TRUST_PROXY: '' }),
      remedy: /^TRUST_PROXY=10\.0\.0\.0\/8/,
    },
    {
      title: 'half of all addresses are trusted as a proxy',
      id: 'proxy-trust',
      plant: () => ({ TRUST_PROXY: '10.0.0.0/8,128.0.0.0/1' }),
      remedy: /^TRUST_PROXY=10\.0\.0\.0\/8/,
    },
    {
      title: 'every address is trusted as a proxy',
      id: 'proxy-trust',
      plant: () => ({ TRUST_PROXY: '0.0.0.0/0' }),
      also: ['configuration'],
      remedy: /^TRUST_PROXY=10\.0\.0\.0\/8/,
    },
    {
      title: 'the public address is plain HTTP',
      id: 'https',
      plant: () => ({ PUBLIC_URL: 'http://auth.example.com' }),
      remedy: /^PUBLIC_URL=https:/,
    },
    {
      title: 'pages of plain HTTP may call, whose cookies never come back',
      id: 'https',
      plant: () => ({ ALLOWED_ORIGINS: 'https://app.example.com,http://old.example.com' }),
      remedy: /^ALLOWED_ORIGINS=https:/,
    },
    {
      title: 'a variable is refused',
      id: 'configuration',
      plant: () => ({ RATE_LIMIT_LOGIN_PER_MINUTE: 'many' }),
      remedy: /^RATE_LIMIT_LOGIN_PER_MINUTE=30$/,
    },
    {
      title: 'password hashes are cheap',
      id: 'password-cost',
      plant: () => ({ BCRYPT_COST: '8' }),
      remedy: /^BCRYPT_COST=12/,
    },
    {
      title: 'authentication is switched off',
      id: 'modes',
      plant: () => ({ DISABLE_AUTH: 'true' }),
      remedy: /^DISABLE_AUTH=false$/,
    },
    {
      title: 'nobody says how far the rollout is',
      id: 'rollout-percentage',
      plant: () => ({ AUTH_ROLLOUT_URL: `http://127.0.0.1:${closedPort}/rollouts/auth/auth-api/percentage` }),
      remedy: /AUTH_ROLLOUT_URL=http:/,
    },
    {
      title: "PostgreSQL's clock is wrong",
      id: 'clock',
      plant: async () => {
        await sql('CREATE SCHEMA wrong; GRANT USAGE ON SCHEMA wrong TO PUBLIC');
        await sql(
          "CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '2 minutes' $$",
        );
        await sql(`ALTER ROLE ${APPLICATION} IN DATABASE ${database.name} SET search_path = wrong, pg_catalog, public`);
        return {};
      },
      remedy: /^on the machine of PostgreSQL: timedatectl set-ntp true/,
    },
  ];

  for (const { title, id, plant, remedy, also = [], heal } of FAULTS) {
    it(`finds by ${id} that ${title}, and says what to do`, async () => {
      try {
        const said = await examine(await plant());
        const faults = faultsIn(said);
        expect([...new Set(faults.map((one) => one.id))], JSON.stringify(faults)).to.have.members([id, ...also]);
        for (const fault of faults.filter((one) => one.id === id)) expect(fault.remedy).to.match(remedy);
        expect(said.code).to.equal(1);
      } finally {
        await heal?.();
      }
    });
  }

  const spawned = (args: readonly string[], env: Env): Promise<Said> =>
    new Promise((resolve) => {
      const { PATH = '' } = process.env;
      const options = { env: { PATH, ...healthy(), ...env }, timeout: 25_000 };
      execFile(process.execPath, [MAIN, ...args], options, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
      );
    });

  it('finds by clock that this machine is wrong, where PostgreSQL and Redis agree', async () => {
    const said = await spawned(['doctor', '-o', 'json', '--only', 'clock'], {
      NODE_OPTIONS: `--import=${SKEWED_CLOCK}`,
      CLOCK_SKEW_MS: '-90000',
    });
    const [fault] = faultsIn(said);
    expect([said.code, fault?.verdict]).to.deep.equal([1, 'fail']);
    expect(fault?.finding).to.match(/^the clock of this machine is (89|90|91)\.\d s behind/);
    expect(fault?.remedy).to.match(/^on this machine: timedatectl set-ntp true/);
  });

  it('finds a wrong login of the mail server, and a certificate that nobody vouches for', async () => {
    const guarded = await MailServer.start({
      authOptional: false,
      disabledCommands: ['STARTTLS'],
      onAuth: (_auth, _session, done) => done(new Error('no')),
    });
    const encrypted = await MailServer.start({ disabledCommands: ['AUTH'] });
    const only = ['--only', 'smtp'];
    const refused = await examine({ SMTP_URL: `smtp://u:smtp-Secret@127.0.0.1:${guarded.port}` }, only);
    const unknown = await examine({ SMTP_URL: encrypted.url }, only);
    await Promise.all([guarded.stop(), encrypted.stop()]);
    expect([refused.code, faultsIn(refused)[0]?.remedy]).to.deep.equal([
      1,
      'correct user and password in SMTP_URL=smtps://user:password@host:465; write a % as %25',
    ]);
    expect([unknown.code, faultsIn(unknown)[0]?.remedy]).to.satisfy(
      ([code, remedy]: [number, string]) => code === 1 && remedy.startsWith('NODE_EXTRA_CA_CERTS='),
    );
  });

  it('says it within the deadline where somebody listens and never answers', async () => {
    const sockets: { destroy(): void }[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(closedPort, '127.0.0.1', resolve));
    const place = `127.0.0.1:${closedPort}`;
    const sinceMs = performance.now();
    const said = await examine(
      { DATABASE_URL: `postgres://x:y@${place}/z`, REDIS_URL: `redis://${place}`, SMTP_URL: `smtp://${place}` },
      ['--deadline', '1', '--only', 'database,redis,smtp'],
    );
    const tookMs = performance.now() - sinceMs;
    for (const socket of sockets) socket.destroy();
    silent.close();
    expect([said.code, faultsIn(said).map(({ id }) => id)]).to.deep.equal([1, ['database', 'redis', 'smtp']]);
    expect(tookMs).to.be.below(10_000);
  });

  it('shows no secret, healthy or broken, as text or JSON', async () => {
    const secrets: Env = {
      ...OTHER_KEYS,
      AUDIT_KEY: Buffer.alloc(32, 7).toString('base64'),
      SERVICE_KEYS: `billing:${Buffer.alloc(32, 9).toString('base64')}`,
      SMTP_URL: `smtp://mailer:smtp-Secret@127.0.0.1:${mails.port}`,
    };
    const unreachable: Env = {
      ...secrets,
      DATABASE_URL: `postgres://x:pg-Secret@127.0.0.1:${closedPort}/z`,
      MIGRATION_DATABASE_URL: `postgres://x:pg-Secret@127.0.0.1:${closedPort}/z`,
      REDIS_URL: redisUrl('wrong-Secret'),
      JWT_PRIVATE_KEY: 'jwt-Secret',
      REFRESH_TOKEN_KEY: 'c2hvcnQtU2VjcmV0',
    };
    const hidden = [
      ...Object.values({ ...TEST_KEYS, ...OTHER_KEYS }),
      ...['smtp-Secret', 'pg-Secret', 'wrong-Secret', 'jwt-Secret', 'c2hvcnQtU2VjcmV0', REDIS_PASSWORD],
      ...[secrets['AUDIT_KEY'], secrets['SERVICE_KEYS']?.split(':')[1]],
    ];
    for (const env of [{}, secrets, unreachable]) {
      for (const format of ['text', 'json']) {
        const { out, err } = await runLatchkey(['doctor', '-o', format], { env: { ...healthy(), ...env } });
        for (const secret of hidden) expect(out + err).not.to.include(secret);
        expect(out).to.include('database');
      }
    }
  });

  it('draws faults first, with the remedy below, and nothing wider than the terminal', async () => {
    const { out, code } = await runLatchkey(['doctor', '--only', 'proxy-trust,https,modes'], {
      env: { ...healthy(), TRUST_PROXY: '' },
      columns: 80,
    });
    expect(out).to.equal(
      [
        'WARN  proxy-trust  TRUST_PROXY is empty: behind a gateway every client has its',
        '                   address, and all share one budget',
        '      → do         TRUST_PROXY=10.0.0.0/8, or narrower: the addresses that the',
        '                   gateway’s pods have',
        'ok    https        PUBLIC_URL and every allowed origin are HTTPS',
        'ok    modes        neither maintenance nor auth-disabled',
        '',
        '3 checks: 0 fail, 1 warn, 0 skipped, 2 ok',
        '',
      ].join('\n'),
    );
    expect(code).to.equal(1);
  });

  it('refuses what it does not understand with 2, and names the check that was meant', async () => {
    for (const [args, sentence] of [
      [['--only', 'databse'], 'doctor: there is no check databse; did you mean database?'],
      [['--pods', '0'], 'doctor: --pods is a whole number from 1 to 10000'],
      [['--fail-on', 'never'], 'doctor: --fail-on is warn or fail'],
      [['-o', 'yaml'], 'doctor: --output is text or json'],
      [['--colour'], "doctor: Unknown option '--colour'"],
    ] as const) {
      const { code, out, err } = await runLatchkey(['doctor', ...args], { env: {} });
      expect([code, out], err).to.deep.equal([2, '']);
      expect(err).to.include(sentence).and.to.include('See latchkey doctor --help');
    }
  });

  it('takes warnings for no findings where it is told to', async () => {
    expect((await examine({ TRUST_PROXY: '' }, ['--fail-on', 'fail'])).code).to.equal(0);
    expect((await examine({ TRUST_PROXY: '0.0.0.0/0' }, ['--fail-on', 'fail'])).code).to.equal(1);
  });
});
