/** Which access tokens are refused: the holes of other systems, each with its test (forged with jose, which we do not verify with). */
import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import { SignJWT, UnsecuredJWT } from 'jose';
import { createSigningKeys, readPrivateKey } from '../../../api/src/crypto/signing-keys.ts';
import { Api, TEST_KEYS, type Tokens } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('access tokens', () => {
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const keys = createSigningKeys(readPrivateKey(TEST_KEYS.JWT_PRIVATE_KEY));
  const publicKey = createPublicKey(TEST_KEYS.JWT_PRIVATE_KEY);
  let tokens: Tokens;
  let claims: Record<string, unknown>;

  before(async () => {
    tokens = await api.newSession();
    claims = JSON.parse(Buffer.from(tokens.accessToken.split('.')[1] ?? '', 'base64url').toString()) as Record<
      string,
      unknown
    >;
  });

  const good = { alg: 'ES256', typ: 'at+jwt', kid: keys.keyId };
  const signed = (header: Record<string, unknown>, payload: Record<string, unknown> = claims, key = keys.privateKey) =>
    new SignJWT(payload).setProtectedHeader({ ...good, ...header }).sign(key, { crit: { x: true } });
  const codeOf = async (token: string) => (await api.validate(token)).body['code'];
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

  it('of our own making are accepted, so that the refusals below mean something', async () => {
    expect((await api.validate(await signed({}))).status).to.equal(200);
  });

  it('are refused with an unknown critical header, a foreign key id, or a key of their own', async () => {
    expect(await codeOf(await signed({ crit: ['x'], x: 1 }))).to.equal('access-token-invalid');
    expect(await codeOf(await signed({ kid: 'other' }))).to.equal('access-token-invalid');
    expect(await codeOf(await signed({ jwk: publicKey.export({ format: 'jwk' }) }))).to.equal('access-token-invalid');
    expect(await codeOf(await signed({ jku: 'https://example.com/jwks.json' }))).to.equal('access-token-invalid');
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    expect(await codeOf(await signed({}, claims, stranger))).to.equal('access-token-invalid');
  });

  it('are refused with another type, issuer, audience, or a missing claim', async () => {
    expect(await codeOf(await signed({ typ: 'JWT' }))).to.equal('access-token-invalid');
    for (const change of [
      { iss: 'x' },
      { aud: 'x' },
      { aud: ['latchkey'] },
      { sid: undefined },
      { tid: undefined },
      { exp: undefined },
      { sub: 'x' },
    ]) {
      expect(await codeOf(await signed({}, { ...claims, ...change })), JSON.stringify(change)).to.equal(
        'access-token-invalid',
      );
    }
    expect(await codeOf(await signed({}, { ...claims, exp: 1 }))).to.equal('access-token-expired');
    expect(await codeOf(await signed({}, { ...claims, iat: 9e9 }))).to.equal('access-token-invalid');
  });

  it('are refused when signed with the public key as an HMAC secret, or not at all', async () => {
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    for (const secret of [pem, `\n${pem}`, pem.trim()]) {
      const body = `${encode({ ...good, alg: 'HS256' })}.${encode(claims)}`;
      expect(await codeOf(`${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`)).to.equal(
        'access-token-invalid',
      );
    }
    expect(await codeOf(new UnsecuredJWT(claims).encode())).to.equal('access-token-invalid');
    expect(await codeOf(`${encode({ ...good, alg: 'none' })}.${encode(claims)}.`)).to.equal('access-token-invalid');
  });

  it('are refused when any character is changed, added, or spelled another way', async () => {
    const token = tokens.accessToken;
    expect((await api.validate(token)).status).to.equal(200);
    for (let at = 0; at < token.length; at += 7) {
      const other = token[at] === 'A' ? 'B' : 'A';
      expect(await codeOf(`${token.slice(0, at)}${other}${token.slice(at + 1)}`), `at ${at}`).to.equal(
        'access-token-invalid',
      );
    }
    const last = token.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = alphabet[alphabet.indexOf(last) + 1] ?? 'B'; // 64 bytes leave four unused bits: the same signature, spelled differently
    for (const spelled of [`${token.slice(0, -1)}${twin}`, `${token}=`, `${token}.`, `${token}A`]) {
      expect(await codeOf(spelled)).to.equal('access-token-invalid');
    }
  });

  it('are not refresh tokens, nor the other way round', async () => {
    expect(await codeOf(tokens.refreshToken)).to.equal('access-token-invalid');
    expect((await api.refresh(tokens.accessToken)).status).to.be.oneOf([400, 401]);
  });

  it('of an older key are accepted while its public key is configured', async () => {
    const older = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwks = JSON.stringify({ keys: [older.publicKey.export({ format: 'jwk' })] });
    const rotated = await Api.start({ databaseUrl: database.url, env: { JWT_VERIFICATION_KEYS: jwks } });
    const olderKeys = createSigningKeys(older.privateKey);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ ...good, kid: olderKeys.keyId })
      .sign(older.privateKey);
    expect((await rotated.validate(token)).status).to.equal(200);
    expect(await codeOf(token)).to.equal('access-token-invalid');
    await rotated.stop();
  });
});
