/** What an observation would have been under another policy: the figures that are known of it, and no others. */
import { expect } from 'chai';
import type { Observation, Sample } from '../../../../operator/src/core/observation.ts';
import { type Policy, policyDifferences, readPolicy, underPolicy } from '../../../../operator/src/core/policy.ts';
import type { Matrix } from '../../../../operator/src/core/spec.ts';
import { type Evidence, evidenceOf, newTrial, observeTrial } from '../../../../operator/src/core/trial.ts';
import { type Counts, type SpanView, subtract } from '../../../../operator/src/core/window.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { someSamples } from '../../../support/operator-core/situations.ts';
import { specManifest } from '../../../support/operator-core/world.ts';

const seen = (): Observation => ({ ...observe(worldAt(25)), samples: someSamples() });
const matrixNow = (): Matrix => {
  const { spec } = seen();
  if (spec.kind !== 'valid') throw new Error('spec');
  return spec.spec.matrix;
};
const named = (manifest: unknown): Partial<Policy> => {
  const reading = readPolicy(manifest);
  if (reading.kind === 'invalid') throw new Error(reading.violations.join());
  return reading.named;
};

describe('a policy', () => {
  it('names the parts that its file does, and all of them where it is a whole AuthRollout', () => {
    expect(Object.keys(named({ matrix: {} }))).to.deep.equal(['matrix']);
    expect(Object.keys(named({ spec: { zero: { proveWithin: '9s' } } }))).to.deep.equal(['proveWithinMs']);
    expect(named({ spec: { zero: { proveWithin: '9s' } } }).proveWithinMs).to.equal(9_000);
    expect(named({ metrics: { blindLimit: '7m' } })).to.deep.equal({ blindLimitMs: 420_000 });
    expect(Object.keys(named({ schedule: specManifest()['schedule'] }))).to.deep.equal(['schedule']);
    const whole = ['matrix', 'schedule', 'blindLimitMs', 'proveWithinMs'];
    expect(Object.keys(named({ kind: 'AuthRollout', spec: specManifest() }))).to.deep.equal(whole);
    expect(readPolicy({ metrics: { prometheus: { address: 'http://p' } } }).kind).to.equal('invalid');
    expect(readPolicy(null).kind).to.equal('invalid');
  });

  it('differs by each figure under its name in a manifest, and `–` where one has none', () => {
    const { schedule } = specManifest();
    if (!Array.isArray(schedule)) throw new Error('schedule');
    const of = (manifest: object): Policy => {
      const reading = readPolicy(manifest);
      if (reading.kind === 'invalid') throw new Error(reading.violations.join());
      return reading.policy;
    };
    const short = of({ schedule: [{ weight: 100, hold: '1h', checkEvery: '1m' }], metrics: { blindLimit: '7m' } });
    const long = of({ schedule, metrics: { blindLimit: '5m' } });
    expect(policyDifferences(short, long)).to.deep.include.members([
      { path: 'blindLimit', old: '7m', new: '5m' },
      { path: 'schedule[0].weight', old: '100', new: '5' },
      { path: 'schedule[0].hold', old: '1h', new: '1m' },
      { path: 'schedule[4].weight', old: '–', new: '100' },
    ]);
  });
});

describe('an observation under another policy', () => {
  it('has its figures where its own manifest can be read, and is the same where nothing of it can', () => {
    const policy = { blindLimitMs: 7 };
    const { spec } = seen();
    const usable = spec.kind === 'valid' ? spec.spec : undefined;
    expect(underPolicy(seen(), policy).spec).to.have.nested.property('spec.blindLimitMs', 7);
    const partial = { ...seen(), spec: { kind: 'invalid', violations: [], usable } as const };
    expect(underPolicy(partial, policy).spec).to.have.nested.property('usable.blindLimitMs', 7);
    const unreadable = { ...seen(), spec: { kind: 'invalid', violations: [], usable: undefined } as const };
    expect(underPolicy(unreadable, policy)).to.equal(unreadable);
  });

  it('has no samples, status or sentinel where it had none', () => {
    const bare = { ...seen(), samples: undefined, status: undefined, sentinel: undefined };
    const { samples, status, sentinel } = underPolicy(
      bare,
      named({ matrix: {}, schedule: specManifest()['schedule'] }),
    );
    expect([samples, status, sentinel]).to.deep.equal([undefined, undefined, undefined]);
  });

  it('holds a running step as long as the policy’s step of that index', () => {
    const schedule = [5, 10, 25].map((weight) => ({ weight, holdMs: weight * 1_000, checkEveryMs: weight }));
    const held = (change: object): unknown => {
      const { status } = seen();
      const after = underPolicy({ ...seen(), status: { ...status, ...change } }, { schedule }).status;
      return [after?.stepHold, after?.stepCheckEvery];
    };
    const { status } = seen();
    const own = [status?.stepHold, status?.stepCheckEvery];
    expect([held({}), held({ stepIndex: 0 }), held({ stepIndex: undefined })]).to.deep.equal([
      ['25s', '25ms'],
      ['5s', '5ms'],
      ['5s', '5ms'],
    ]);
    expect([held({ stepIndex: 3 }), held({ stepStartedAt: undefined })]).to.deep.equal([own, own]);
    expect(underPolicy(seen(), {}).status).to.equal(seen().status);
  });

  it('knows slow requests at bounds that were counted, and complaints over the window that was', () => {
    const value = (number: number): Sample => ({ kind: 'value', value: number });
    const samples = {
      ...someSamples(),
      slow: { p1: value(1), p2: value(2), p3: value(3) },
      complaints: value(4),
    };
    const none: Sample = { kind: 'unknown', why: 'NoData' };
    const under = (change: Partial<Matrix>) =>
      underPolicy({ ...seen(), samples }, { matrix: { ...matrixNow(), ...change } }).samples;
    expect(under({})?.slow).to.deep.equal(samples.slow);
    expect(under({ latencyP95: { p1Ms: 300, p2Ms: 200, p3Ms: 100 } })?.slow).to.deep.equal({
      p1: value(2),
      p2: value(3),
      p3: none,
    });
    expect(under({ latencyP95: { p1Ms: 1_000, p2Ms: 500, p3Ms: 300 } })?.slow).to.deep.equal({
      p1: none,
      p2: value(1),
      p3: value(2),
    });
    const { complaints } = matrixNow();
    expect(under({ complaints: { ...complaints, p1: 9 } })?.complaints).to.deep.equal(value(4));
    expect(under({ complaints: { ...complaints, windowMs: 1 } })?.complaints).to.deep.equal(none);
  });
});

describe('evidence under another policy', () => {
  const counts = (requests: number, bad: number): Counts => ({
    requests,
    serverErrors: bad,
    fasterThan: { '500ms': requests - bad, '300ms': requests - bad, '1000ms': requests - bad },
    logins: requests,
    loginFailures: bad,
    databaseErrors: 0,
    complaints: 0,
    dataLoss: 0,
  });
  const span = (spanMs: number, requests: number, bad: number): SpanView => ({
    spanMs,
    canary: counts(requests, bad),
    stable: counts(requests, 0),
  });
  const spans = [span(1_000, 40, 20), span(10_000, 400, 30)];
  const old: Evidence = {
    errorRate: { over: 11, worse: 12 },
    authFailureRate: { over: 13, worse: 14 },
    latencyP95: { p1: 15, p2: 16 },
  };
  const under = (change: Partial<Matrix>, evidence = old): Evidence | undefined => {
    const { sentinel, ...rest } = seen();
    const view = sentinel && { ...sentinel, spans, evidence };
    return underPolicy({ ...rest, sentinel: view }, { matrix: { ...matrixNow(), ...change } }).sentinel?.evidence;
  };
  /** The older nine seconds first, then the newest one. */
  const anew = (matrix: Matrix): Evidence => {
    const [newest, whole] = spans;
    if (newest === undefined || whole === undefined) throw new Error('spans');
    const before = { canary: subtract(whole.canary, newest.canary), stable: subtract(whole.stable, newest.stable) };
    return evidenceOf(observeTrial(observeTrial(newTrial, before, matrix), newest, matrix));
  };

  it('is what it was of limits that are the same', () => {
    expect(under({})).to.deep.equal(old);
  });

  it('is what the counts prove of higher limits, each of its own check', () => {
    const { errorRate, authFailureRate } = matrixNow();
    const higher = {
      errorRate: { ...errorRate, p1: 0.02 },
      authFailureRate: { ...authFailureRate, p1: 0.07 },
      latencyP95: { p1Ms: 1_000, p2Ms: 500, p3Ms: 300 },
    };
    const found = anew({ ...matrixNow(), ...higher });
    expect(under(higher)).to.deep.equal({
      errorRate: { over: found.errorRate.over, worse: 12 },
      authFailureRate: { over: found.authFailureRate.over, worse: 14 },
      latencyP95: { p1: found.latencyP95.p1, p2: found.latencyP95.p2 },
    });
    expect(found.errorRate.over).to.be.greaterThan(100);
  });

  it('is the better of both of lower limits', () => {
    const { errorRate } = matrixNow();
    const lower = { errorRate: { ...errorRate, p1: 0.009 } };
    const found = anew({ ...matrixNow(), ...lower }).errorRate.over;
    const over = (proven: number): number | undefined =>
      under(lower, { ...old, errorRate: { over: proven, worse: 1 } })?.errorRate.over;
    expect([over(1), over(1e90)]).to.deep.equal([found, 1e90]);
  });
});
