import { expect } from 'chai';
import { drawRollout } from '../../../k8s/demo/view.ts';

// oxlint-disable-next-line no-control-regex -- colours are not what is tested
const plain = (lines: readonly string[]): string => lines.join('\n').replaceAll(/\x1b\[\d+m/g, '');

const check = { check: 'errorRate', verdict: 'fail', severity: 'P0', value: '48%', threshold: '5%', requests: 41 };
const record = {
  schedule: [5, 25, 100].map((weight) => ({ weight, hold: '5s', checkEvery: '1s' })),
  weights: [],
  statuses: [],
  weight: 25,
  happenings: [
    { atMs: 500, reason: 'Old', note: 'of the rollout before', isWarning: false },
    { atMs: 3000, reason: 'Holding', note: 'step 1', isWarning: false },
    { atMs: 4000, reason: 'SeverityP0', note: 'error rate 48%, far too much for anybody to bear', isWarning: true },
  ],
  status: {
    phase: 'Progressing',
    revision: 'b',
    stableRevision: 'a',
    stepIndex: 1,
    severity: 'P0',
    conditions: [],
    condemned: [],
    lastCheck: { at: new Date(4500).toISOString(), results: [check] },
  },
};
const answers = Array.from({ length: 100 }, (_, index) => ({
  atMs: 3000 + index * 20,
  status: index % 10 === 0 ? 500 : 200,
  version: index % 4 === 0 ? '1.2.0' : '1.1.0',
  route: 'me',
}));
const input = {
  title: 'Rollout two',
  from: '1.1.0',
  to: '1.2.0',
  startedAtMs: 1000,
  nowMs: 5000,
  record,
  answers,
  sessionsLost: 0,
  columns: 60,
};

describe('the view of a rollout', () => {
  const text = plain(drawRollout(input));

  it('shows the step, the weight, the severity and the figure against its threshold', () => {
    expect(text).to.match(/✓ 5 %\s+● 25 %\s+· 100 %/);
    expect(text).to.match(/weight\s+25 %/);
    expect(text).to.include('severity P0');
    expect(text).to.match(/errorRate\s+48%\s+5%\s+fail P0/);
  });

  it('shows what clients see: requests a second, the share of the new version, failures, lost sessions', () => {
    expect(text).to.include('50 requests/s · 13/s at 1.2.0 · 10 failed · 0 sessions lost');
  });

  it('shows what happened since the start of this rollout, cut to the width of the terminal', () => {
    expect(text).to.not.include('of the rollout before');
    expect(text).to.include('SeverityP0');
    for (const line of text.split('\n').filter((row) => row.includes(' s  '))) expect(line.length).to.be.at.most(60);
  });
});
