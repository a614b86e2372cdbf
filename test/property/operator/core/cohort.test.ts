/** The rules of a cohort as functions of weight and header: who is matched, by exactly one of the two, and never back again as the weight grows. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { cohortExpression, readExpression, type Side } from '../../../../operator/src/core/cohort-expression.ts';
import { isAsWritten, isCurrent } from '../../../../operator/src/core/cohort-rules.ts';
import { leastWeight, liveWeight } from '../../../../operator/src/core/route-record.ts';
import { cohortRoute, patched } from '../../../support/operator-core/cohort.ts';

const weight = fc.integer({ min: 1, max: 99 });
const bucket = fc.integer({ min: 0, max: 99 });
const token = fc.string({ unit: fc.constantFrom(..."ab_-.$*+^|!#%&'`~09Z".split('')), minLength: 1, maxLength: 64 });
/** Names and values that come near ours, and values that no bucket has. */
const near = (name: string) =>
  fc.tuple(
    fc.constantFrom(`x${name}`, `${name}2`, `_${name}`, `${name}_`, name.slice(1), `${name}[0-9]`, 'session'),
    fc.constantFrom('5', '99', `${name}=5`, '', 'a b', '0-9'),
  );
const wrong = fc.constantFrom('', '00', '05', '100', '-1', '5x', 'x5', '5.0', ' ', '[0-9]', '٣');

const matches = (name: string, side: Side, at: number, header: string): boolean =>
  new RegExp(cohortExpression(name, side, at), 'u').test(header);
const sides = (name: string, at: number, header: string): readonly Side[] =>
  (['canary', 'stable'] as const).filter((side) => matches(name, side, at, header));

/** A header with our cookie among others, in any place. */
const headerWith = (name: string, value: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.array(near(name), { maxLength: 4 }), value, fc.nat(4), fc.constantFrom('; ', ';', ' ;\t'))
    .map(([others, own, at, between]) => {
      const pairs = others.filter(([other]) => other !== name).map(([other, text]) => `${other}=${text}`);
      return pairs.toSpliced(at % (pairs.length + 1), 0, `${name}=${own}`).join(between);
    });

describe('cohort expressions', () => {
  it('send each bucket to exactly one side: those below the weight to the canary, wherever the cookie stands', () => {
    const cases = fc.tuple(token, weight, bucket).chain(([name, at, own]) =>
      fc.record({
        name: fc.constant(name),
        at: fc.constant(at),
        own: fc.constant(own),
        header: headerWith(name, fc.constant(String(own))),
      }),
    );
    fc.assert(
      fc.property(cases, ({ name, at, own, header }) => {
        expect(sides(name, at, header), header).to.deep.equal([own < at ? 'canary' : 'stable']);
      }),
      { numRuns: 2_000 },
    );
  });

  it('leave alone who has no such cookie, or a value that is no bucket', () => {
    fc.assert(
      fc.property(
        weight,
        fc.oneof(
          fc.array(near('lk_bucket'), { maxLength: 5 }).map((pairs) => pairs.map((pair) => pair.join('=')).join('; ')),
          wrong.chain((value) => headerWith('lk_bucket', fc.constant(value))),
          fc.string({ maxLength: 60 }).filter((text) => !text.includes('lk_bucket')),
        ),
        (at, header) => {
          expect(sides('lk_bucket', at, header), header).to.deep.equal([]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('never take anybody off the canary as the weight grows', () => {
    fc.assert(
      fc.property(weight, weight, fc.array(bucket, { minLength: 1, maxLength: 2 }), (one, other, buckets) => {
        const [low, high] = one < other ? [one, other] : [other, one];
        // Twice the same cookie: who is matched by both rules goes by the first, and that is the canary's.
        const header = buckets.map((value) => `lk_bucket=${value}`).join('; ');
        const isIn = (at: number): boolean => matches('lk_bucket', 'canary', at, header);
        expect(isIn(low) && !isIn(high)).to.equal(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('hold every bucket of every weight, and are read back as what they were written as', () => {
    for (let at = 1; at < 100; at += 1) {
      for (const side of ['canary', 'stable'] as const) {
        const text = cohortExpression('a.b', side, at);
        expect(readExpression(text)).to.deep.equal({ cookie: String.raw`a\.b`, side, weight: at });
        const held = Array.from({ length: 100 }, (_, value) => value).filter((value) =>
          matches('a.b', side, at, `a.b=${value}`),
        );
        expect(held.length).to.equal(side === 'canary' ? at : 100 - at);
        expect(matches('a.b', side, at, 'aXb=0') || matches('a.b', side, at, 'aXb=99')).to.equal(false);
      }
    }
  });

  it('stay within what the Gateway API takes for the value of a header', () => {
    const longest = Math.max(
      ...Array.from({ length: 99 }, (_, index) => cohortExpression('.'.repeat(64), 'stable', index + 1).length),
    );
    expect(longest).to.be.at.most(4_096);
  });
});

describe('the one PATCH of a weight with a cohort', () => {
  it('leaves weights and rules that fit each other after any sequence, every other rule untouched, and no rule at 0 or 100', () => {
    const step = fc.record({
      weight: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constantFrom(0, 100)),
      cookie: fc.constantFrom('lk_bucket', 'lk_bucket', 'other', undefined),
    });
    fc.assert(
      fc.property(fc.nat(2), fc.array(step, { minLength: 1, maxLength: 6 }), (before, steps) => {
        let route = cohortRoute(before);
        const others = JSON.stringify(route.others());
        for (const { weight: to, cookie } of steps) {
          route = patched(route, { weight: to, cookie });
          const view = route.view();
          expect([liveWeight(view), leastWeight(view)]).to.deep.equal([to, to]);
          expect(isAsWritten(view, cookie, to) && isCurrent(view, cookie, to)).to.equal(true);
          expect(JSON.stringify(route.others())).to.equal(others);
          expect(route.ownCount()).to.equal(cookie === undefined || to === 0 || to === 100 ? 0 : 2);
        }
      }),
      { numRuns: 300 },
    );
  });
});
