/** Backup and restore: an empty system gets everything back, a changed file gets nothing in, and nobody reads one without the private key. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { generateBackupKeys } from '../../../api/src/backup/archive-keys.ts';
import { Api, TEST_KEYS, type Tokens } from '../../support/api.ts';
import { contentsOf, flipped, guardsOf, runBackup, runDrill, runRestore } from '../../support/backup.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';
import { Clock, codeNow, enrol, finish, mfaTokenFor } from '../../support/totp.ts';

const DAY_MS = 24 * 3_600_000;

describe('backup and restore', function () {
  this.timeout(60_000);
  const clock = new Clock();
  let folder: string;
  let source: TestDatabase;
  let redis: TestRedis;
  let email: string;
  let tokens: Tokens;
  let enrolled: Awaited<ReturnType<typeof enrol>>;
  let file: string;
  const targets: TestDatabase[] = [];

  before(async () => {
    [folder, source, redis] = await Promise.all([
      mkdtemp(join(tmpdir(), 'latchkey-backup-')),
      createTestDatabase(),
      TestRedis.start(),
    ]);
    const api = await Api.start({ databaseUrl: source.url, redisUrl: redis.url, nowMs: clock.read });
    email = await api.register("o'brien+x@example.com");
    tokens = await api.login(email);
    enrolled = await enrol(api, clock);
    const name = { firstName: 'Zoë "Q" \\n 名', lastName: 'line\nbreak' };
    await source.query('UPDATE auth.users_extended SET first_name = $1, last_name = $2 WHERE email = $3', [
      ...Object.values(name),
      email,
    ]);
    await source.query(
      `INSERT INTO auth.system_config (org_id, key, value) VALUES (NULL, 'odd', '{"big": 12345678901234567890, "none": null}'), (NULL, 'none', 'null')`,
    );
    // More than one chunk of what does not compress, so that a damaged end is met when rows are in already.
    await source.query(
      `INSERT INTO latchkey.error_event (fingerprint, hour, category, code, message, first_at, last_at)
       SELECT left(md5(i::text), 16), now(), 'internal', 'x', (SELECT string_agg(md5(random()::text || i || j), '') FROM generate_series(1, 25) j), now(), now()
       FROM generate_series(1, 600) i`,
    );
    await api.stop(); // it seals audit events in the background, and the tests compare every row
    const made = await runBackup(['create', folder, '--tag', 'first'], sourceEnv());
    expect(made.code, made.err).to.equal(0);
    file = join(folder, (await readdir(folder))[0] ?? '');
  });
  after(async () => {
    await redis?.drop();
    await Promise.all([source, ...targets].map((database) => database?.drop()));
    await rm(folder, { recursive: true, force: true });
  });

  const sourceEnv = () => ({
    MIGRATION_DATABASE_URL: source.ownerUrl,
    DATABASE_URL: source.url,
    REDIS_URL: redis.url,
    ...TEST_KEYS,
  });
  const emptyTarget = async (): Promise<TestDatabase> => {
    const database = await createEmptyDatabase();
    targets.push(database);
    return database;
  };
  const envOf = (target: TestDatabase) => ({ MIGRATION_DATABASE_URL: target.ownerUrl, DATABASE_URL: target.url });

  it('a restore into an empty system has every table as it was, guarded as it was, and users go on where they were', async () => {
    const target = await emptyTarget();
    const envFile = join(folder, 'restored.env');
    const before = await contentsOf(source);
    const restored = await runRestore([file, '--exact', '--env-file', envFile], envOf(target));
    expect(restored.code, restored.err).to.equal(0);
    expect(await contentsOf(target)).to.deep.equal(before);
    expect(await guardsOf(target)).to.deep.equal(await guardsOf(source));

    const {
      DATABASE_URL: _old,
      MIGRATION_DATABASE_URL: _owner,
      REDIS_URL: _redis,
      ...env
    } = parseEnv(await readFile(envFile, 'utf8'));
    const again = await Api.start({ databaseUrl: target.url, env: env as Record<string, string>, nowMs: clock.read });
    try {
      expect((await again.login(email)).accessToken).to.be.a('string');
      expect((await again.refresh(tokens.refreshToken)).status).to.equal(200);
      const mfaToken = await mfaTokenFor(again, enrolled.email);
      clock.advance(60_000);
      expect((await finish(again, { mfaToken, code: codeNow(enrolled.secret, clock.nowMs) })).status).to.equal(200);
    } finally {
      await again.stop();
    }
  });

  it('without --exact whatever may have ended since has ended: sessions, links and waiting mails', async () => {
    const target = await emptyTarget();
    const restored = await runRestore([folder, '-o', 'json'], envOf(target));
    expect(restored.code, restored.err).to.equal(0);
    expect(JSON.parse(restored.out)).to.have.property('endedSessions').that.is.at.least(2);
    const left = await target.query(
      `SELECT (SELECT count(*) FROM auth.user_sessions WHERE status = 'active') AS sessions, (SELECT count(*) FROM latchkey.one_time_token) AS links,
         (SELECT count(*) FROM latchkey.mail_outbox WHERE sent_at IS NULL AND given_up_at IS NULL) AS mails`,
    );
    expect(left).to.deep.equal([{ sessions: '0', links: '0', mails: '0' }]);
    const again = await Api.start({ databaseUrl: target.url, nowMs: clock.read });
    try {
      expect((await again.refresh(tokens.refreshToken)).status).to.equal(401);
      expect((await again.login(email)).accessToken).to.be.a('string');
    } finally {
      await again.stop();
    }
  });

  it('a database that has accounts is refused, and with --replace has the backup instead of them', async () => {
    const target = await createTestDatabase();
    targets.push(target);
    const other = await Api.start({ databaseUrl: target.url });
    await other.register('somebody-else@example.com');
    await other.stop();
    const before = await contentsOf(target);
    const refused = await runRestore([file, '--exact'], envOf(target));
    expect([refused.code, refused.err]).to.deep.equal([
      1,
      'restore: the database has 1 accounts: restore into an empty one, or say --replace to delete them\n',
    ]);
    expect(await contentsOf(target)).to.deep.equal(before);
    const replaced = await runRestore([file, '--exact', '--replace'], envOf(target));
    expect(replaced.code, replaced.err).to.equal(0);
    expect(await contentsOf(target)).to.deep.equal(await contentsOf(source));
  });

  it('a file that was cut or changed anywhere is refused, and the database has no row of it', async () => {
    const whole = await readFile(file);
    const damaged = join(folder, 'damaged.bin');
    const target = await emptyTarget();
    const changes: readonly (readonly [string, Buffer])[] = [
      ['cut in the middle', whole.subarray(0, whole.length >> 1)],
      ['cut by a byte', whole.subarray(0, -1)],
      ['with more behind it', Buffer.concat([whole, Buffer.from('more')])],
      ['with a byte changed', flipped(whole, whole.length - 100)],
      ['with another header', flipped(whole, whole.indexOf('"schemaVersion":') + '"schemaVersion":'.length)],
      ['that is none', Buffer.from('something else')],
    ];
    for (const [name, bytes] of changes) {
      await writeFile(damaged, bytes);
      const result = await runRestore([damaged], envOf(target));
      expect([name, result.code]).to.deep.equal([name, 1]);
      expect(result.err, name).to.match(
        /^restore: (chunk \d+ of the backup|the backup (ends|has)|this file is not a backup)/,
      );
    }
    expect(await target.query('SELECT count(*)::int AS users FROM auth.users_extended')).to.deep.equal([{ users: 0 }]);
    const restored = await runRestore([file], envOf(target));
    expect(restored.code, restored.err).to.equal(0);
  });

  it('only the private key reads it: no table, no secret and no address stands in the file, and another key is told which it would need', async () => {
    const text = (await readFile(file)).toString('latin1');
    for (const secret of [email, TEST_KEYS.PASSWORD_PEPPER, TEST_KEYS.ENCRYPTION_KEY, 'users_extended', source.url]) {
      expect(text.includes(secret), 'a secret in the file').to.equal(false);
    }
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
    const other = await runBackup(['verify', file], { BACKUP_PRIVATE_KEY: generateBackupKeys().privateKey });
    expect(other.code).to.equal(1);
    expect(other.err).to.match(
      /^backup: the backup was made for key [0-9a-f]{8}, and BACKUP_PRIVATE_KEY is [0-9a-f]{8}\n$/,
    );
  });

  it('verify reads all of it, list needs no key, and a dry run of either command changes nothing', async () => {
    const verified = await runBackup(['verify', folder, '-o', 'json'], {});
    expect(verified.code, verified.err).to.equal(0);
    const data = JSON.parse(verified.out) as {
      readonly tables: Record<string, { rows: number }>;
      readonly variables: readonly string[];
    };
    expect(data.tables['auth.users_extended']?.rows).to.equal(2);
    expect(data.variables).to.include('ENCRYPTION_KEY').and.not.include('BACKUP_PRIVATE_KEY');
    const listed = await runBackup(['list', folder], { BACKUP_PRIVATE_KEY: undefined });
    expect(listed.out).to.match(/^\S+Z {2}schema \d+ {2}key [0-9a-f]{8} +\d+ bytes {2}\S+-first\.lkb\n$/);

    const target = await emptyTarget();
    const rehearsed = await runRestore([file, '--dry-run'], envOf(target));
    expect([rehearsed.code, rehearsed.out]).to.satisfy(
      ([code, out]: [number, string]) => code === 0 && out.startsWith('would restore '),
    );
    expect(await target.query("SELECT to_regclass('auth.users_extended') AS found")).to.deep.equal([{ found: null }]);
    const files = await readdir(folder);
    expect((await runBackup(['create', folder, '--dry-run'], sourceEnv())).out).to.match(
      /^would write \d+ bytes: \d+ rows of \d+ tables/,
    );
    expect(await readdir(folder)).to.deep.equal(files);
  });

  it('a backup taken while people register is of one moment', async () => {
    const api = await Api.start({ databaseUrl: source.url });
    const registering = Promise.all(Array.from({ length: 5 }, () => api.newSession()));
    const piped = await runBackup(['create', '-'], sourceEnv());
    expect(piped.code, piped.err).to.equal(0);
    await registering;
    await api.stop();
    const busy = join(folder, 'busy.bin');
    await writeFile(busy, piped.bytes);
    const target = await emptyTarget();
    const restored = await runRestore([busy, '--exact'], envOf(target));
    expect(restored.code, restored.err).to.equal(0);
  });

  it("by an owner who is no superuser holds every tenant's rows", async () => {
    await source.query(
      `DO $$ BEGIN CREATE ROLE backup_taker LOGIN PASSWORD 'test'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    );
    const taker = { MIGRATION_DATABASE_URL: source.ownerUrl.replace('//postgres:', '//backup_taker:') };
    const refused = await runBackup(['create', folder, '--dry-run'], taker);
    expect([refused.code, refused.err]).to.satisfy(
      ([code, err]: [number, string]) => code === 1 && err.includes('GRANT latchkey_backup'),
    );
    await source.query('GRANT latchkey_backup TO backup_taker');
    const counted = await runBackup(['create', folder, '--dry-run', '-o', 'json'], taker);
    expect(counted.code, counted.err).to.equal(0);
    const { tables } = JSON.parse(counted.out) as { readonly tables: Record<string, { rows: number }> };
    const [users] = await source.query('SELECT count(*)::int AS count FROM auth.users_extended');
    expect(tables['auth.users_extended']?.rows).to.equal(users?.['count']);
    await source.query('REVOKE latchkey_backup FROM backup_taker');
    await source.query('DROP ROLE backup_taker');
  });

  it('keeps thirty days of them, never deletes the newest, and leaves no part of one that failed', async () => {
    const kept = await mkdtemp(join(folder, 'kept-'));
    const start = Date.parse('2026-03-01T00:00:00Z');
    for (const day of [0, 1, 31]) {
      const made = await runBackup(
        ['create', kept, '--without-environment'],
        { ...sourceEnv(), REDIS_URL: '' },
        () => start + day * DAY_MS,
      );
      expect(made.code, made.err).to.equal(0);
    }
    expect(await readdir(kept)).to.deep.equal(['latchkey-20260302T000000Z.lkb', 'latchkey-20260401T000000Z.lkb']);
    const failed = await runBackup(
      ['create', kept],
      { ...sourceEnv(), REDIS_URL: 'redis://127.0.0.1:1' },
      () => start + 90 * DAY_MS,
    );
    expect(failed.code).to.equal(1);
    expect(await readdir(kept)).to.have.length(2);
    await runBackup(
      ['create', kept, '--without-environment'],
      { ...sourceEnv(), REDIS_URL: '' },
      () => start + 90 * DAY_MS,
    );
    expect(await readdir(kept)).to.deep.equal(['latchkey-20260530T000000Z.lkb']);
  });

  it('a drill restores it beside everything else, says how long that takes, and leaves no database behind', async () => {
    const databases = () => source.query("SELECT datname FROM pg_database WHERE datname LIKE 'latchkey_drill%'");
    const drilled = await runDrill([folder, '-o', 'json'], sourceEnv());
    expect(drilled.code, drilled.err).to.equal(0);
    expect(JSON.parse(drilled.out)).to.deep.include({ failed: [] }).and.to.have.property('tookMs').above(0);
    expect(await databases()).to.deep.equal([]);
    const damaged = join(folder, 'latchkey-29990101T000000Z.lkb');
    await writeFile(damaged, (await readFile(file)).subarray(0, -1));
    const failed = await runDrill([folder], sourceEnv());
    expect([failed.code, failed.err]).to.satisfy(
      ([code, err]: [number, string]) => code === 1 && err.includes('cut off'),
    );
    expect(await databases()).to.deep.equal([]);
    await rm(damaged);
  });

  it('counters of Redis come back, and what was remembered of sessions does not', async () => {
    const commands = new Redis(redis.url);
    try {
      await commands.set('latchkey:limit:test:somebody', '7', 'PX', 600_000);
      await commands.set('latchkey:session:gone', 'live', 'PX', 600_000);
      const piped = await runBackup(['create', '-'], sourceEnv());
      const busy = join(folder, 'redis.bin');
      await writeFile(busy, piped.bytes);
      await commands.flushall();
      const target = await emptyTarget();
      const restored = await runRestore([busy], { ...envOf(target), REDIS_URL: redis.url });
      expect(restored.code, restored.err).to.equal(0);
      expect(await commands.get('latchkey:limit:test:somebody')).to.equal('7');
      expect(await commands.pttl('latchkey:limit:test:somebody')).to.be.within(1, 600_000);
      expect(await commands.get('latchkey:session:gone')).to.equal(null);
    } finally {
      commands.disconnect();
    }
  });
});
