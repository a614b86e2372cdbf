/** Password policy and admission of the hash queue. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  expectedStayMs,
  isInTime,
  MAX_STAY_MS,
  MAX_WAITING,
  mayWait,
  PATIENCE_MS,
  updateAverage,
} from '../../../../api/src/core/admission.ts';
import { passwordWeaknesses } from '../../../../api/src/core/password-policy.ts';

describe('passwordWeaknesses', () => {
  it('accepts 12 characters of four classes, in any script', () => {
    expect(passwordWeaknesses('Abcdefghij1!')).to.deep.equal([]);
    expect(passwordWeaknesses('Пароль-пароль-1')).to.deep.equal([]);
  });

  it('counts characters, not bytes or code units', () => {
    expect(passwordWeaknesses('Aa1!😀😀😀😀😀😀😀')).to.deep.equal(['at least 12 characters']);
    expect(passwordWeaknesses('Aa1!😀😀😀😀😀😀😀😀')).to.deep.equal([]);
  });

  it('names everything that is missing, in words for people', () => {
    expect(passwordWeaknesses('            ')).to.deep.equal([
      'a lower-case letter',
      'an upper-case letter',
      'a digit',
      'a symbol',
    ]);
    expect(passwordWeaknesses('correcthorsebattery')).to.deep.equal(['an upper-case letter', 'a digit', 'a symbol']);
    expect(passwordWeaknesses('Correct Horse 9 Staple')).to.deep.equal(['a symbol']);
  });

  it('stops at 256 characters', () => {
    expect(passwordWeaknesses(`Aa1!${'x'.repeat(253)}`)).to.deep.equal(['at most 256 characters']);
  });
});

describe('mayWait', () => {
  it('lets at least one wait for each core, whatever a hash costs', () => {
    expect(mayWait({ width: 2, waiting: 1, averageHashMs: 60_000 })).to.equal(true);
    expect(mayWait({ width: 2, waiting: 2, averageHashMs: 60_000 })).to.equal(false);
  });

  it('lets 9 wait for two cores at bcrypt 12, so that the last is served within two seconds', () => {
    expect(mayWait({ width: 2, waiting: 8, averageHashMs: 250 })).to.equal(true);
    expect(mayWait({ width: 2, waiting: 9, averageHashMs: 250 })).to.equal(false);
  });

  it('never admits beyond the patience of a client or the bound of the queue', () => {
    const anyState = fc.record({
      width: fc.integer({ min: 1, max: 64 }),
      waiting: fc.nat(2_000),
      averageHashMs: fc.double({ min: 0, max: 2_000, noNaN: true }),
    });
    fc.assert(
      fc.property(anyState, (state) => {
        if (!mayWait(state)) return;
        expect(state.waiting).to.be.below(MAX_WAITING);
        expect(state.waiting < state.width || expectedStayMs(state) <= MAX_STAY_MS).to.equal(true);
      }),
    );
  });
});

describe('isInTime', () => {
  it('is true for whoever need not wait, and false for whoever would be served after two seconds', () => {
    expect(isInTime(0, 60_000)).to.equal(true);
    expect(isInTime(PATIENCE_MS - 250, 250)).to.equal(true);
    expect(isInTime(PATIENCE_MS - 249, 250)).to.equal(false);
    expect(PATIENCE_MS).to.be.below(2_000);
  });
});

describe('updateAverage', () => {
  it('comes within a tenth of a new speed in eleven hashes, and moves a fifth of the way for one', () => {
    expect(updateAverage(250, 500)).to.equal(300);
    let average = 250;
    for (let hash = 0; hash < 11; hash += 1) average = updateAverage(average, 1_000);
    expect(average).to.be.within(900, 1_000);
  });
});
