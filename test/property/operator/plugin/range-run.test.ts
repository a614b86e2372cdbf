/** A run over what a range has counted: the operator's own rules, tile by tile. */
import { expect } from 'chai';
import type { Sample } from '../../../../operator/src/core/observation.ts';
import { parseSpec, type Spec } from '../../../../operator/src/core/spec.ts';
import {
  byFigure,
  type FigureName,
  type RangeFigures,
  sumUntil,
  tileLength,
  tileQuestions,
} from '../../../../operator/src/plugin/range-figures.ts';
import { type RangeRun, runOver } from '../../../../operator/src/plugin/range-run.ts';

const FROM_MS = Date.parse('2026-03-04T12:00:00Z');
const MINUTE = 60_000;
const SCHEDULE = [10, 50, 100].map((weight) => ({ weight, hold: '20m', checkEvery: '2m' }));

const specWith = (extra: object = {}): Spec => {
  const reading = parseSpec({
    targetRef: { name: 'auth-api' },
    route: { httpRoute: 'auth-api', rule: 'api' },
    metrics: { prometheus: { address: 'http://prometheus:9090' } },
    schedule: SCHEDULE,
    ...extra,
  });
  if (reading.kind !== 'valid') throw new Error(reading.violations.join());
  return reading.spec;
};

/** 20 requests a second on the canary, ten times as many on stable, nothing wrong. */
const HEALTHY: Readonly<Partial<Record<FigureName, number>>> = {
  requests: 1_200,
  logins: 60,
  stableRequests: 12_000,
  stableLogins: 600,
};
type Minute = Partial<Record<FigureName, number>> | 'gap';

/** @param minutes what differs from health, minute by minute */
function range(count: number, minutes: (index: number) => Minute = () => ({})): RangeFigures {
  const sample = (name: FigureName, index: number): Sample => {
    const minute = minutes(index);
    if (minute === 'gap') return { kind: 'unknown', why: 'NoData' };
    return { kind: 'value', value: minute[name] ?? HEALTHY[name] ?? 0 };
  };
  const series = byFigure((name) => Array.from({ length: count }, (_, index) => sample(name, index)));
  return { fromMs: FROM_MS, tileMs: MINUTE, count, series };
}

const told = ({ entries }: RangeRun): readonly string[] =>
  entries.map(
    ({ atMs, kind, reason, weight }) =>
      `${(atMs - FROM_MS) / MINUTE}m ${kind} ${reason}${weight === undefined ? '' : ` ${weight}%`}`,
  );
const moves = (run: RangeRun): readonly string[] => told(run).filter((text) => text.endsWith('%'));

describe('a run over a Prometheus range', () => {
  it('climbs the schedule of the policy over healthy figures and is promoted', () => {
    const run = runOver(specWith(), range(70), 'r');
    expect(moves(run)).to.deep.equal([
      '0m advance Advanced 10%',
      '20m advance Advanced 50%',
      '40m advance Advanced 100%',
    ]);
    expect(told(run).at(-1)).to.equal('60m promote Promoting');
    expect(run).to.include({ end: 'promoted', looks: 60, blindLooks: 0 });
  });

  it('is taken back by a P1 at the end of the tile that proves it, with the figures that crossed', () => {
    const sick = range(70, (index) => (index >= 25 ? { serverErrors: 36 } : {}));
    const run = runOver(specWith(), sick, 'r');
    const last = run.entries.at(-1);
    expect(moves(run).at(-1)).to.equal('26m zero SeverityP1 0%');
    expect(last?.message).to.match(/^P1 errorRate 3% \(limit 1%, 1200 requests\): weight 0/);
    expect(last?.results.find(({ check }) => check === 'errorRate')?.verdict).to.deep.equal({
      kind: 'fail',
      severity: 'P1',
    });
    expect(run).to.include({ end: 'zeroed', looks: 26 });
  });

  it('goes on under a policy that allows it', () => {
    const sick = range(70, (index) => (index >= 25 ? { serverErrors: 36 } : {}));
    const lenient = specWith({ matrix: { errorRate: { p0: 0.5, p1: 0.4, p2: 0.3, p3: 0.2 } } });
    expect(runOver(lenient, sick, 'r').end).to.equal('promoted');
  });

  it('is rolled back by a P0, and never because stable fails as well', () => {
    const half = range(70, (index) => (index >= 30 ? { serverErrors: 600 } : {}));
    expect(moves(runOver(specWith(), half, 'r')).at(-1)).to.equal('31m rollback SeverityP0 0%');
    const weather = range(70, (index) => (index >= 30 ? { loginFailures: 12, stableLoginFailures: 120 } : {}));
    expect(told(runOver(specWith(), weather, 'r')).join()).to.not.match(/Severity/);
  });

  it('reduces for a proven slowness, waits for the team lead, and still sees what is worse', () => {
    const slow = (index: number): Minute => ({
      slowerThanP2: 240,
      slowerThanP3: 300,
      ...(index > 50 ? { serverErrors: 600 } : {}),
    });
    const run = runOver(
      specWith(),
      range(70, (index) => (index >= 25 ? slow(index) : {})),
      'r',
    );
    expect(moves(run).slice(2)).to.match(/reduce SeverityP2 25%/);
    expect(run.entries.find(({ kind }) => kind === 'reduce')?.message).to.match(
      /latencyP95 20% slower \(limit 5% over 300ms/,
    );
    expect(told(run).join()).to.include('hold ApprovalNeeded');
    expect(moves(run).at(-1)).to.equal('52m rollback SeverityP0 0%');
  });

  it('holds for a P3 until the window is clean again', () => {
    const run = runOver(
      specWith(),
      range(100, (index) => (index >= 10 && index < 20 ? { serverErrors: 3 } : {})),
      'r',
    );
    expect(told(run)).to.include('12m hold SeverityP3');
    expect(moves(run)[1]).to.not.equal('20m advance Advanced 50%');
    expect(run.end).to.equal('promoted');
  });

  it('does not know a gap: it never advances in one, and goes down after the blind limit', () => {
    const gap = range(90, (index) => (index >= 15 && index < 45 ? 'gap' : {}));
    const run = runOver(specWith(), gap, 'r');
    expect(told(run)).to.include('16m hold Holding').and.to.include('21m reduce Blind 0%');
    expect(run.blindLooks).to.equal(30);
    expect(
      run.entries.find(({ atMs }) => atMs === FROM_MS + 16 * MINUTE)?.results.map(({ verdict }) => verdict),
    ).to.deep.include({
      kind: 'unknown',
      why: 'NoData',
    });
    expect(moves(run)[2]).to.equal('46m advance Advanced 10%');
  });

  it('tells each move, also where a hold is no longer than a look', () => {
    const quick = specWith({ schedule: [10, 50, 100].map((weight) => ({ weight, hold: '1m', checkEvery: '1m' })) });
    expect(told(runOver(quick, range(10), 'r'))).to.deep.equal([
      '0m advance Advanced 10%',
      '1m advance Advanced 50%',
      '2m advance Advanced 100%',
      '3m promote Promoting',
    ]);
  });

  it('ends with the range when the schedule is longer', () => {
    expect(runOver(specWith(), range(30), 'r')).to.include({ end: 'running', looks: 30 });
  });

  it('is not held by a pause or a ceiling of today', () => {
    expect(runOver({ ...specWith(), paused: true, maxWeight: 0 }, range(70), 'r').end).to.equal('promoted');
  });

  it('takes checkpoints to have said yes, and a cohort for the weight that it is', () => {
    const asked = { checkpoints: [{ name: 'go-live', person: { role: 'team-lead' } }] };
    const schedule = SCHEDULE.map((step) => ({ ...step, ...asked }));
    const run = runOver(specWith({ schedule, cohort: { cookie: 'lk_bucket' } }), range(70), 'r');
    expect(told(run)).to.deep.equal(told(runOver(specWith(), range(70), 'r')));
  });
});

describe('the tiles of a range', () => {
  it('add up to what one query over all of them would give, and a gap at the moment of the look is unknown', () => {
    const figures = range(10, (index) => (index === 3 || index === 9 ? 'gap' : { requests: 100 }));
    expect(sumUntil(figures, 'requests', 5, 5)).to.deep.equal({ kind: 'value', value: 400 });
    expect(sumUntil(figures, 'requests', 1, 5)).to.deep.equal({ kind: 'value', value: 200 });
    expect(sumUntil(figures, 'requests', 9, 5)).to.deep.equal({ kind: 'unknown', why: 'NoData' });
    expect(sumUntil(figures, 'requests', 20, 5)).to.deep.equal({ kind: 'unknown', why: 'NoData' });
  });

  it('are four scrapes long, and longer where there would be too many', () => {
    expect(tileLength(8 * 3_600_000, 15_000)).to.equal(60_000);
    expect(tileLength(60_000, 1_000)).to.equal(4_000);
    expect(tileLength(30 * 86_400_000, 15_000)).to.equal(130_000);
  });

  it('are asked with the queries of the operator, of the living ReplicaSets alone where they are known', () => {
    const scope = { spec: specWith(), namespace: 'auth', replicaSets: ['auth-api-abc'] };
    const questions = tileQuestions(scope, MINUTE);
    expect(questions.serverErrors).to.include('pod=~"(auth-api-abc)-[^-]+",status=~"5.."}[60000ms]');
    expect(questions.stableLogins).to.include('pod=~"auth-api-stable-[^-]+-[^-]+"}[60000ms]');
  });
});
