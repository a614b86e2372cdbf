/** `latchkey config`: every fault of an environment at once, and what two of them have in common that they must not; never a secret. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { environment } from '../../../../api/src/config.ts';
import { generateKeys } from '../../../../api/src/embedded/keys.ts';
import { runLatchkey, type Said } from '../../../support/command-line.ts';

type Env = Readonly<Record<string, string>>;

interface FindingSaid {
  readonly name: string;
  readonly verdict: string;
  readonly finding: string;
  readonly remedy: string;
}

const findingsIn = ({ out }: Said): readonly FindingSaid[] =>
  (JSON.parse(out) as { readonly findings: readonly FindingSaid[] }).findings;

const quoted = (value: string): string => (value.includes('\n') ? `"${value.trim()}"` : value);

const sound = (appEnv: string, host: string): Env => {
  const { databasePassword, ...keys } = generateKeys();
  return {
    ...keys,
    APP_ENV: appEnv,
    DATABASE_URL: `postgres://latchkey:${databasePassword}@db.${host}/latchkey?sslmode=verify-full`,
    REDIS_URL: `rediss://:${databasePassword.slice(1)}@redis.${host}`,
    SMTP_URL: `smtps://mailer:${databasePassword.slice(2)}@smtp.${host}:465`,
    PUBLIC_URL: `https://auth.${host}`,
    TRUST_PROXY: '10.0.0.0/8',
    AUTH_ROLLOUT_PERCENTAGE: appEnv === 'production' ? '5' : '100',
  };
};

describe('latchkey config', () => {
  let folder: string;
  const staging = sound('staging', 'staging.example.com');
  const production = sound('production', 'example.com');

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-config-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const keep = async (name: string, env: Env): Promise<string> => {
    const lines = Object.entries(env).map(([key, value]) => `${key}=${quoted(value)}`);
    await writeFile(join(folder, name), `# ${name}\n${lines.join('\n')}\n`);
    return join(folder, name);
  };
  const validate = async (env: Env, ...args: readonly string[]): Promise<Said> =>
    runLatchkey(['config', 'validate', await keep('x.env', env), '-o', 'json', ...args]);
  const compare = async (a: Env, b: Env): Promise<Said> =>
    runLatchkey(['config', 'compare', await keep('staging.env', a), await keep('production.env', b), '-o', 'json']);

  it('validate finds nothing in a sound environment, exit 0, from a file or from the process', async () => {
    for (const env of [staging, production]) {
      const said = await validate(env);
      expect([said.code, findingsIn(said)], said.out).to.deep.equal([0, []]);
      const process = await runLatchkey(['config', 'validate', '-o', 'json'], { env: { ...env, HOME: '/', PWD: '/' } });
      expect([process.code, findingsIn(process)], process.out).to.deep.equal([0, []]);
    }
  });

  it('validate says every violation of the service together, each with its rule and an example', async () => {
    const said = await validate({ APP_ENV: 'production' });
    const names = findingsIn(said).map(({ name }) => name);
    expect(said.code).to.equal(1);
    expect(names).to.include.members([
      'DATABASE_URL',
      'JWT_PRIVATE_KEY',
      'ENCRYPTION_KEY',
      'PASSWORD_PEPPER',
      'SMTP_URL',
    ]);
    for (const { name, finding, remedy } of findingsIn(said)) {
      expect(name, finding).to.match(/^[A-Z][A-Z_]+$/);
      expect(finding, name).to.match(/^[a-z]/);
      expect(remedy, name).not.to.equal('');
    }
  });

  for (const [title, change, name, remedy] of [
    [
      'a misspelt name',
      { RATE_LIMIT_LOGIN_PER_MINUT: '3' },
      'RATE_LIMIT_LOGIN_PER_MINUT',
      /^did you mean RATE_LIMIT_LOGIN_PER_MINUTE\?$/,
    ],
    [
      "a name of the runbook's",
      { RATE_LIMIT_MAX_REQUESTS: '100' },
      'RATE_LIMIT_MAX_REQUESTS',
      /^rename it to RATE_LIMIT_PER_MINUTE$/,
    ],
    ['a name that nothing reads', { SENTRY_DSN: 'x' }, 'SENTRY_DSN', /^leave it out$/],
    ['logging of everything in production', { LOG_LEVEL: 'debug' }, 'LOG_LEVEL', /^LOG_LEVEL=info$/],
    [
      'a rate limit above the runbook',
      { RATE_LIMIT_PER_MINUTE: '9000' },
      'RATE_LIMIT_PER_MINUTE',
      /^RATE_LIMIT_PER_MINUTE=5000$/,
    ],
    ['a switched-off feature flag', { AUTH_FEATURE_FLAG_ENABLED: 'false' }, 'AUTH_FEATURE_FLAG_ENABLED', /=true$/],
    ['a switched-off authentication', { DISABLE_AUTH: 'true' }, 'DISABLE_AUTH', /=false$/],
    ['an empty proxy trust', { TRUST_PROXY: '' }, 'TRUST_PROXY', /^TRUST_PROXY=/],
    [
      'a database without TLS',
      { DATABASE_URL: 'postgres://a:b@db.example.com/c' },
      'DATABASE_URL',
      /sslmode=verify-full/,
    ],
    ['cheap passwords', { BCRYPT_COST: '11' }, 'BCRYPT_COST', /^BCRYPT_COST=12/],
    [
      'one key for two purposes',
      { ENCRYPTION_KEY: production['PASSWORD_PEPPER'] ?? '' },
      'PASSWORD_PEPPER',
      /openssl rand/,
    ],
  ] as const) {
    it(`validate finds ${title}`, async () => {
      const said = await validate({ ...production, ...change });
      const [finding, ...others] = findingsIn(said);
      expect([said.code, finding?.name, others], said.out).to.deep.equal([1, name, []]);
      expect(finding?.remedy).to.match(remedy);
    });
  }

  it('validate holds a file against the environment that it is meant for', async () => {
    const said = await validate({ ...staging, LOG_LEVEL: 'debug' }, '--environment', 'production');
    expect(findingsIn(said).map(({ name, remedy }) => [name, remedy])).to.deep.equal([
      ['APP_ENV', 'APP_ENV=production'],
      ['LOG_LEVEL', 'LOG_LEVEL=info'],
    ]);
    expect((await validate({ ...staging, LOG_LEVEL: 'debug' })).code).to.equal(0);
    expect((await validate({ ...production, LOG_LEVEL: 'debug' }, '--fail-on', 'fail')).code).to.equal(0);
  });

  it('compare finds nothing between two sound environments', async () => {
    const said = await compare(staging, production);
    expect([said.code, findingsIn(said)], said.out).to.deep.equal([0, []]);
  });

  for (const [title, stagingChange, productionChange, name, finding] of [
    [
      'a secret that is the same',
      {},
      { ENCRYPTION_KEY: staging['ENCRYPTION_KEY'] ?? '' },
      'ENCRYPTION_KEY',
      /^is the same in both/,
    ],
    [
      'a signing key that is the same',
      {},
      { JWT_PRIVATE_KEY: staging['JWT_PRIVATE_KEY'] ?? '' },
      'JWT_PRIVATE_KEY',
      /^is the same in both/,
    ],
    [
      'an address that is the same',
      {},
      { PUBLIC_URL: `${staging['PUBLIC_URL']}/` },
      'PUBLIC_URL',
      /^is the same in both/,
    ],
    [
      'one database for both',
      { DATABASE_URL: 'postgres://a:one@db.example.com/auth?sslmode=verify-full' },
      { DATABASE_URL: 'postgres://b:other@db.example.com/auth?sslmode=verify-full' },
      'DATABASE_URL',
      /^leads to the same place/,
    ],
    [
      'one password for both databases',
      { DATABASE_URL: 'postgres://a:one@db.staging.example.com/auth?sslmode=verify-full' },
      { DATABASE_URL: 'postgres://a:one@db.example.com/auth?sslmode=verify-full' },
      'DATABASE_URL',
      /^has the same password/,
    ],
    [
      'a service that signs with one key for both',
      { SERVICE_KEYS: `billing:${Buffer.alloc(32, 1).toString('base64')}` },
      { SERVICE_KEYS: `billing:${Buffer.alloc(32, 1).toString('base64')}` },
      'SERVICE_KEYS',
      /^has the same key for billing/,
    ],
    [
      'a policy that only one tests',
      { PASSWORD_POLICY: 'nist' },
      {},
      'PASSWORD_POLICY',
      /^is nist in staging\.env and seed in production\.env/,
    ],
    [
      'a name that only one has',
      {},
      { ALLOWED_ORIGINS: 'https://a.example.com' },
      'ALLOWED_ORIGINS',
      /^is set in production\.env and not in staging\.env/,
    ],
    ['a rule that one of them breaks', {}, { LOG_LEVEL: 'loud' }, 'LOG_LEVEL', /^production\.env: /],
  ] as const) {
    it(`compare finds ${title}`, async () => {
      const said = await compare({ ...staging, ...stagingChange }, { ...production, ...productionChange });
      const found = findingsIn(said).filter((one) => one.name === name && finding.test(one.finding));
      expect([said.code, found.length], said.out).to.deep.equal([1, 1]);
      expect(new Set(findingsIn(said).map((one) => one.name))).to.deep.equal(new Set([name]));
    });
  }

  it('shows no value of a secret, equal or not, valid or not, as text or JSON', async () => {
    const broken = { ...production, ...staging, JWT_PRIVATE_KEY: 'jwt-Secret', REFRESH_TOKEN_KEY: 'c2hvcnQtU2VjcmV0' };
    const files = [await keep('a.env', staging), await keep('b.env', broken)];
    const secrets = [...Object.entries(staging), ...Object.entries(broken)]
      .filter(([name]) => /KEY|PEPPER|SECRET/.test(name))
      .flatMap(([, value]) => [value, value.split('\n')[1] ?? value]);
    const passwords = Object.values(staging).flatMap((text) => (URL.canParse(text) ? [new URL(text).password] : []));
    for (const args of [
      ['compare', ...files],
      ['validate', files[1] ?? ''],
    ]) {
      for (const format of ['text', 'json']) {
        const { out, err, code } = await runLatchkey(['config', ...args, '-o', format]);
        expect(code).to.equal(1);
        for (const secret of [...secrets, ...passwords].filter((text) => text.length > 5))
          expect(out + err).not.to.include(secret);
      }
    }
  });

  it('takes each variable that the service reads for known, and explains itself', async () => {
    const all = Object.fromEntries(Object.keys(environment.shape).map((name) => [name, 'x']));
    const unread = findingsIn(await validate(all)).filter(({ finding }) => finding.includes('read by nothing'));
    expect(unread).to.deep.equal([]);
    for (const [args, code, sentence] of [
      [['validate', join(folder, 'nowhere')], 1, 'cannot be read (ENOENT)'],
      [['compare', 'a.env'], 2, 'compare takes two files'],
      [['valdate'], 2, 'did you mean validate?'],
      [['validate', '--environment', 'prod'], 2, '--environment is one of development, staging, production'],
    ] as const) {
      const said = await runLatchkey(['config', ...args]);
      expect([said.code, said.err.includes(sentence)], said.err).to.deep.equal([code, true]);
    }
  });
});
