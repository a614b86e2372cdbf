/** Holes that other systems had around signed tokens (facts §2.10), each under its id: every forgery is refused over HTTP. */
import { createHmac, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { createAccessTokens } from '../../../../api/src/crypto/access-token.ts';
import {
  createSigningKeys,
  generatePrivateKey,
  readPrivateKey,
  ringOf,
} from '../../../../api/src/crypto/signing-keys.ts';
import { Api, TEST_KEYS } from '../../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres.ts';

const KEY = readPrivateKey(TEST_KEYS.JWT_PRIVATE_KEY);
const KEYS = createSigningKeys(KEY);
const PEM = createPublicKey(KEY).export({ type: 'spki', format: 'pem' }).toString();

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const ieee = (text: string): Buffer => sign('sha256', Buffer.from(text), { key: KEY, dsaEncoding: 'ieee-p1363' });

describe('holes of others around signed tokens', function () {
  this.timeout(180_000);
  let database: TestDatabase;
  let api: Api;
  let claims: Record<string, unknown>;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
    const { accessToken } = await api.newSession();
    claims = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()) as typeof claims;
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const good = { alg: 'ES256', typ: 'at+jwt', kid: KEYS.keyId };
  /** Signed by our own key, whatever the header says. */
  const ours = (header: unknown, payload: unknown = claims): string => {
    const text = `${encode(header)}.${encode(payload)}`;
    return `${text}.${ieee(text).toString('base64url')}`;
  };
  const refused = async (token: string, why: string) => {
    const answer = await api.validate(token);
    expect([answer.status, answer.body['code']], why).to.deep.equal([401, 'access-token-invalid']);
  };
  it('CVE-2026-11800, CVE-2026-34950: a token signed with our public key as an HMAC secret is refused, however the key is spelled', async () => {
    const der = createPublicKey(KEY).export({ type: 'spki', format: 'der' });
    const secrets = [
      PEM,
      `\n${PEM}`,
      ` ${PEM}`,
      PEM.trim(),
      PEM.replaceAll('\n', '\r\n'),
      PEM.replaceAll('\n', ''),
      der,
      JSON.stringify(createPublicKey(KEY).export({ format: 'jwk' })),
      '',
    ];
    for (const [alg, hash] of [
      ['HS256', 'sha256'],
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
      ['ES256', 'sha256'],
    ] as const) {
      for (const secret of secrets) {
        const text = `${encode({ ...good, alg })}.${encode(claims)}`;
        await refused(`${text}.${createHmac(hash, secret).update(text).digest('base64url')}`, alg);
      }
    }
  });

  it('CVE-2025-65945, CVE-2022-23540: no other algorithm, no empty and no degenerate signature passes (the vectors of Wycheproof and Psychic Signatures)', async () => {
    await api.validate(ours(good)).then((answer) => expect(answer.status, 'ours passes').to.equal(200));
    for (const alg of [
      'none',
      'None',
      'NONE',
      'nOnE',
      '',
      'es256',
      'ES256 ',
      'ES256\u0000',
      'ES384',
      'ES512',
      'ES256K',
      'RS256',
      'PS256',
      'EdDSA',
      'HS256',
      null,
      ['ES256'],
      7,
    ])
      await refused(ours({ ...good, alg }), `alg ${JSON.stringify(alg)}`);
    const text = `${encode(good)}.${encode(claims)}`;
    const valid = ieee(text);
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
    const zero = Buffer.alloc(32);
    const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])]);
    const [r, s] = [valid.subarray(0, 32), valid.subarray(32)];
    const pairs = [
      [zero, zero],
      [zero, s],
      [r, zero],
      [one, zero],
      [zero, one],
      [order, s],
      [r, order],
      [order, order],
      [one, one],
      [s, r],
    ];
    const der = sign('sha256', Buffer.from(text), { key: KEY, dsaEncoding: 'der' });
    const signatures = [
      ...pairs.map((pair) => Buffer.concat(pair)),
      der,
      Buffer.alloc(0),
      valid.subarray(1),
      valid.subarray(0, 63),
      Buffer.concat([valid, zero]),
      Buffer.concat([zero, valid]),
    ];
    for (const signature of signatures)
      await refused(`${text}.${signature.toString('base64url')}`, signature.toString('hex'));
    await refused(text, 'two parts');
    await refused(`${text}.`, 'empty');
    const json = JSON.stringify({
      protected: encode(good),
      payload: encode(claims),
      signature: valid.toString('base64url'),
    });
    await refused(Buffer.from(json).toString('base64url'), 'JSON serialization');
    await refused(`${text}.${valid.toString('base64')}`, 'plain base64');
    await refused(`${encode({ ...good, zip: 'DEF' })}.${encode(claims)}.a.b.c`, 'JWE');
  });

  it('CVE-2025-65945: the libraries that had it are installed above the versions that had it, and verify nothing of ours', () => {
    const lock = JSON.parse(readFileSync(new URL('../../../../package-lock.json', import.meta.url), 'utf8')) as {
      packages: Record<string, { version?: string }>;
    };
    const versions = (name: string) =>
      Object.entries(lock.packages)
        .filter(([path]) => path.endsWith(`node_modules/${name}`))
        .map(([, { version = '0' }]) => version.split('.').map(Number));
    const isAtLeast = (found: readonly number[], least: readonly number[]) =>
      least.reduceRight(
        (rest, part, index) => (found[index] ?? 0) > part || ((found[index] ?? 0) === part && rest),
        true,
      );
    for (const found of versions('jsonwebtoken')) expect(isAtLeast(found, [9, 0, 0]), String(found)).to.equal(true);
    expect(versions('passport'), 'passport itself is not needed').to.deep.equal([]);
    for (const found of versions('jws'))
      expect(isAtLeast(found, found[0] === 3 ? [3, 2, 3] : [4, 0, 1]), String(found)).to.equal(true);
  });

  it('CVE-2026-35039: what is remembered of one token is never told of another', () => {
    const nowMs = 1_795_000_000_000;
    const own = createAccessTokens({
      keys: ringOf(createSigningKeys(generatePrivateKey())),
      issuer: 'i',
      audience: 'a',
      nowMs: () => nowMs,
    });
    const subject = fc.record({
      userId: fc.uuid({ version: 4 }),
      sessionId: fc.uuid({ version: 4 }),
      tenantId: fc.uuid({ version: 4 }),
    });
    fc.assert(
      fc.property(
        fc.array(subject, { minLength: 2, maxLength: 6 }),
        fc.array(fc.nat(5), { maxLength: 20 }),
        fc.nat(),
        (subjects, order, seed) => {
          const signed = subjects.map((each) => own.sign({ ...each, expiresAtMs: nowMs + 1e9 }).token);
          for (const index of order) {
            const [token, each] = [signed[index % signed.length], subjects[index % subjects.length]];
            const { sub, sid, tid } = own.verify(token ?? '');
            expect({ userId: sub, sessionId: sid, tenantId: tid }).to.deep.equal(each);
          }
          const [a = '', b = ''] = signed;
          own.verify(a);
          const [headA, , signatureA] = a.split('.');
          const [, bodyB] = b.split('.');
          const at = seed % a.length;
          const flipped = `${a.slice(0, at)}${a[at] === 'A' ? 'B' : 'A'}${a.slice(at + 1)}`;
          for (const forged of [`${headA}.${bodyB}.${signatureA}`, flipped, `${a}\n`])
            expect(() => own.verify(forged)).to.throw();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('jsonwebtoken ignores crit: a token with a critical header, or any header that we do not know, is refused', async () => {
    for (const extra of [
      { crit: ['x'], x: 1 },
      { crit: [] },
      { crit: ['exp'] },
      { b64: false },
      { jku: 'https://evil.example/jwks' },
      { x5u: 'https://evil.example/x' },
      { x5c: ['x'] },
      { jwk: createPublicKey(KEY).export({ format: 'jwk' }) },
      { cty: 'JWT' },
    ])
      await refused(ours({ ...good, ...extra }), JSON.stringify(extra));
    for (const kid of ['', '../../etc/passwd', "' OR 1=1 --", '__proto__', 'constructor', null, 7])
      await refused(ours({ ...good, kid }), `kid ${String(kid)}`);
  });

  it('CVE-2026-55669: a token for another audience, or for several, is refused', async () => {
    for (const aud of [
      'x',
      '',
      undefined,
      null,
      ['latchkey'],
      ['latchkey', 'x'],
      [],
      'LATCHKEY',
      ' latchkey',
      { latchkey: 1 },
    ])
      await refused(ours(good, { ...claims, aud }), `aud ${JSON.stringify(aud)}`);
  });
});
