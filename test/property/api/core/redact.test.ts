/** The net below everything that is written: no secret passes, whatever it is wrapped in. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { redact, redactText } from '../../../../api/src/core/redact.ts';
import { createLog } from '../../../../api/src/log.ts';

const JWT = 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ';
const REFRESH = `lkr1.${'a'.repeat(22)}.${'b'.repeat(22)}.tabc.1.${'c'.repeat(43)}`;
const BCRYPT = '$2b$12$abcdefghijklmnopqrstuuK5jO9l1lVvS5U6p7i8j9k0l1m2n3o4p';
const URL_SECRET = 'hunter2-in-the-url';

/** Each as it may stand in a text, and what must not come out of it. */
const TEXTS: readonly (readonly [string, string])[] = [
  [`connect to postgres://latchkey:${URL_SECRET}@db.example.com:5432/x failed`, URL_SECRET],
  [`redis://:${URL_SECRET}@10.0.0.1:6379`, URL_SECRET],
  [`smtps://user%40example.com:${URL_SECRET}@smtp.example.com`, URL_SECRET],
  [`authorization: Bearer ${JWT}`, 'eyJzdWIiOiIxIn0'],
  [`token ${JWT} is not valid`, 'c2lnbmF0dXJl'],
  ['Basic dXNlcjpwYXNzd29yZA==', 'dXNlcjpwYXNzd29yZA'],
  [`refresh with ${REFRESH}`, 'c'.repeat(43)],
  [`link https://x.example/verify?t=lko1.${'d'.repeat(22)}.${'e'.repeat(43)}`, 'e'.repeat(43)],
  [`stored ${BCRYPT}`, 'abcdefghijklmnopqrst'],
  ['-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----', 'MIGHAgEAMBMG'],
  ['-----BEGIN EC PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49', 'MIGHAgEAMBMG'],
  ['duplicate key: Key (email)=(jane.doe@example.com) already exists', 'jane.doe@example.com'],
  ['no such user: <Jane.Doe+x@mail.example.co.za>', 'Jane.Doe'],
  ['password=correct-horse&x=1', 'correct-horse'],
  ['{"password":"correct horse battery","a":1}', 'correct horse battery'],
  ["api_key: 'sk-1234567890'", 'sk-1234567890'],
  ['otpauth://totp/x?secret=JBSWY3DPEHPK3PXP', 'JBSWY3DPEHPK3PXP'],
  ["SELECT id FROM auth.users_extended WHERE email = 'x'", 'users_extended'],
  ["  insert into auth.audit_events (id) values ('1')", 'audit_events'],
  ['WITH taken AS (DELETE FROM latchkey.audit_pending RETURNING id) SELECT 1', 'audit_pending'],
  ['UPDATE auth.users_extended SET password_hash = $1', 'users_extended'],
];

const KEYS = [
  'password',
  'newPassword',
  'current_password',
  'passwordHash',
  'password-confirmation',
  'accessToken',
  'refresh_token',
  'X-CSRF-Token',
  'authorization',
  'Proxy-Authorization',
  'cookie',
  'set-cookie',
  'secret',
  'clientSecret',
  'x-service-secret',
  'apiKey',
  'api_key',
  'privateKey',
  'encryptionKey',
  'connectionString',
  'DATABASE_URL',
  'backupCodes',
  'totp',
  'pepper',
  'sealed',
  'sql',
  'query',
  'statement',
  'parameters',
  'values',
  'where',
  'detail',
];

const SECRET = 'S3cr3t-That-Must-Not-Be-Seen';

/** Any shape that somebody may log, with the secret in it under this key. */
const wrapped = (key: string): fc.Arbitrary<unknown> =>
  fc.letrec((tie) => ({
    at: fc.oneof(
      { maxDepth: 4 },
      fc.constant({ [key]: SECRET }),
      fc.constant({ [key]: { deep: { deeper: SECRET } } }),
      fc.constant({ [key]: [SECRET, { x: SECRET }] }),
      fc.record({ a: tie('at'), b: fc.anything() }),
      fc.array(tie('at'), { minLength: 1, maxLength: 3 }),
      tie('at').map((inner) => Object.assign(new Error('failed', { cause: inner }), { [key]: SECRET })),
    ),
  })).at;

describe('redaction', () => {
  for (const [text, secret] of TEXTS) {
    it(`of a text leaves nothing of ${JSON.stringify(text.slice(0, 40))}…`, () => {
      expect(redactText(text)).not.to.include(secret);
      const nested = JSON.stringify(redact({ a: [{ message: text, cause: new Error(text) }], [text]: 1 }));
      expect(nested).not.to.include(secret);
    });
  }

  it('leaves what helps: names, codes, numbers, ids, plain sentences', () => {
    const line = {
      code: 'database-unavailable',
      requestId: '6f1c2a34-5b7d-4e8f-9a0b-1c2d3e4f5a6b',
      port: 3000,
      hashWidth: 2,
      tokens: 3,
      hasPassword: true,
      message: 'the connection was refused (ECONNREFUSED 10.0.0.1:5432)',
      checkpoint: 'eyJhbGciOiJFZERTQSJ9.eyJ2IjoxfQ.c2ln',
    };
    expect(redact(line)).to.deep.equal(line);
  });

  it('finds a secret under every spelling of its key, in any shape', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...KEYS).chain((key) => wrapped(key)),
        (value) => {
          expect(JSON.stringify(redact(value)) ?? '').not.to.include(SECRET);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is total and bounded: circles, getters that throw, proxies, huge and strange values', () => {
    const circle: Record<string, unknown> = { a: 1 };
    circle['self'] = circle;
    const trap = {
      get bad(): never {
        throw new Error('no');
      },
    };
    const revoked = new Map([[{ password: SECRET }, SECRET]]);
    for (const value of [
      circle,
      trap,
      revoked,
      new Set([SECRET]),
      Buffer.from(SECRET),
      10n,
      Symbol(SECRET),
      () => SECRET,
      new URL(`https://a:${SECRET}@x.example`),
      Number.NaN,
      new Date(Number.NaN),
    ]) {
      expect(JSON.stringify(redact({ value })) ?? '').not.to.include(SECRET);
    }
    const huge = redact({
      text: 'x'.repeat(1_000_000),
      message: 'y'.repeat(1_000_000),
      list: Array.from({ length: 10_000 }, () => 'z'),
    });
    expect(JSON.stringify(huge).length).to.be.below(5_000);
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withNullPrototype: true,
        }),
        (value) => {
          JSON.stringify(redact(value));
        },
      ),
    );
  });

  it('stands in the logger itself: whatever a line carries passes through it', () => {
    const lines: string[] = [];
    const log = createLog('info', 'test', { write: (text: string) => void lines.push(text) });
    const driver = Object.assign(new Error(`password authentication failed for postgres://u:${SECRET}@db/x`), {
      code: '28P01',
      detail: SECRET,
      query: `SELECT '${SECRET}'`,
      parameters: [SECRET],
    });
    log.error(
      { error: driver, headers: { authorization: `Bearer ${SECRET}`, cookie: SECRET }, body: { password: SECRET } },
      'request failed',
    );
    log.warn(driver);
    log.info({ nested: { list: [{ refreshToken: SECRET }] }, email: 'jane.doe@example.com' }, 'constant');
    const all = lines.join('');
    expect(lines).to.have.length(3);
    expect(all).not.to.include(SECRET).and.not.to.include('jane.doe');
    expect(JSON.parse(lines[0] ?? '')).to.containSubset({
      service: 'latchkey-api',
      msg: 'request failed',
      error: { name: 'Error', code: '28P01' },
    });
  });
});
