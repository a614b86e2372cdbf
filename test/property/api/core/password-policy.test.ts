/** Which new passwords are taken under either profile, and for how long; which addresses; when a mail is tried again. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { emailFault, normalizeEmail } from '../../../../api/src/core/email-address.ts';
import { GIVE_UP_AFTER_MS, scheduleAfterFailure } from '../../../../api/src/core/mail-schedule.ts';
import {
  contextOf,
  isPasswordExpired,
  type PasswordProfile,
  passwordExpiryMs,
  passwordWeaknesses,
} from '../../../../api/src/core/password-policy.ts';

const DAY_MS = 86_400_000;
const profile = fc.constantFrom<PasswordProfile>('seed', 'nist');
const weaknesses = (password: string, email = 'ada@example.com') =>
  passwordWeaknesses(password, { profile: 'nist', context: contextOf(email) });

describe('the nist profile', () => {
  it('judges by characters, not bytes, and stops at 256 like the other', () => {
    expect(weaknesses('wqkzjxvmtrnbfg')).to.deep.equal(['at least 15 characters']);
    expect(weaknesses('wqkzjxvmtrnbfgh')).to.deep.equal([]);
    expect(weaknesses('я'.repeat(7) + 'жшщюйцъэ')).to.deep.equal([]);
    expect(weaknesses('wqkzjxv'.repeat(40))).to.deep.equal(['at most 256 characters']);
  });

  it('needs no classes of characters', () => {
    expect(weaknesses('purplish weaving of nine moths')).to.deep.equal([]);
    expect(weaknesses('nxkwjqvzmthgbru')).to.deep.equal([]);
  });

  it('sees through repetition, capitals, digits for letters, runs and joints', () => {
    const common = [
      'PasswordPassword',
      'p@55w0rd-p@55w0rd',
      'qwertyuiopasdfgh',
      '098765432109876',
      'zyxwvutsrqponmlkjihg',
      'abababababababab',
      'monkeydragonlion',
      'letmein letmein letmein',
      'iloveyou!iloveyou!',
      '1qaz2wsx3edc4rfv',
    ];
    expect(common.filter((password) => weaknesses(password).length === 0)).to.deep.equal([]);
  });

  it('takes no password that the address or the service’s name makes up', () => {
    expect(weaknesses('bartholomew2026!', 'bartholomew@example.com')).not.to.deep.equal([]);
    expect(weaknesses('bartholomew2026!', 'ada@example.com')).to.deep.equal([]);
    expect(weaknesses('latchkey-latchkey')).not.to.deep.equal([]);
  });

  it('is quick on the longest input', () => {
    const startedMs = performance.now();
    for (const unit of ['a', 'ab', 'password', '1qaz', 'ﷺ']) weaknesses(unit.repeat(256 / unit.length));
    expect(performance.now() - startedMs).to.be.below(500);
  });
});

describe('password age', () => {
  it('is 90 days by what was written, else by the last change, else for ever', () => {
    const day = fc.integer({ min: 0, max: 400 * DAY_MS });
    fc.assert(
      fc.property(
        day,
        fc.option(day, { nil: undefined }),
        fc.option(day, { nil: undefined }),
        (nowMs, changed, expires) => {
          const age = { changedAtMs: changed, expiresAtMs: expires, mustChange: false };
          const endMs = expires ?? (changed === undefined ? Number.POSITIVE_INFINITY : changed + 90 * DAY_MS);
          expect(isPasswordExpired(age, 'seed', nowMs)).to.equal(endMs <= nowMs);
          expect(isPasswordExpired(age, 'nist', nowMs)).to.equal(false);
        },
      ),
    );
    expect(passwordExpiryMs('seed', 0)).to.equal(90 * DAY_MS);
    expect(passwordExpiryMs('nist', 0)).to.equal(undefined);
  });

  it('is over at once where an administrator asks for a new password, in either profile', () => {
    fc.assert(
      fc.property(profile, fc.nat(), (which, nowMs) => {
        const age = { changedAtMs: nowMs, expiresAtMs: nowMs + DAY_MS, mustChange: true };
        expect(isPasswordExpired(age, which, nowMs)).to.equal(true);
      }),
    );
  });
});

describe('addresses', () => {
  it('have one normal form, which is its own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const normal = normalizeEmail(text);
        if (emailFault(text, normal) !== undefined) return;
        expect(normalizeEmail(normal)).to.equal(normal);
        expect(emailFault(normal, normal)).to.equal(undefined);
      }),
      { numRuns: 1000 },
    );
  });

  it('with invisible characters are refused, not mended', () => {
    for (const code of [0x00ad, 0x200b, 0x200d, 0x202e, 0x2066, 0xfe0f, 0x3164, 0xe0001, 0x0a, 0x2003]) {
      const text = `a${String.fromCodePoint(code)}da@example.com`;
      expect(emailFault(text, normalizeEmail(text)), code.toString(16)).to.equal('must have no invisible characters');
    }
  });
});

describe('a mail that failed', () => {
  const failure = fc.record({
    attempts: fc.integer({ min: 1, max: 10_000 }),
    createdAtMs: fc.constant(0),
    nowMs: fc.integer({ min: 0, max: 3 * DAY_MS }),
    random: fc.double({ min: 0, max: 1, noNaN: true }),
  });

  it('is tried again within 7 seconds and an hour and a half, or given up after a day, never before', () => {
    fc.assert(
      fc.property(failure, (mail) => {
        const schedule = scheduleAfterFailure(mail);
        if (mail.nowMs >= GIVE_UP_AFTER_MS) expect(schedule.kind).to.equal('give-up');
        else if (schedule.kind === 'give-up') expect.fail('too early');
        else expect(schedule.atMs - mail.nowMs).to.be.within(7_500, 5_400_000);
      }),
    );
  });
});
