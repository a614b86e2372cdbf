import { expect } from 'chai';
import type { CheckResult } from '../../../../operator/src/core/checks.ts';
import type { Judgement } from '../../../../operator/src/core/judge.ts';
import type { Observation, UnknownWhy } from '../../../../operator/src/core/observation.ts';
import { type Run, runOf } from '../../../../operator/src/core/run.ts';
import type { CheckName } from '../../../../operator/src/core/status.ts';
import { track } from '../../../../operator/src/core/track.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { PASS } from '../../../support/operator-core/situations.ts';

const seen = observe(worldAt(25));
const { nowMs } = seen;
const spec = seen.spec.kind === 'valid' ? seen.spec.spec : undefined;
const MINUTE = 60_000;
const holding: Run = {
  ...runOf(seen, spec),
  stepStartedAtMs: nowMs - 10_000,
  stepHoldMs: MINUTE,
  stepCheckEveryMs: 10_000,
  nextCheckAtMs: nowMs,
};

const unknown = (check: CheckName, why: UnknownWhy): CheckResult => {
  const verdict = { kind: 'unknown', why } as const;
  return {
    check,
    verdict,
    value: undefined,
    threshold: undefined,
    requests: undefined,
    source: 'prometheus',
    windowMs: MINUTE,
  };
};
const judged = (step: Judgement['step']): Judgement => ({ sentinel: PASS, step, alerts: PASS });
const passed = judged(PASS);
const notKnown = (check: CheckName, why: UnknownWhy): Judgement =>
  judged({ verdict: { kind: 'unknown', why }, results: [unknown(check, why)] });
const after = (changes: Partial<Run>, judgement: Judgement, observation: Partial<Observation> = {}): Run =>
  track({ ...holding, ...changes }, { ...seen, ...observation }, judgement);

describe('the next check', () => {
  const next = (changes: Partial<Run>, judgement = passed): number =>
    (after(changes, judgement).nextCheckAtMs ?? Number.NaN) - nowMs;
  const startedAgo = (ms: number): Partial<Run> => ({ stepStartedAtMs: nowMs - ms });

  it('stays where it was in a pass that ran none', () => {
    expect(next({ nextCheckAtMs: nowMs + 1_234 }, judged(undefined))).to.equal(1_234);
  });

  it('comes after checkEvery, which is a second at least, and never after the end of the hold', () => {
    expect(next({})).to.equal(10_000);
    expect(next({ stepCheckEveryMs: 0 })).to.equal(1_000);
    expect(next(startedAgo(55_000))).to.equal(5_000);
    expect(next({ stepStartedAtMs: undefined, stepHoldMs: 4_000 })).to.equal(4_000);
  });

  it('comes within 15 s when one knew nothing, and no later than the end of the hold', () => {
    const slow = { stepCheckEveryMs: 30_000 };
    expect(next(slow)).to.equal(30_000);
    expect(next(slow, notKnown('errorRate', 'PrometheusUnreachable'))).to.equal(15_000);
    expect(next({}, notKnown('errorRate', 'PrometheusUnreachable'))).to.equal(10_000);
    expect(next({ ...slow, ...startedAgo(55_000) }, notKnown('errorRate', 'PrometheusUnreachable'))).to.equal(5_000);
  });

  it('comes within 15 s when the hold is over, from its very last moment on', () => {
    const slow = { stepCheckEveryMs: 30_000 };
    expect(next({ ...slow, ...startedAgo(MINUTE) })).to.equal(15_000);
    expect(next({ ...slow, ...startedAgo(MINUTE + 1) }, notKnown('errorRate', 'NoData'))).to.equal(15_000);
    expect(next({ ...slow, ...startedAgo(MINUTE - 1) })).to.equal(1);
  });
});

describe('the silence of a canary', () => {
  const view = seen.sentinel;
  const silentAt = (silentSinceMs: number | undefined): Partial<Observation> => ({
    sentinel: view && { ...view, silentSinceMs },
  });
  const silence = (run: Partial<Run>, observation: Partial<Observation>): number | undefined =>
    after(run, passed, observation).silentSinceMs;

  it('begins with the last answer, and with the step where that is later', () => {
    expect(silence({}, silentAt(nowMs - 3_000))).to.equal(nowMs - 3_000);
    expect(silence({}, silentAt(nowMs - 30_000))).to.equal(nowMs - 10_000);
    expect(silence({ stepStartedAtMs: undefined }, silentAt(nowMs - 30_000))).to.equal(nowMs - 30_000);
  });

  it('is never in the future', () => {
    expect(silence({}, silentAt(nowMs + 5_000))).to.equal(nowMs);
    expect(silence({ silentSinceMs: nowMs + 5_000 }, { sentinel: undefined })).to.equal(nowMs);
  });

  it('is as old as what was known of it before, and ends with an answer', () => {
    expect(silence({ silentSinceMs: nowMs - 8_000 }, silentAt(nowMs - 3_000))).to.equal(nowMs - 8_000);
    expect(silence({ silentSinceMs: nowMs - 1_000 }, silentAt(nowMs - 3_000))).to.equal(nowMs - 3_000);
    expect(silence({ silentSinceMs: nowMs - 8_000 }, silentAt(undefined))).to.equal(undefined);
  });

  it('stays as it was while nobody looks, and is nothing at weight 0', () => {
    expect(silence({ silentSinceMs: nowMs - 8_000 }, { sentinel: undefined })).to.equal(nowMs - 8_000);
    expect(silence({ weight: 0, silentSinceMs: nowMs - 8_000 }, silentAt(nowMs - 3_000))).to.equal(undefined);
    expect(silence({ weight: undefined, silentSinceMs: nowMs - 8_000 }, silentAt(nowMs - 3_000))).to.equal(undefined);
  });
});

describe('blindness', () => {
  const blind = (run: Partial<Run>, judgement: Judgement): number | undefined => after(run, judgement).blindSinceMs;

  it('begins with the first check that knows nothing, and ends when all know something', () => {
    expect(blind({}, notKnown('errorRate', 'PrometheusUnreachable'))).to.equal(nowMs);
    expect(blind({ blindSinceMs: nowMs - 5_000 }, notKnown('errorRate', 'SeveralSeries'))).to.equal(nowMs - 5_000);
    expect(blind({ blindSinceMs: nowMs - 5_000 }, passed)).to.equal(undefined);
    expect(blind({ blindSinceMs: nowMs - 5_000 }, judged(undefined))).to.equal(nowMs - 5_000);
  });

  it('is neither little traffic, nor few logins, nor a silent canary', () => {
    expect(blind({}, notKnown('errorRate', 'TooLittleTraffic'))).to.equal(undefined);
    expect(blind({}, notKnown('authFailureRate', 'FewLogins'))).to.equal(undefined);
    expect(blind({}, notKnown('serviceDown', 'NoAnswer'))).to.equal(undefined);
  });

  it('is a request series that is missing under traffic, and not at weight 0', () => {
    for (const check of ['errorRate', 'latencyP95'] as const) {
      expect(blind({}, notKnown(check, 'NoData')), check).to.equal(nowMs);
      expect(blind({ weight: 0 }, notKnown(check, 'NoData')), check).to.equal(undefined);
      expect(blind({ weight: undefined }, notKnown(check, 'NoData')), check).to.equal(undefined);
      expect(blind({ weight: 0 }, notKnown(check, 'PrometheusUnreachable')), check).to.equal(nowMs);
    }
    expect(blind({ weight: 0 }, notKnown('dataLoss', 'NoData'))).to.equal(nowMs);
  });
});
