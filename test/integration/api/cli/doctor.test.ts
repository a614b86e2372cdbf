/** `latchkey doctor`: a healthy installation has no finding; it is done in time, shows no secret, and draws what it found. The faults are beside this. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { EXPECTED_INDEXES } from '../../../../api/src/cli/doctor/schema.ts';
import { TEST_KEYS } from '../../../support/api.ts';
import { runLatchkey, type Said } from '../../../support/command-line.ts';
import { DoctorScene, type Env, faultsIn, foundIn, OTHER_KEYS, REDIS_PASSWORD } from '../../../support/doctor-scene.ts';
import { MailServer } from '../../../support/mail-server.ts';

const MAIN = fileURLToPath(new URL('../../../../api/src/cli/latchkey.ts', import.meta.url));
const SKEWED_CLOCK = fileURLToPath(new URL('../../../support/skewed-clock.ts', import.meta.url));

describe('latchkey doctor', () => {
  const scene = new DoctorScene();
  before(() => scene.open());
  beforeEach(() => scene.renew());
  afterEach(() => scene.tidy());
  after(() => scene.close());

  const examine = (change: Env = {}, args: readonly string[] = []): Promise<Said> => scene.examine(change, args);

  it('has no finding and skips nothing on a healthy installation, exit 0', async () => {
    const said = await examine();
    expect(foundIn(said).filter(({ verdict }) => verdict !== 'ok')).to.deep.equal([]);
    expect([said.code, said.err]).to.deep.equal([0, '']);
    expect(new Set(foundIn(said).map(({ id }) => id)).size).to.be.at.least(30);
  });

  it('says skipped and why of what it cannot look at, never ok', async () => {
    const away: Env = { DATABASE_URL: `postgres://x:y@127.0.0.1:${scene.closedPort}/z`, MIGRATION_DATABASE_URL: '' };
    const found = foundIn(await examine({ ...away, REDIS_URL: `redis://127.0.0.1:${scene.closedPort}` }));
    const skipped = found.filter(({ verdict }) => verdict === 'skipped');
    expect(skipped.map(({ id }) => id)).to.include.members([
      'migrations',
      'migration-files',
      'indexes',
      'audit-triggers',
    ]);
    expect(skipped.map(({ id }) => id)).to.include.members(['signing-keys', 'redis-eviction', 'outbox', 'clock']);
    for (const { finding } of skipped) expect(finding).not.to.equal('');
    expect(found.filter(({ verdict }) => verdict === 'ok').map(({ id }) => id)).not.to.include.members([
      'database-role',
    ]);
  });

  it('knows exactly the indexes of a migrated database', async () => {
    const rows = await scene.sql(
      `SELECT n.nspname || '.' || c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('auth', 'latchkey', 'public') AND NOT c.relispartition
       AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid)`,
    );
    expect(EXPECTED_INDEXES.map(({ name }) => name)).to.have.members(rows.map(({ name }) => String(name)));
    for (const { name } of EXPECTED_INDEXES) await scene.sql(`DROP INDEX ${name}`);
    const said = await examine({}, ['--only', 'indexes']);
    for (const { remedy } of faultsIn(said)) await scene.sql(String(remedy));
    expect((await examine({}, ['--only', 'indexes'])).code).to.equal(0);
  });

  const spawned = (args: readonly string[], env: Env): Promise<Said> =>
    new Promise((resolve) => {
      const { PATH = '' } = process.env;
      const options = { env: { PATH, ...scene.healthy(), ...env }, timeout: 25_000 };
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
    await new Promise<void>((resolve) => silent.listen(scene.closedPort, '127.0.0.1', resolve));
    const place = `127.0.0.1:${scene.closedPort}`;
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
      SMTP_URL: `smtp://mailer:smtp-Secret@127.0.0.1:${scene.mails.port}`,
    };
    const unreachable: Env = {
      ...secrets,
      DATABASE_URL: `postgres://x:pg-Secret@127.0.0.1:${scene.closedPort}/z`,
      MIGRATION_DATABASE_URL: `postgres://x:pg-Secret@127.0.0.1:${scene.closedPort}/z`,
      REDIS_URL: scene.redisUrl('wrong-Secret'),
      JWT_PRIVATE_KEY: 'jwt-Secret',
      REFRESH_TOKEN_KEY: 'c2hvcnQtU2VjcmV0',
    };
    const hidden = [
      ...Object.values({ ...TEST_KEYS, ...OTHER_KEYS }),
      'smtp-Secret',
      'pg-Secret',
      'wrong-Secret',
      'jwt-Secret',
      'c2hvcnQtU2VjcmV0',
      REDIS_PASSWORD,
      secrets['AUDIT_KEY'],
      secrets['SERVICE_KEYS']?.split(':')[1],
    ];
    for (const env of [{}, secrets, unreachable]) {
      for (const format of ['text', 'json']) {
        const { out, err } = await runLatchkey(['doctor', '-o', format], { env: { ...scene.healthy(), ...env } });
        for (const secret of hidden) expect(out + err).not.to.include(secret);
        expect(out).to.include('database');
      }
    }
  });

  it('draws faults first, with the remedy below, and nothing wider than the terminal', async () => {
    const { out, code } = await runLatchkey(['doctor', '--only', 'proxy-trust,https,modes'], {
      env: { ...scene.healthy(), TRUST_PROXY: '' },
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
