/** Codes of an authenticator app, backup codes and device tokens, against the standards and against themselves. */
import { randomBytes, randomUUID } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { BACKUP_CODE_COUNT, createBackupCodes } from '../../../../api/src/crypto/backup-codes.ts';
import { createDeviceTokens, DEVICE_TRUST_SECONDS } from '../../../../api/src/crypto/device-token.ts';
import { createSealedBoxes } from '../../../../api/src/crypto/sealed-box.ts';
import {
  codeAt,
  createTotpSecret,
  matchingStep,
  otpauthUri,
  stepOf,
  toBase32,
} from '../../../../api/src/crypto/totp.ts';

const NOW = 1_800_000_000_000;
const anyTime = fc.integer({ min: 300_000, max: 4_000_000_000_000 });

describe('codes of an authenticator app', () => {
  it('are those of RFC 6238, appendix B', () => {
    const secret = toBase32(Buffer.from('12345678901234567890'));
    const vectors: readonly (readonly [number, string])[] = [
      [59, '287082'],
      [1_111_111_109, '081804'],
      [1_111_111_111, '050471'],
      [1_234_567_890, '005924'],
      [2_000_000_000, '279037'],
      [20_000_000_000, '353130'],
    ];
    for (const [seconds, code] of vectors)
      expect(codeAt(secret, stepOf(seconds * 1000)), `${seconds} s`).to.equal(code);
  });

  it('Property 17: come from a secret of 160 random bits in base32, never the same twice', () => {
    const secrets = Array.from({ length: 500 }, createTotpSecret);
    for (const secret of secrets) expect(secret).to.match(/^[A-Z2-7]{32}$/);
    expect(new Set(secrets).size).to.equal(500);
  });

  it('Property 21: are good in their own 30 seconds and in one step before and after, and in no other', () => {
    fc.assert(
      fc.property(anyTime, fc.integer({ min: -5, max: 5 }), (timeMs, offset) => {
        const secret = createTotpSecret();
        const step = stepOf(timeMs) + offset;
        const code = codeAt(secret, step);
        const found = matchingStep(secret, code, timeMs);
        // By chance, once in 300,000, a far step has the code of a near one.
        const near = [-1, 0, 1]
          .map((distance) => stepOf(timeMs) + distance)
          .filter((other) => codeAt(secret, other) === code);
        expect(found).to.equal(near.at(-1));
        expect(Math.abs(offset) <= 1).to.equal(near.includes(step));
      }),
      { numRuns: process.env['TEST_LONG'] === undefined ? 200 : 20_000 },
    );
  });

  it('are refused as any other text, whatever its length', () => {
    const secret = createTotpSecret();
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        const near = [-1, 0, 1].map((distance) => codeAt(secret, stepOf(NOW) + distance));
        expect(matchingStep(secret, text, NOW) !== undefined).to.equal(near.includes(text));
      }),
    );
  });

  it('Property 18: are set up by a URI that names issuer, account, secret and how the code is made', () => {
    fc.assert(
      fc.property(fc.emailAddress(), fc.stringMatching(/^[^:%\uD800-\uDFFF]{1,64}$/u), (email, issuer) => {
        const secret = createTotpSecret();
        const uri = new URL(otpauthUri(secret, { issuer, email }));
        expect(uri.protocol + uri.host).to.equal('otpauth:totp');
        expect(decodeURIComponent(uri.pathname)).to.equal(`/${issuer}:${email}`);
        expect(Object.fromEntries(uri.searchParams)).to.deep.equal({
          secret,
          issuer,
          algorithm: 'SHA1',
          digits: '6',
          period: '30',
        });
      }),
    );
  });
});

describe('backup codes', () => {
  const key = randomBytes(32);

  it('Property 19: are ten of 80 random bits, all different', () => {
    const codes = createBackupCodes(key);
    const made = Array.from({ length: 50 }, () => codes.create());
    for (const ten of made) expect(ten).to.have.length(BACKUP_CODE_COUNT);
    for (const code of made.flat()) expect(code).to.match(/^([A-Z2-7]{4}-){3}[A-Z2-7]{4}$/);
    expect(new Set(made.flat()).size).to.equal(500);
  });

  it('are one code however they are typed, and another one for another account or key', () => {
    const codes = createBackupCodes(key);
    const [user, other] = [randomUUID(), randomUUID()];
    for (const code of codes.create()) {
      const digest = codes.digest(user, code);
      for (const typed of [code.toLowerCase(), code.replaceAll('-', ''), code.replaceAll('-', ' ')]) {
        expect(codes.digest(user, typed)).to.deep.equal(digest);
      }
      expect(codes.digest(other, code)).not.to.deep.equal(digest);
      expect(createBackupCodes(randomBytes(32)).digest(user, code)).not.to.deep.equal(digest);
    }
  });

  it('are still found after the key has changed', () => {
    const old = createBackupCodes(key);
    const [code = ''] = old.create();
    const digests = createBackupCodes(randomBytes(32), [key]).digests('user', code);
    expect(digests.some((digest) => digest.equals(old.digest('user', code)))).to.equal(true);
  });
});

describe('a sealed second factor', () => {
  it('Property 22: shows nothing of its secret, and opens for its own account and factor only', () => {
    const boxes = createSealedBoxes(randomBytes(32));
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), (user, factor) => {
        const secret = createTotpSecret();
        const sealed = boxes.seal(secret, `totp:${user}:${factor}`);
        expect(sealed).not.to.include(secret);
        expect(boxes.open(sealed, `totp:${user}:${factor}`)).to.equal(secret);
        if (user !== factor) expect(() => boxes.open(sealed, `totp:${factor}:${user}`)).to.throw();
        expect(() => createSealedBoxes(randomBytes(32)).open(sealed, `totp:${user}:${factor}`)).to.throw();
      }),
    );
  });
});

describe('device tokens', () => {
  const keys = [randomBytes(32)] as const;
  const devices = createDeviceTokens(keys);
  const account = { tenantId: randomUUID(), userId: randomUUID(), passwordChangedAtMs: NOW - 1 };

  it('are known for 180 days, renewed under the same device, and still after the key has changed', () => {
    const token = devices.issue(account, undefined, NOW);
    const device = devices.recognise(token, account, NOW);
    expect(device).to.match(/^[\w-]{22}$/);
    expect(devices.recognise(devices.issue(account, device, NOW + 5), account, NOW)).to.equal(device);
    expect(devices.recognise(token, account, NOW + DEVICE_TRUST_SECONDS * 1000 - 1)).to.equal(device);
    expect(devices.recognise(token, account, NOW + DEVICE_TRUST_SECONDS * 1000)).to.equal(undefined);
    expect(createDeviceTokens([randomBytes(32), ...keys]).recognise(token, account, NOW)).to.equal(device);
  });

  it('are nothing with any byte changed, for another account, tenant or password, or as any other text', () => {
    const token = devices.issue(account, undefined, NOW);
    fc.assert(
      fc.property(
        fc.nat({ max: token.length - 1 }),
        fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '-', '_', '.'),
        (at, character) => {
          const changed = `${token.slice(0, at)}${character}${token.slice(at + 1)}`;
          // The last character of 43 carries two bits that no byte needs.
          if (changed === token || at === token.length - 1) return;
          expect(devices.recognise(changed, account, NOW)).to.equal(undefined);
        },
      ),
    );
    for (const change of [{ tenantId: randomUUID() }, { userId: randomUUID() }, { passwordChangedAtMs: NOW }]) {
      expect(devices.recognise(token, { ...account, ...change }, NOW)).to.equal(undefined);
    }
    expect(devices.recognise(token, undefined, NOW)).to.equal(undefined);
    expect(devices.recognise(undefined, account, NOW)).to.equal(undefined);
    fc.assert(fc.property(fc.string(), (text) => devices.recognise(text, account, NOW) === undefined));
  });
});
