import { expect } from 'chai';
import { decisionsIn, phasesIn, rowsFor, spanOfRun } from '../../../k8s/dashboards/happened.ts';

const info = (phase: string, revision: string, values: readonly (number | undefined)[]) => ({
  labels: { phase, revision },
  values,
});

describe('decisions', () => {
  it('are where a counter grew, in the order of time', () => {
    const advance = { labels: { decision: 'advance', reason: 'Advanced' }, values: [1, 1, 2, undefined, 3] };
    const rollback = { labels: { decision: 'rollback', reason: 'SeverityP0' }, values: [undefined, 1, 1, 1, 1] };
    expect(decisionsIn([advance, rollback])).to.deep.equal([
      { index: 1, decision: 'rollback', reason: 'SeverityP0' },
      { index: 2, decision: 'advance', reason: 'Advanced' },
      { index: 4, decision: 'advance', reason: 'Advanced' },
    ]);
  });

  it('are none where a new operator counts from the beginning', () => {
    expect(decisionsIn([{ labels: { decision: 'hold', reason: 'Holding' }, values: [9, 9, 0, 0] }])).to.deep.equal([]);
  });
});

describe('phases', () => {
  it('follow one another, the later one where two were seen at once', () => {
    const phases = phasesIn([
      info('Succeeded', 'a', [1, 1, 1, undefined, undefined, undefined]),
      info('Progressing', 'b', [undefined, undefined, 1, 1, undefined, 1]),
    ]);
    expect(phases).to.deep.equal([
      { phase: 'Succeeded', revision: 'a', from: 0, until: 2 },
      { phase: 'Progressing', revision: 'b', from: 2, until: 5 },
      { phase: 'Progressing', revision: 'b', from: 5, until: 6 },
    ]);
  });
});

describe('the span of a run', () => {
  const phase = (name: string, revision: string, from: number) => ({ phase: name, revision, from, until: from + 50 });
  const run = [
    phase('Succeeded', 'a', 0),
    phase('Progressing', 'b', 100),
    phase('Promoting', 'b', 190),
    phase('Succeeded', 'b', 195),
    phase('Progressing', 'c', 230),
    phase('RolledBack', 'c', 250),
  ];

  it('goes from before the promoted rollout to after the one that was taken back', () => {
    expect(spanOfRun(run)).to.deep.equal({ from: 92, to: 270 });
  });

  it('is that of the last two where there were more', () => {
    const later = run.map((each) => ({ ...each, revision: `${each.revision}2`, from: each.from + 1_000 }));
    expect(spanOfRun([...run, ...later])).to.deep.equal({ from: 1_092, to: 1_270 });
  });

  it('is unknown where nothing was taken back, or nothing promoted before', () => {
    expect(spanOfRun(run.slice(0, -1))).to.equal(undefined);
    expect(spanOfRun(run.slice(-2))).to.equal(undefined);
    expect(spanOfRun([])).to.equal(undefined);
  });
});

describe('marks with words', () => {
  it('are in the first row in which they hide no other', () => {
    const spans = [
      { from: 0, to: 10 },
      { from: 5, to: 15 },
      { from: 8, to: 12 },
      { from: 10, to: 20 },
    ];
    expect(rowsFor(spans, (span) => span).map(({ row }) => row)).to.deep.equal([0, 1, 2, 0]);
  });
});
