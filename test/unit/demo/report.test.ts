import { expect } from 'chai';
import type { RolloutStatus } from '../../../k8s/demo/record.ts';
import { type DemoFacts, makeReport, type RolloutFacts } from '../../../k8s/demo/report.ts';
import { reportLines } from '../../../k8s/demo/report-text.ts';

const status = (given: Partial<RolloutStatus>): RolloutStatus => ({
  phase: 'Progressing',
  revision: 'b',
  stableRevision: 'a',
  conditions: [],
  condemned: [],
  ...given,
});
const decided = (decision: string, reason: string, at: string) => ({ decision, reason, message: `${reason}!`, at });
const weightsAt = (fromMs: number, weights: readonly number[]) =>
  weights.map((weight, index) => ({ atMs: fromMs + index * 100, weight, write: '' }));
const rollback = JSON.stringify({ decision: 'rollback', reason: 'SeverityP0' });

const rollout = (given: Partial<RolloutFacts>): RolloutFacts => ({
  title: 'one',
  from: '1.0.0',
  to: '1.1.0',
  startedAtMs: 1000,
  endedAtMs: 2000,
  scheduledWeights: [5, 25, 100],
  weights: [],
  happenings: [],
  statuses: [],
  ...given,
});

const healthy = rollout({
  weights: weightsAt(1000, [0, 5, 25, 100, 0]),
  statuses: [
    { atMs: 1150, status: status({ lastDecision: decided('advance', 'Advanced', 't1') }) },
    { atMs: 1900, status: status({ phase: 'Succeeded', stableRevision: 'b' }) },
  ],
});
const sick = rollout({
  title: 'two',
  from: '1.1.0',
  to: '1.2.0',
  startedAtMs: 3000,
  endedAtMs: 5000,
  weights: [...weightsAt(3000, [0, 5, 25]), { atMs: 3300, weight: 0, write: rollback }],
  statuses: [
    { atMs: 4000, status: status({ phase: 'RolledBack', lastDecision: decided('rollback', 'SeverityP0', 't2') }) },
  ],
});
const answers = [
  { atMs: 1100, status: 200, version: '1.0.0', route: 'refresh' },
  { atMs: 3250, status: 500, version: '1.2.0', route: 'me' },
  { atMs: 4250, status: 200, version: '1.2.0', route: 'me' },
  ...Array.from({ length: 100 }, (_, index) => ({ atMs: 4400 + index, status: 200, version: '1.1.0', route: 'me' })),
];
const facts: DemoFacts = { healthy, sick, answers, lost: [], trafficFromMs: 1000, trafficUntilMs: 9000 };

/** The claims of a changed demo that do not hold. */
const broken = (change: Partial<DemoFacts>): string[] =>
  makeReport({ ...facts, ...change })
    .claims.filter(({ holds }) => !holds)
    .map(({ claim }) => claim);

describe('the report of the demo', () => {
  it('holds when the healthy version is promoted and the sick one taken back in time', () => {
    expect(broken({})).to.deep.equal([]);
    expect(makeReport(facts).allHold).to.equal(true);
    expect(makeReport(facts).exposure?.exposureMs).to.equal(1000);
  });

  it('breaks when the healthy version is not promoted', () => {
    const stuck = { ...healthy, statuses: healthy.statuses.slice(0, 1) };
    expect(broken({ healthy: stuck })).to.deep.equal(['The healthy version is promoted']);
  });

  it('breaks when a step of the schedule was left out', () => {
    const jumped = { ...healthy, weights: weightsAt(1000, [0, 5, 100, 0]) };
    expect(broken({ healthy: jumped })).to.deep.equal(['It took each step of the schedule, in order']);
  });

  it('breaks when a single request fails before the sick rollout', () => {
    const failed = [...answers, { atMs: 1500, status: 503, version: '1.0.0', route: 'me' }];
    expect(broken({ answers: failed })).to.deep.equal(['Adoption, upgrade and promotion fail no request']);
  });

  it('breaks when the sick version goes back for another reason than P0', () => {
    const other = [
      { atMs: 4000, status: status({ phase: 'Zeroed', lastDecision: decided('zero', 'SeverityP1', 't') }) },
    ];
    expect(broken({ sick: { ...sick, statuses: other } })).to.deep.equal([
      'The sick version is rolled back by the P0 rule',
    ]);
  });

  it('breaks when the sick version answers later than 3 s after its first fault', () => {
    const late = [...answers.slice(0, 2), { atMs: 6301, status: 200, version: '1.2.0', route: 'me' }];
    const after = answers.slice(3).map((answer) => ({ ...answer, atMs: answer.atMs + 2000 }));
    expect(broken({ answers: [...late, ...after] })).to.deep.equal([
      'Its last answer comes within 3 s of its first faulty one',
    ]);
  });

  it('breaks when the sick version never showed its fault, since then nothing was proven', () => {
    const faultless = answers.map((answer) => ({ ...answer, status: 200 }));
    expect(broken({ answers: faultless })).to.include('Its last answer comes within 3 s of its first faulty one');
  });

  it('breaks when another version than the sick one fails a request', () => {
    const failed = [...answers, { atMs: 3500, status: 0, version: '', route: 'me' }];
    expect(broken({ answers: failed })).to.deep.equal(['Nobody but the sick version fails a request']);
  });

  it('breaks when nobody is seen being served after the rollback', () => {
    expect(broken({ answers: answers.slice(0, 50) })).to.deep.equal(['Stable serves everybody afterwards']);
  });

  it('breaks when a session is lost', () => {
    expect(broken({ lost: [{ atMs: 1, how: 'refresh', user: 'a' }] })).to.deep.equal(['No session is lost']);
  });

  it('names what failed when something did', () => {
    const failed = [...answers, { atMs: 1500, status: 503, version: '1.0.0', route: 'login' }];
    const [claim] = makeReport({ ...facts, answers: failed }).claims.filter(({ holds }) => !holds);
    expect(claim?.evidence).to.equal('1 of 2 failed at the client (1 × 503 login at 1.0.0)');
  });

  it('breaks long lines at spaces and loses no word', () => {
    const lines = reportLines(makeReport(facts), 60);
    const words = (of: readonly string[]): string => of.join(' ').replaceAll(/\s+/g, ' ');
    expect(Math.max(...lines.map((line) => line.length))).to.be.at.most(60);
    expect(words(lines)).to.equal(words(reportLines(makeReport(facts), 1000)));
  });

  it('says for each step what it carried and which decision ended it, and marks what does not hold', () => {
    const text = reportLines(makeReport({ ...facts, lost: [{ atMs: 1, how: 'refresh', user: 'a' }] }), 200).join('\n');
    expect(text).to.include('25 %  1 canary answers, 1 faulty → rollback (SeverityP0): SeverityP0!');
    expect(text).to.include('✗ No session is lost: 1 lost');
    expect(text).to.include('Not every claim holds');
  });
});
