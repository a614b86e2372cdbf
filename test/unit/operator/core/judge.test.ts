import { expect } from 'chai';
import type { Verdict } from '../../../../operator/src/core/checks.ts';
import type { Complaint } from '../../../../operator/src/core/complaints.ts';
import { judge, judgeSentinel } from '../../../../operator/src/core/judge.ts';
import { MATRIX } from '../../../../operator/src/core/matrix.ts';
import type { Observation, Sample, StepSamples } from '../../../../operator/src/core/observation.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import type { SentinelView } from '../../../../operator/src/core/window.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later } from '../../../support/operator-core/situations.ts';
import { specManifest } from '../../../support/operator-core/world.ts';

const reading = parseSpec(specManifest());
if (reading.kind === 'invalid') throw new Error('spec');
const { matrix } = reading.spec;
const value = (number: number): Sample => ({ kind: 'value', value: number });
const shown = (verdict: Verdict | undefined): string =>
  verdict === undefined
    ? 'none'
    : verdict.kind === 'fail'
      ? verdict.severity
      : verdict.kind === 'unknown'
        ? verdict.why
        : 'pass';

function withSamples(change: Partial<StepSamples>): Observation {
  const seen = observe(later(worldAt(25), 11_000));
  if (seen.samples === undefined) throw new Error('the checks were not due');
  return {
    ...seen,
    samples: { ...seen.samples, ...change },
    sentinel: seen.sentinel && withTrial(seen.sentinel, change),
  };
}

/** The sentinel counts the same requests: what is slow in the samples is proven in the trial. */
function withTrial(view: SentinelView, { slow }: Partial<StepSamples>): SentinelView {
  const provenIf = (sample: Sample | undefined): number =>
    sample?.kind === 'value' && sample.value > 500 ? Number.MAX_SAFE_INTEGER : 1;
  return { ...view, evidence: { ...view.evidence, latencyP95: { p1: provenIf(slow?.p1), p2: provenIf(slow?.p2) } } };
}
const reported = ({ status, nowMs }: Observation, count: number): readonly Complaint[] =>
  status?.revision === undefined ? [] : [{ revision: status.revision, createdAtMs: nowMs - 1_000, count }];
const stepVerdict = (change: Partial<StepSamples>): string => shown(judge(withSamples(change)).step?.verdict);

/** What the runbook's matrix says about 10 000 requests. */
const ROWS: readonly (readonly [string, Partial<StepSamples>])[] = [
  ['P0', { serverErrors: value(700) }],
  ['P1', { serverErrors: value(200) }],
  ['P2', { serverErrors: value(95) }],
  ['P3', { serverErrors: value(80) }],
  ['P3', { serverErrors: value(20) }],
  ['pass', { serverErrors: value(5) }],
  ['P0', { dataLoss: value(1) }],
  ['P1', { slow: { p1: value(700), p2: value(900), p3: value(900) } }],
  ['P2', { slow: { p1: value(100), p2: value(700), p3: value(900) } }],
  ['P3', { slow: { p1: value(0), p2: value(100), p3: value(700) } }],
  ['pass', { slow: { p1: value(0), p2: value(100), p3: value(400) } }],
  ['P1', { loginFailures: value(100) }],
  ['TooLittleTraffic', { loginFailures: value(60) }],
  ['pass', { loginFailures: value(50) }],
  ['P1', { databaseErrors: value(11) }],
  ['pass', { databaseErrors: value(10) }],
  ['pass', { databaseErrors: value(50), databaseWindowMs: 300_000 }],
  ['P1', { complaints: value(5) }],
  ['P2', { complaints: value(3) }],
  ['pass', { complaints: value(2) }],
  [
    'TooLittleTraffic',
    { requests: value(29), serverErrors: value(0), slow: { p1: value(0), p2: value(0), p3: value(0) } },
  ],
  [
    'TooLittleTraffic',
    { requests: value(3), serverErrors: value(1), slow: { p1: value(0), p2: value(0), p3: value(0) } },
  ],
  ['TooLittleTraffic', { logins: value(9) }],
  ['NotANumber', { serverErrors: value(Number.NaN) }],
  ['NotANumber', { requests: value(Number.POSITIVE_INFINITY) }],
  ['SeveralSeries', { dataLoss: { kind: 'unknown', why: 'SeveralSeries' } }],
  ['NoData', { complaints: { kind: 'unknown', why: 'NoData' }, logins: value(9) }],
  ['P0', { complaints: { kind: 'unknown', why: 'NoData' }, serverErrors: value(700) }],
];

describe('judge', () => {
  for (const [expected, samples] of ROWS) {
    it(`${expected} for ${JSON.stringify(samples).replaceAll(/[{}"]/g, '').replaceAll('kind:value,value:', '')}`, () => {
      expect(stepVerdict(samples)).to.equal(expected);
    });
  }

  it('has a rule for each row of the runbook, and the sentinel those of P0 and P1', () => {
    const rows = MATRIX.map(({ check, severity, response }) => `${severity} ${check} ${response}`);
    expect(rows).to.deep.equal([
      'P0 serviceDown rollback',
      'P0 errorRate rollback',
      'P0 dataLoss rollback',
      'P1 errorRate zero',
      'P1 latencyP95 zero',
      'P1 authFailureRate zero',
      'P1 databaseErrors zero',
      'P1 complaints zero',
      'P2 errorRate reduce',
      'P2 latencyP95 reduce',
      'P2 complaints hold',
      'P3 errorRate hold',
      'P3 latencyP95 hold',
      'P0 alerts rollback',
      'P1 alerts zero',
      'P2 alerts hold',
      'P3 alerts hold',
    ]);
    expect(MATRIX.every(({ severity, sentinel }) => sentinel === (severity === 'P0' || severity === 'P1'))).to.equal(
      true,
    );
  });

  it('says what it knows of each check, with its figures, from Prometheus over the window of the samples', () => {
    const seen = withSamples({
      windowMs: 42_000,
      serverErrors: value(20),
      stableLogins: value(0),
      complaints: value(1),
    });
    const results = judge({ ...seen, complaints: reported(seen, 1) }).step?.results ?? [];
    expect(results.map(({ check, value: figure, requests }) => `${check} ${figure} in ${requests}`)).to.deep.equal([
      'serviceDown 0s in undefined',
      'errorRate 0.2% in 10000',
      'latencyP95 0% slower in 10000',
      'authFailureRate 0% in 1000',
      'databaseErrors 0/min in undefined',
      'complaints 2 in undefined',
      'dataLoss 0 in undefined',
    ]);
    expect(results.every(({ source, windowMs }) => source === 'prometheus' && windowMs === 42_000)).to.equal(true);
  });

  it('does not know whether the canary is up where no pod answers or nobody looks, and needs no sentinel for the rest', () => {
    const seen = withSamples({ serverErrors: value(200) });
    const { sentinel } = seen;
    const said = (view: SentinelView | undefined): string => {
      const results = judge({ ...seen, sentinel: view }).step?.results ?? [];
      return ['serviceDown', 'errorRate']
        .map((name) => shown(results.find(({ check }) => check === name)?.verdict))
        .join(' ');
    };
    expect(said(sentinel)).to.equal('pass P1');
    expect(said(sentinel && { ...sentinel, canaryPodsAnswering: 0 })).to.equal('NoAnswer P1');
    expect(said(undefined)).to.equal('NoSentinel P1');
  });

  it('names the reason of the sample that is not known, takes what a reset left below 0 for 0, and judges the rest', () => {
    const results = (change: Partial<StepSamples>) => judge(withSamples(change)).step?.results ?? [];
    const unknowns = results({ slow: { p1: value(0), p2: { kind: 'unknown', why: 'Timeout' }, p3: value(0) } });
    const names = unknowns.flatMap(({ check, verdict }) =>
      verdict.kind === 'unknown' ? [`${check} ${verdict.why}`] : [],
    );
    expect(names).to.deep.equal(['latencyP95 Timeout']);
    expect(results({ serverErrors: value(-1) }).find(({ check }) => check === 'errorRate')?.value).to.equal('0%');
  });

  it('misses the logins that stable says the canary should have, by the weight, and blames it for none that stable lost too', () => {
    const few = { logins: value(9), loginFailures: value(0) };
    const none: Sample = { kind: 'unknown', why: 'NoData' };
    expect(stepVerdict({ ...few, stableLogins: value(60) }), '60 at 75 % are 20 at 25 %').to.equal('TooLittleTraffic');
    expect(stepVerdict({ ...few, stableLogins: value(59) })).to.equal('pass');
    expect(stepVerdict({ ...few, stableLogins: none })).to.equal('pass');
    expect(stepVerdict({ ...few, stableLogins: value(60), stableLoginFailures: none })).to.equal('pass');
    expect(stepVerdict({ loginFailures: value(300), stableLoginFailures: none })).to.equal('P1');
    expect(stepVerdict({ loginFailures: value(300), stableLoginFailures: value(300) })).to.equal('pass');
    const alone = withSamples({ ...few, stableLogins: value(60) });
    const { status } = alone;
    if (status === undefined) throw new Error('no status');
    const at = (weight: number): string => shown(judge({ ...alone, status: { ...status, weight } }).step?.verdict);
    expect([at(25), at(5), at(100)]).to.deep.equal(['TooLittleTraffic', 'pass', 'pass']);
  });

  it('judges all that a status would tell also without one', () => {
    const seen = withSamples({ serverErrors: value(200) });
    const { sentinel, step, checkpoints } = judge({ ...seen, status: undefined });
    expect([shown(sentinel.verdict), shown(step?.verdict), checkpoints]).to.deep.equal(['pass', 'P1', undefined]);
    expect(judge(seen)).to.not.have.property('checkpoints');
  });

  it('calls a canary down only after the limit, also across a restart of the operator', () => {
    const seen = observe({ ...worldAt(25), health: 'silent' });
    const { sentinel, nowMs } = seen;
    const after = (silentMs: number): string =>
      shown(judgeSentinel(sentinel, matrix, { nowMs, sinceMs: undefined, silentSinceMs: nowMs - silentMs }).verdict);
    expect(after(300_000)).to.equal('NoAnswer');
    expect(after(300_001)).to.equal('P0');
  });

  it('takes an old batch of the sentinel for no batch', () => {
    const { sentinel, nowMs } = observe(worldAt(25));
    const aged = (ms: number): string =>
      shown(
        judgeSentinel(sentinel, matrix, { nowMs: nowMs + ms, sinceMs: undefined, silentSinceMs: undefined }).verdict,
      );
    expect([aged(3_000), aged(3_001)]).to.deep.equal(['pass', 'NoSentinel']);
  });

  it('leaves P2, P3 and little traffic to the checks of the step', () => {
    const { sentinel, nowMs } = observe({ ...worldAt(25), health: 'P2' });
    expect(
      shown(judgeSentinel(sentinel, matrix, { nowMs, sinceMs: undefined, silentSinceMs: undefined }).verdict),
    ).to.equal('pass');
  });

  it('judges a severe fault even when the rest of the manifest is invalid', () => {
    const seen = observe({ ...worldAt(25), health: 'P0', spec: { ...specManifest(), schedule: 'nonsense' } });
    expect(seen.spec.kind).to.equal('invalid');
    expect(shown(judge(seen).sentinel.verdict)).to.equal('P0');
  });
});
