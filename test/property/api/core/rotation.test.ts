/** The refresh state machine against the table in its header, and against every history of a session that fast-check can think of. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  ABSOLUTE_MS,
  decideRefresh,
  GRACE_MS,
  type PresentedToken,
  SLIDING_MS,
  type StoredSession,
  slideExpiry,
} from '../../../../api/src/core/rotation.ts';

const NOW = 1_795_000_000_000;
const PHONE = { ip: '198.51.100.7', userAgent: 'Mozilla/5.0 (iPhone) Version/26.0 Mobile/15E148 Safari/604.1' };
const CURL = { ip: '203.0.113.9', userAgent: 'curl/8.5.0' };

const session = (change: Partial<StoredSession> = {}): StoredSession => ({
  status: 'active',
  counter: 5,
  rotatedAtMs: NOW - 1_000,
  expiresAtMs: NOW + SLIDING_MS,
  absoluteExpiresAtMs: NOW + ABSOLUTE_MS,
  isAccountActive: true,
  origin: PHONE,
  ...change,
});
const token = (counter: number, absoluteExpiresAtMs = NOW + ABSOLUTE_MS, origin = PHONE): PresentedToken => ({
  counter,
  absoluteExpiresAtMs,
  origin,
});
const from = (origin: typeof PHONE, counter: number): PresentedToken => token(counter, NOW + ABSOLUTE_MS, origin);

describe('decideRefresh', () => {
  const rows: readonly (readonly [string, StoredSession | undefined, PresentedToken, object])[] = [
    ['a missing row of a live token is data loss', undefined, token(5), { kind: 'data-loss', reason: 'missing' }],
    ['a missing row of an expired token is not', undefined, token(5, NOW), { kind: 'refuse', reason: 'expired' }],
    ['a counter ahead is data loss', session(), token(6), { kind: 'data-loss', reason: 'ahead' }],
    [
      'a counter ahead is data loss in a revoked session too',
      session({ status: 'revoked' }),
      token(6),
      { kind: 'data-loss', reason: 'ahead' },
    ],
    [
      'a revoked session stays revoked',
      session({ status: 'revoked' }),
      token(5),
      { kind: 'refuse', reason: 'revoked' },
    ],
    [
      'a replay into a revoked session changes nothing',
      session({ status: 'revoked' }),
      token(1),
      { kind: 'refuse', reason: 'revoked' },
    ],
    [
      'an expired session stays expired',
      session({ status: 'expired' }),
      token(5),
      { kind: 'refuse', reason: 'expired' },
    ],
    ['a session ends in the millisecond of its expiry', session({ expiresAtMs: NOW }), token(5), { kind: 'expire' }],
    [
      'a session lives in the millisecond before',
      session({ expiresAtMs: NOW + 1 }),
      token(5),
      { kind: 'rotate', expiresAtMs: NOW + SLIDING_MS, isMoved: false },
    ],
    [
      'a disabled account gets nothing',
      session({ isAccountActive: false }),
      token(5),
      { kind: 'refuse', reason: 'revoked' },
    ],
    [
      'the current token rotates',
      session(),
      token(5),
      { kind: 'rotate', expiresAtMs: NOW + SLIDING_MS, isMoved: false },
    ],
    [
      'the parent is repeated at the end of the grace',
      session({ rotatedAtMs: NOW - GRACE_MS }),
      token(4),
      { kind: 'repeat' },
    ],
    [
      'the parent is replayed one millisecond later',
      session({ rotatedAtMs: NOW - GRACE_MS - 1 }),
      token(4),
      { kind: 'revoke', reason: 'token-replayed' },
    ],
    [
      'the grandparent is replayed at any time',
      session({ rotatedAtMs: NOW }),
      token(3),
      { kind: 'revoke', reason: 'token-replayed' },
    ],
    [
      'the current token goes on from another client altogether, and it is noted',
      session(),
      from(CURL, 5),
      { kind: 'rotate', expiresAtMs: NOW + SLIDING_MS, isMoved: true },
    ],
    [
      'the current token goes on from another network',
      session(),
      from({ ...PHONE, ip: CURL.ip }, 5),
      { kind: 'rotate', expiresAtMs: NOW + SLIDING_MS, isMoved: false },
    ],
    [
      'the parent is repeated to the same program in another network: phones move',
      session(),
      from({ ...PHONE, ip: CURL.ip }, 4),
      { kind: 'repeat' },
    ],
    [
      'the parent is repeated to a new version of the program',
      session(),
      from({ ...PHONE, userAgent: 'X/1 Safari/700' }, 4),
      { kind: 'repeat' },
    ],
    [
      'the parent from another client altogether is a copy',
      session(),
      from(CURL, 4),
      { kind: 'revoke', reason: 'suspicious' },
    ],
    ['a pod whose clock is behind still repeats', session({ rotatedAtMs: NOW + 2_000 }), token(4), { kind: 'repeat' }],
  ];
  for (const [title, stored, presented, decision] of rows) {
    it(title, () => {
      expect(decideRefresh(stored, presented, NOW)).to.deep.equal(decision);
    });
  }

  it('rotates only the current token of a live session of a live account', () => {
    fc.assert(
      fc.property(
        anySession,
        anyToken,
        fc.integer({ min: NOW - ABSOLUTE_MS, max: NOW + ABSOLUTE_MS }),
        (stored, presented, nowMs) => {
          const { kind } = decideRefresh(stored, presented, nowMs);
          const isCurrent =
            stored.status === 'active' &&
            stored.isAccountActive &&
            stored.expiresAtMs > nowMs &&
            presented.counter === stored.counter;
          expect(kind === 'rotate').to.equal(isCurrent);
        },
      ),
    );
  });

  it('never lets a session live beyond its absolute end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 * NOW }), fc.integer({ min: 0, max: 2 * NOW }), (absoluteMs, nowMs) => {
        expect(slideExpiry(absoluteMs, nowMs)).to.be.at.most(absoluteMs);
        expect(slideExpiry(absoluteMs, nowMs)).to.be.at.most(nowMs + SLIDING_MS);
      }),
    );
  });

  it('gives two histories of one session the same tokens: a client that retries is never logged out, a thief that waits always is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 2 * GRACE_MS }), isReplyLost: fc.boolean() }), {
          maxLength: 30,
        }),
        (steps) => {
          let stored = session({ counter: 0, rotatedAtMs: NOW, expiresAtMs: NOW + SLIDING_MS });
          let held = 0; // the counter of the token in the client's hands
          let nowMs = NOW;
          for (const { waitMs, isReplyLost } of steps) {
            // Who lost a reply retries within the grace; who has it may take any time.
            nowMs += held === stored.counter ? waitMs : Math.min(waitMs, GRACE_MS - (nowMs - stored.rotatedAtMs));
            const decision = decideRefresh(stored, token(held), nowMs);
            expect(decision.kind).to.be.oneOf(['rotate', 'repeat']);
            if (decision.kind === 'rotate') {
              stored = {
                ...stored,
                counter: stored.counter + 1,
                rotatedAtMs: nowMs,
                expiresAtMs: decision.expiresAtMs,
              };
            }
            if (!isReplyLost) held = stored.counter;
          }
          for (let old = 0; old < stored.counter; old += 1) {
            expect(decideRefresh(stored, token(old), stored.rotatedAtMs + GRACE_MS + 1).kind).to.equal('revoke');
          }
        },
      ),
    );
  });

  const anySession = fc.record({
    status: fc.constantFrom('active', 'expired', 'revoked'),
    counter: fc.nat(4),
    rotatedAtMs: fc.integer({ min: NOW - ABSOLUTE_MS, max: NOW + ABSOLUTE_MS }),
    expiresAtMs: fc.integer({ min: NOW - ABSOLUTE_MS, max: NOW + ABSOLUTE_MS }),
    absoluteExpiresAtMs: fc.integer({ min: NOW - ABSOLUTE_MS, max: NOW + ABSOLUTE_MS }),
    isAccountActive: fc.boolean(),
    origin: fc.constantFrom(PHONE, CURL),
  });
  const anyToken = fc.record({
    counter: fc.nat(5),
    absoluteExpiresAtMs: fc.integer({ min: NOW - ABSOLUTE_MS, max: NOW + ABSOLUTE_MS }),
    origin: fc.constantFrom(PHONE, CURL),
  });
});
