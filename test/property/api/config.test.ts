/**
 * A wrong configuration does not start: all faults at once, each by name, with what is wrong and an example, and no value of any. Settings that
 * cancel a protection are faults too.
 */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import type { z } from 'zod';
import { ConfigError, environment, readConfig } from '../../../api/src/config.ts';
import { generateKeys } from '../../../api/src/embedded/keys.ts';

/** Each run parses two keys, about 5 ms. */
const RUNS = process.env['TEST_LONG'] === '1' ? 1_000 : 60;

type Env = Readonly<Record<string, string>>;

const { databasePassword: _unused, ...KEYS } = generateKeys();
const GOOD: Env = {
  DATABASE_URL: 'postgres://latchkey:password@db.example.com:5432/latchkey',
  PUBLIC_URL: 'https://auth.example.com',
  SMTP_URL: 'smtps://user:password@smtp.example.com:465',
  ...KEYS,
};
const shape: Readonly<Record<string, z.ZodType>> = environment.shape;
const NAMES = Object.keys(shape);

const faultsOf = (env: Env): readonly string[] => {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.violations;
    throw error;
  }
};
const namesOf = (faults: readonly string[]): readonly string[] =>
  faults.map((line) => line.slice(0, line.indexOf(':')));

/** Each refused for itself, whatever else is set. */
const WRONG: Readonly<Record<string, readonly string[]>> = {
  PORT: ['x', '-1', '70000', '1.5', ''],
  DATABASE_URL: ['', 'db.example.com', 'mysql://a:b@c/d'],
  REDIS_URL: ['localhost:6379', 'http://x'],
  TRUST_PROXY: ['yes', '0.0.0.0/0', '10.0.0.0/99'],
  DEFAULT_ORGANIZATION: [''],
  EXPOSE_VERSION: ['yes', '1', ''],
  LOG_LEVEL: ['loud', ''],
  APP_ENV: ['prod', ''],
  SHUTDOWN_GRACE_SECONDS: ['0', '601', 'soon'],
  JWT_PRIVATE_KEY: ['', 'not a key', '{"kty":"EC"}'],
  JWT_VERIFICATION_KEYS: ['{}', 'x', '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'],
  JWT_ISSUER: [''],
  JWT_AUDIENCE: [''],
  REFRESH_TOKEN_KEY: ['', 'c2hvcnQ='],
  ENCRYPTION_KEY: ['', 'c2hvcnQ='],
  PASSWORD_PEPPER: ['', 'c2hvcnQ='],
  BCRYPT_COST: ['3', '16', 'twelve'],
  PASSWORD_POLICY: ['none', ''],
  SMTP_URL: ['smtp.example.com', 'http://x'],
  PUBLIC_URL: ['auth.example.com', 'ftp://x'],
  EMAIL_VERIFICATION: ['maybe', ''],
  RATE_LIMIT_PER_MINUTE: ['0', 'x'],
  RATE_LIMIT_LOGIN_PER_MINUTE: ['0', 'x'],
  AUTH_ROLLOUT_PERCENTAGE: ['101', '-1', 'half'],
  DISABLE_AUTH: ['no', ''],
  MAINTENANCE_MODE: ['no', ''],
  ALLOWED_ORIGINS: ['*', 'https://app.example.com/', 'app.example.com', 'null'],
  HTTPS_REDIRECT: ['no'],
  LOCKOUT_FAILURES: ['0', '101'],
  AUTH_UPSTREAM_ATTEMPTS: ['0', '6', ''],
  AUTH_UPSTREAM_READ_TIMEOUT_MS: ['0', '5s', ''],
  AUTH_UPSTREAM_VALIDATION_CACHE_MS: ['801', '-1'],
  AUTH_UPSTREAM_HEALTH_PATH: ['', 'health', '/a/../b', '/a?b'],
  AUTH_UPSTREAM_REPEATS_REFRESH: ['yes', ''],
};

describe('the configuration', () => {
  it('that is good has no fault', () => {
    expect(faultsOf(GOOD)).to.deep.equal([]);
  });

  it('names every variable that must be there and is not, in one message', () => {
    const required = NAMES.filter((name) => !(shape[name]?.safeParse(undefined).success ?? true));
    expect(required).to.include.members(['DATABASE_URL', 'JWT_PRIVATE_KEY', 'PASSWORD_PEPPER']);
    const faults = faultsOf({ EMAIL_VERIFICATION: 'optional' });
    expect(namesOf(faults)).to.have.members(required);
    for (const line of faults) expect(line).to.match(/^\w+: is missing.*; for example \w+=./);
  });

  it('names each fault of any combination of faults, with what is wrong and an example, and nothing else', () => {
    const fault = fc
      .constantFrom(...Object.keys(WRONG))
      .chain((name) => fc.constantFrom(...(WRONG[name] ?? [])).map((value) => [name, value] as const));
    fc.assert(
      fc.property(fc.uniqueArray(fault, { selector: ([name]) => name, minLength: 1, maxLength: 12 }), (chosen) => {
        const faults = faultsOf({ ...GOOD, ...Object.fromEntries(chosen) });
        const named = new Set(namesOf(faults));
        for (const [name] of chosen) expect([...named], `${name} is not named`).to.include(name);
        // A wrong variable may contradict others, which are then named too; a good one alone never is.
        const others = [...named].filter((name) => !chosen.some(([each]) => each === name));
        expect(
          others.every((name) => ['SMTP_URL', 'PUBLIC_URL', 'MAIL_FOLDER', 'BCRYPT_COST'].includes(name)),
        ).to.equal(true);
        for (const line of faults) expect(line).to.match(/^[A-Z_]+: .{4,}; for example .+/);
      }),
      { numRuns: RUNS },
    );
  });

  it('is read or refused, and never breaks, whatever text any variable has', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.constantFrom(
        '',
        ' ',
        'true',
        '0',
        '-1',
        '1e9',
        '{}',
        '[]',
        'null',
        '__proto__',
        'https://x',
        '${HOME}',
        'a,b',
      ),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...NAMES), text, { maxKeys: 6 }), (set) => {
        const named = namesOf(faultsOf({ ...GOOD, ...set }));
        expect(named.every((name) => NAMES.includes(name))).to.equal(true);
      }),
      { numRuns: RUNS },
    );
  });

  it('shows no value of a secret, however it is wrong', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('REFRESH_TOKEN_KEY', 'PASSWORD_PEPPER', 'ENCRYPTION_KEY', 'JWT_PRIVATE_KEY'),
        (name) => {
          const value = `!${randomBytes(9).toString('base64url')}`;
          const said = faultsOf({ ...GOOD, [name]: value, DATABASE_URL: `mysql://user:${value}@x/y` }).join('\n');
          expect(said).to.include(name).and.not.to.include(value);
        },
      ),
      { numRuns: RUNS },
    );
  });

  describe('refuses what cancels a protection out:', () => {
    const key = randomBytes(32).toString('base64');
    const CONFLICTS: readonly (readonly [title: string, set: Env, named: string])[] = [
      ['a hash that is too cheap for production', { BCRYPT_COST: '9' }, 'BCRYPT_COST'],
      ['verification that nobody can pass', { SMTP_URL: '' }, 'SMTP_URL'],
      ['mails in a folder in production', { MAIL_FOLDER: '/tmp/x', SMTP_URL: '' }, 'MAIL_FOLDER'],
      ['links that anybody on the line can read', { PUBLIC_URL: 'http://auth.example.com' }, 'PUBLIC_URL'],
      ['a redirect without anybody who may say what was HTTPS', { HTTPS_REDIRECT: 'true' }, 'TRUST_PROXY'],
      ['one key for two purposes', { REFRESH_TOKEN_KEY: key, ENCRYPTION_KEY: key }, 'ENCRYPTION_KEY'],
      ['the key of the audit trail in other use', { PASSWORD_PEPPER: key, AUDIT_KEY: key }, 'AUDIT_KEY'],
      [
        'pages over plain HTTP in production',
        { ALLOWED_ORIGINS: 'https://a.example,http://b.example' },
        'ALLOWED_ORIGINS',
      ],
      [
        'an auth service that nobody proves himself to',
        { AUTH_UPSTREAM_URL: 'https://a.example' },
        'AUTH_UPSTREAM_SERVICE_SECRET',
      ],
      ['credentials for an auth service that is not named', { AUTH_UPSTREAM_SERVICE_ID: 'proxy' }, 'AUTH_UPSTREAM_URL'],
      ['an auth service that is this one', { AUTH_UPSTREAM_URL: 'https://auth.example.com/api' }, 'AUTH_UPSTREAM_URL'],
      [
        'a login limit that the general one hides',
        { RATE_LIMIT_PER_MINUTE: '20', RATE_LIMIT_LOGIN_PER_MINUTE: '30' },
        'RATE_LIMIT_LOGIN_PER_MINUTE',
      ],
    ];
    for (const [title, set, named] of CONFLICTS) {
      it(`supabase/auth #2600: ${title}`, () => {
        const faults = faultsOf({ ...GOOD, ...set });
        expect(namesOf(faults)).to.include(named);
        for (const line of faults) expect(line).to.match(/; for example /);
        expect(faults.join('\n')).not.to.include(key);
      });
    }

    it('supabase/auth #2600: no switch of one protection moves another, in any combination', () => {
      const switches = fc.record({
        EMAIL_VERIFICATION: fc.constantFrom('required', 'optional'),
        PASSWORD_POLICY: fc.constantFrom('seed', 'nist'),
        DISABLE_AUTH: fc.constantFrom('true', 'false'),
        MAINTENANCE_MODE: fc.constantFrom('true', 'false'),
        HTTPS_REDIRECT: fc.constantFrom('true', 'false'),
        AUTH_FEATURE_FLAG_ENABLED: fc.constantFrom('true', 'false'),
        LOCKOUT_FAILURES: fc.constantFrom('3', '5'),
      });
      fc.assert(
        fc.property(switches, (set) => {
          const { config } = readConfig({ ...GOOD, TRUST_PROXY: '10.0.0.0/8', ...set });
          expect(config).to.deep.include({
            isVerificationRequired: set.EMAIL_VERIFICATION === 'required',
            passwordPolicy: set.PASSWORD_POLICY,
            isAuthDisabled: set.DISABLE_AUTH === 'true',
            isInMaintenance: set.MAINTENANCE_MODE === 'true',
            redirectsToHttps: set.HTTPS_REDIRECT === 'true',
            isFeatureEnabled: set.AUTH_FEATURE_FLAG_ENABLED === 'true',
            lockoutFailures: Number(set.LOCKOUT_FAILURES),
            bcryptCost: 12,
            loginLimitPerMinute: 30,
          });
        }),
        { numRuns: RUNS },
      );
    });
  });
});
