import { expect } from 'chai';
import { scaleOf, timesOf, timeText, valueText } from '../../../k8s/dashboards/scale.ts';

describe('the scale of an axis', () => {
  for (const [values, ticks] of [
    [[97], [0, 20, 40, 60, 80, 100]],
    [[100], [0, 20, 40, 60, 80, 100]],
    [[101], [0, 50, 100, 150]],
    [[0.3], [0, 0.1, 0.2, 0.3]],
    [[0.012], [0, 0.005, 0.01, 0.015]],
    [
      [7, 3],
      [0, 2, 4, 6, 8],
    ],
    [[], [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [
      [0, undefined, Number.NaN],
      [0, 0.2, 0.4, 0.6, 0.8, 1],
    ],
  ] as const)
    it(`of ${JSON.stringify(values)} has round lines and ends at or above the highest value`, () => {
      const scale = scaleOf(values, 'short');
      expect(scale.ticks).to.deep.equal(ticks);
      expect(scale.top).to.be.closeTo(ticks.at(-1) ?? Number.NaN, 1e-9);
    });

  it('never has more than five steps, whatever the highest value', () => {
    for (let value = 1e-5; value < 1e6; value *= 1.13) {
      const { top, ticks } = scaleOf([value], 'short');
      expect(ticks.length, `${value}`).to.be.within(2, 6);
      expect(top, `${value}`).to.be.at.least(value * (1 - 1e-9));
      expect(top, `${value}`).to.be.below(value * 2.01);
    }
  });
});

describe('the scale of durations', () => {
  it('has lines at whole or half minutes once it has more than one', () => {
    expect(scaleOf([110], 's').ticks).to.deep.equal([0, 30, 60, 90, 120]);
    expect(scaleOf([50], 's').ticks).to.deep.equal([0, 10, 20, 30, 40, 50]);
  });
});

describe('the times of an axis', () => {
  it('are few, round, and within it', () => {
    expect(timesOf(160)).to.deep.equal([0, 30, 60, 90, 120, 150]);
    expect(timesOf(8)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(timesOf(200_000).length).to.be.at.most(9);
  });

  it('are minutes and seconds', () => {
    expect([0, 65, 600].map(timeText)).to.deep.equal(['0:00', '1:05', '10:00']);
  });
});

describe('a value', () => {
  for (const [value, unit, text] of [
    [0.2667, 'percentunit', '26.7 %'],
    [5, 'percent', '5 %'],
    [0, 's', '0 s'],
    [0.00042, 's', '420 µs'],
    [0.0123, 's', '12.3 ms'],
    [2.5, 's', '2.5 s'],
    [150, 's', '2.5 min'],
    [63.21, 'reqps', '63.2 req/s'],
    [12_345, 'short', '12.3 K'],
  ] as const)
    it(`${value} of the unit ${unit} is said as ${text}`, () => {
      expect(valueText(value, unit)).to.equal(text);
    });
});
