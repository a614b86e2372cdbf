/** Which known word a misspelt one may have meant. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { editDistance, nearest } from '../../../../api/src/core/nearest.ts';

const word = fc.string({ minLength: 0, maxLength: 12 });

describe('the distance of two words', () => {
  it('is 0 for the same word alone, is the same both ways, and at most the longer length', () => {
    fc.assert(
      fc.property(word, word, (one, other) => {
        const distance = editDistance(one, other);
        expect(distance === 0).to.equal(one === other);
        expect(editDistance(other, one)).to.equal(distance);
        expect(distance).to.be.at.most(Math.max(one.length, other.length));
        expect(distance).to.be.at.least(Math.abs(one.length - other.length));
      }),
    );
  });

  it('is 1 after one letter is put in, left out, changed or swapped with its neighbour', () => {
    const place = fc.record({
      text: fc.stringMatching(/^[a-z]{2,10}$/),
      at: fc.nat(8),
      letter: fc.constantFrom('0', '1'),
    });
    fc.assert(
      fc.property(place, ({ text, at, letter }) => {
        const i = Math.min(at, text.length - 2);
        const [head, tail] = [text.slice(0, i), text.slice(i)];
        const swapped = `${head}${tail[1] ?? ''}${tail[0] ?? ''}${tail.slice(2)}`;
        for (const other of [`${head}${letter}${tail}`, `${head}${tail.slice(1)}`, `${head}${letter}${tail.slice(1)}`])
          expect(editDistance(text, other)).to.equal(1);
        expect(editDistance(text, swapped)).to.equal(swapped === text ? 0 : 1);
      }),
    );
  });
});

describe('the nearest of known words', () => {
  it('is the word itself where it is known, whatever its case, and nothing where nothing is near', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-z]{4,10}$/), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        (known, at) => {
          const one = known[at % known.length] ?? '';
          expect(nearest(one.toUpperCase(), known)).to.equal(one);
          expect(nearest('0123456789', known)).to.equal(undefined);
        },
      ),
    );
  });
});
