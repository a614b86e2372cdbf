/** By how much counters grew, whatever the restarts between the looks, and the quantiles of what they counted. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { MIN_REQUESTS, quantile, share } from '../../../../api/src/cli/monitor/amounts.ts';
import { readExposition } from '../../../../api/src/cli/monitor/exposition.ts';
import { added, growthBetween, type Look } from '../../../../api/src/cli/monitor/growth.ts';

const NAME = 'http_requests_total';
const look = (startedAt: number, value: number): Look => ({ startedAt, counters: [{ name: NAME, labels: {}, value }] });
const sum = (all: readonly { readonly value: number }[]): number => all.reduce((total, { value }) => total + value, 0);

describe('growth between looks', () => {
  /** What a process counts between two looks, and whether it began again first. */
  const turns = fc.array(fc.record({ counted: fc.nat(1_000), restarts: fc.boolean() }), {
    minLength: 1,
    maxLength: 20,
  });

  it('is what was counted since the last look, or since the process began again; never less than nothing', () => {
    fc.assert(
      fc.property(turns, (all) => {
        let [before, value, startedAt] = [look(0, 0), 0, 0];
        for (const { counted, restarts } of all) {
          startedAt += restarts ? 1 : 0;
          value = restarts ? counted : value + counted;
          const after = look(startedAt, value);
          expect(sum(growthBetween(before, after))).to.equal(counted);
          before = after;
        }
      }),
    );
  });

  it('of a counter that fell although its process says that it is the same is what it has now', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(1_000), (was, is) => {
        expect(sum(growthBetween(look(1, was), look(1, is)))).to.equal(is >= was ? is - was : is);
      }),
    );
  });

  it('of several processes adds up series by series', () => {
    const values = fc.array(fc.record({ route: fc.constantFrom('a', 'b'), value: fc.nat(1_000) }), { maxLength: 30 });
    fc.assert(
      fc.property(values, (all) => {
        const series = all.map(({ route, value }) => ({ name: NAME, labels: { route }, value }));
        const one = added(series);
        expect(sum(one)).to.equal(sum(series));
        expect(one.length).to.equal(new Set(all.map(({ route }) => route)).size);
      }),
    );
  });
});

describe('quantiles of a histogram', () => {
  const BOUNDS = [0.1, 0.2, 0.3, 0.5, 1];
  const observed = fc.array(fc.double({ min: 0.001, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 200 });
  const readingOf = (values: readonly number[]) => ({
    growth: [...BOUNDS.map(String), '+Inf'].map((le) => ({
      name: 'd_bucket',
      labels: { le },
      value: le === '+Inf' ? values.length : values.filter((value) => value <= Number(le)).length,
    })),
    seconds: 1,
    gauges: [],
    answering: 1,
    asked: 1,
    away: [],
  });

  it('lie in the bucket of the value of that rank, so no interpolation moves one across a limit', () => {
    fc.assert(
      fc.property(observed, fc.constantFrom(0.5, 0.95, 0.99), (values, q) => {
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.ceil(q * values.length) - 1] ?? 0;
        const upper = BOUNDS.find((bound) => exact <= bound) ?? 1;
        const lower = BOUNDS[BOUNDS.indexOf(upper) - 1] ?? 0;
        expect(quantile(readingOf(values), 'd', q)).to.be.within(lower, upper);
      }),
      // All of a bucket below the rank, where 0.1 * 6 / 6 is more than 0.1.
      { examples: [[[0.001, 0.001, 0.001, 0.001, 0.001, 0.001, 0.11, 0.11, 0.11, 0.11, 0.11, 0.11], 0.5]] },
    );
  });

  it('are nothing where nothing was observed', () => {
    expect(quantile(readingOf([]), 'd', 0.95)).to.equal(undefined);
  });
});

describe('a share', () => {
  it('is nothing below the least number of requests, and else between 0 and 100', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (part, more) => {
        const { value } = share(part, part + more, 'requests');
        if (part + more < MIN_REQUESTS) expect(value).to.equal(undefined);
        else expect(value).to.be.within(0, 100);
      }),
    );
  });
});

describe('the text format of metrics', () => {
  it('is read back as it was written, whatever stands in a label', () => {
    const label = fc.string({ maxLength: 20 }).filter((text) => !/[\r\u2028\u2029]/.test(text));
    fc.assert(
      fc.property(label, fc.double({ noNaN: true, noDefaultInfinity: true }), (text, value) => {
        const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
        const line = `# HELP ${NAME} x\n${NAME}{route="${escaped}",status="200"} ${value}\nother 1\n`;
        expect(readExposition(line, new Set([NAME]))).to.deep.equal([
          { name: NAME, labels: { route: text, status: '200' }, value: Number(String(value)) },
        ]);
      }),
    );
  });
});
