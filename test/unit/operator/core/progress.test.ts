/** The rules of a run on its way up, one at a time: what each looks at, and what it leaves to the next. */
import { expect } from 'chai';
import { aboveCeiling, ceilingLifted } from '../../../../operator/src/core/ceiling.ts';
import type { CheckResult, Verdict } from '../../../../operator/src/core/checks.ts';
import type { Judged, Judgement } from '../../../../operator/src/core/judge.ts';
import type { Observation, ProgrammableRoute } from '../../../../operator/src/core/observation.ts';
import { progress } from '../../../../operator/src/core/progress.ts';
import type { Run } from '../../../../operator/src/core/run.ts';
import type { Draft, Scene } from '../../../../operator/src/core/scene.ts';
import type { Spec } from '../../../../operator/src/core/spec.ts';
import type { CheckName } from '../../../../operator/src/core/status.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { failed, later, PASS, readyFor, sceneIn, someSamples } from '../../../support/operator-core/situations.ts';

type Change = {
  readonly run?: Partial<Run>;
  readonly spec?: Partial<Spec>;
  readonly seen?: Partial<Observation>;
  readonly route?: Partial<ProgrammableRoute>;
  readonly judgement?: Partial<Judgement>;
};

/** At 25 %, the hold over, checked and passed, pods for 50 % ready: nothing is in the way but what changes. */
function ripe({ run, spec, seen, route, judgement }: Change = {}): Scene {
  const scene = sceneIn(readyFor(later(worldAt(25), 61_000), 2), { step: PASS, ...judgement });
  const { nowMs } = scene;
  if (scene.route === undefined) throw new Error('no route');
  return {
    ...scene,
    run: { ...scene.run, ...run },
    spec: { ...scene.spec, ...spec },
    route: { ...scene.route, ...route },
    observation: { ...scene.observation, samples: { ...someSamples(), takenAtMs: nowMs }, ...seen },
  };
}
const answer = (change?: Change): Draft | undefined => progress(ripe(change));
const said = (change?: Change): string => {
  const draft = answer(change);
  return `${draft?.kind} ${draft?.reason}${draft?.write === undefined ? '' : ` → ${draft.write}`}: ${draft?.message}`;
};
const result = (check: CheckName, verdict: Verdict): CheckResult => ({
  check,
  verdict,
  value: '9',
  threshold: '1',
  requests: undefined,
  source: 'prometheus',
  windowMs: 60_000,
});
const judged = (...results: readonly (readonly [CheckName, Verdict])[]): Judged => ({
  verdict: results[0]?.[1] ?? { kind: 'pass' },
  results: results.map(([check, verdict]) => result(check, verdict)),
});
const P2: Verdict = { kind: 'fail', severity: 'P2' };

describe('a run on its way', () => {
  it('goes up one step when nothing is in its way', () => {
    expect(said()).to.equal('advance Advanced → 50: from 25% to 50% (step 4 of 5)');
    expect(answer()).to.deep.include({
      stepIndex: 3,
      want: { stable: 'leave', canaryReplicas: { kind: 'at-least', replicas: 2 }, canaryService: 'attached' },
    });
  });

  it('is nobody’s business in another phase', () => {
    expect(answer({ run: { phase: 'Promoting' } })).to.equal(undefined);
    expect(answer({ run: { phase: 'Zeroed' } })).to.equal(undefined);
  });

  it('stands still at weight 0 where it can go no lower: blind, after a P2, or both', () => {
    const blindSinceMs = 0;
    expect(said({ run: { blindSinceMs } })).to.match(/^reduce Blind → 10: /);
    expect(said({ run: { blindSinceMs, weight: 0 } })).to.equal(
      'hold Blind: weight 0 until Prometheus answers the checks again',
    );
    const step = judged(['errorRate', P2]);
    expect(said({ run: { weight: 0 }, judgement: { step } })).to.equal(
      'hold SeverityP2: P2 errorRate 9 (limit 1): waiting for the team lead',
    );
    expect(said({ run: { weight: 1 }, judgement: { step } })).to.match(/^reduce SeverityP2 → 1: .* from 1% down to 1%/);
  });

  it('is halved by a P2 that the matrix reduces for, and held by one that it holds for', () => {
    const reduced = said({ judgement: { step: judged(['complaints', P2], ['latencyP95', P2]) } });
    expect(reduced).to.match(/^reduce SeverityP2 → 12: .* from 25% down to 12%, approval of team-lead needed/);
    const others: readonly (readonly [CheckName, Verdict])[] = [
      ['errorRate', { kind: 'pass' }],
      ['latencyP95', { kind: 'unknown', why: 'NoData' }],
      ['latencyP95', { kind: 'fail', severity: 'P3' }],
    ];
    const { nowMs } = ripe();
    const held = answer({ judgement: { step: judged(['complaints', P2], ...others) } });
    expect(held).to.deep.include({ kind: 'hold', reason: 'SeverityP2' });
    expect(held?.run).to.deep.equal({
      approvalNeeded: { role: 'team-lead', stepIndex: 2, sinceMs: nowMs },
      stepStartedAtMs: nowMs,
    });
  });

  it('proves a ceiling’s zero before it goes on, and calls for help at the last stage', () => {
    const { nowMs } = ripe();
    const zero = (agoMs: number) => ({ requestedAtMs: nowMs - agoMs, stage: 'route', provenAtMs: undefined }) as const;
    const at0 = (agoMs: number, quietSinceMs?: number): string => {
      const { sentinel } = ripe().observation;
      const seen = sentinel && { sentinel: { ...sentinel, takenAtMs: nowMs, quietSinceMs } };
      const scene = ripe({ run: { weight: 0, zero: zero(agoMs) }, ...(seen && { seen }) });
      const draft = progress({ ...scene, live: 0 });
      return `${draft?.kind} ${draft?.reason}: ${draft?.message}`;
    };
    expect(at0(1_000)).to.match(/^hold ProvingZero: /);
    expect(at0(9_000_000)).to.match(/^hold ZeroNotProven: /);
    expect(at0(5_000, nowMs - 60_000)).to.equal('hold ProvingZero: no request reaches the canary any more');
    expect(said({ run: { zero: zero(1_000) } }), 'at 25 % there is no zero to prove').to.match(/^advance /);
  });

  it('holds until its hold is over, and says until when', () => {
    const { nowMs, run } = ripe();
    const stepStartedAtMs = nowMs - run.stepHoldMs;
    expect(said({ run: { stepStartedAtMs } })).to.match(/^advance /);
    const until = new Date(nowMs + 1).toISOString();
    expect(said({ run: { stepStartedAtMs: stepStartedAtMs + 1 } })).to.equal(
      `hold Holding: step 2 at 25% until ${until}`,
    );
  });
});

describe('more traffic', () => {
  it('needs checks of this pass that passed, and a sentinel that looked', () => {
    const again = 'hold StaleSamples: the hold is over: running the checks once more';
    const { judgement, observation, ...scene } = ripe();
    const { step: _step, ...unjudged } = judgement;
    expect(progress({ ...scene, observation, judgement: { ...unjudged, step: undefined } })?.message).to.equal(
      again.replace('hold StaleSamples: ', ''),
    );
    expect(said({ seen: { samples: undefined } })).to.equal(again);
    const old = 'hold StaleSamples: the newest samples are too old to answer them with more traffic';
    const takenAt = (agoMs: number): Change => ({
      seen: { samples: { ...someSamples(), takenAtMs: scene.nowMs - agoMs } },
    });
    expect([said(takenAt(3_001)), said(takenAt(3_000)).slice(0, 7)]).to.deep.equal([old, 'advance']);
    expect(said({ judgement: { sentinel: failed('P3') } })).to.equal(old);
  });

  it('is not given to what is not known, whose checks are named', () => {
    const unknown = (why: 'NoData' | 'TooLittleTraffic'): string => {
      const verdict: Verdict = { kind: 'unknown', why };
      return said({ judgement: { step: judged(['latencyP95', verdict], ['errorRate', { kind: 'pass' }]) } });
    };
    expect(unknown('NoData')).to.equal('hold Unknown: not known: latencyP95 (NoData)');
    expect(unknown('TooLittleTraffic')).to.equal('hold TooLittleTraffic: not known: latencyP95 (TooLittleTraffic)');
  });

  it('needs a stable that is what was last promoted', () => {
    const { stable } = ripe().observation;
    const foreign = stable && { ...stable, revision: 'ffffffffff' };
    expect(said({ seen: { stable: foreign } })).to.equal(
      'hold StableNotReady: stable runs ffffffffff and is on its way back to aaaaaaaaa1',
    );
    expect(said({ seen: { stable: foreign }, run: { stableRevision: undefined } })).to.match(/ back to unknown$/);
  });

  it('needs our fence and our record on the route: the record comes with the weight that we have', () => {
    const { nowMs } = ripe();
    const claim = 'hold FenceNotClaimed: writing our fence into the route before anything rises';
    expect(said({ route: { fence: '7' } })).to.equal(claim);
    expect(answer({ route: { fence: '7' } })?.run).to.deep.equal({ nextCheckAtMs: nowMs });
    expect(said({ route: { write: undefined } })).to.equal(claim.replace('Claimed:', 'Claimed → 25:'));
    expect(said({ run: { weight: 26 } })).to.equal(claim.replace('Claimed:', 'Claimed → 26:'));
  });

  it('needs the pods of the next step, ready, behind the canary Service that selects them and no others', () => {
    const { target, services } = ripe().observation;
    const wait = 'hold CanaryNotReady: 50% needs 2 ready canary pods behind the canary Service; 2 of 2 are ready';
    const selector = (labels: Readonly<Record<string, string>>): Change => ({
      seen: { services: { ...services, canary: { name: 'api-canary', selector: labels } } },
    });
    const own = target?.selector ?? {};
    expect(said(selector(own))).to.match(/^advance /);
    expect(said(selector({ app: 'api' }))).to.equal(wait);
    expect(said(selector({ ...own, more: 'x' }))).to.equal(wait);
    expect(said(selector({ app: 'api', 'latchkey.dev/track': 'stable' }))).to.equal(wait);
    expect(said({ seen: { services: { ...services, canary: undefined } } })).to.equal(wait);
    expect(said({ seen: { target: undefined } })).to.equal(wait.replace('2 of 2', '0 of 0'));
    expect(answer(selector({}))?.run).to.deep.equal({ nextCheckAtMs: ripe().nowMs });
  });

  it('keeps the last twenty approvals that were spent', () => {
    const used = Array.from({ length: 25 }, (_, index) => ({
      uid: `${index}`,
      by: 'engineer',
      role: 'on-call' as const,
    }));
    expect(answer({ run: { approvalsUsed: used } })?.run?.approvalsUsed).to.deep.equal(used.slice(-20));
  });
});

describe('the pods of the next step', () => {
  const replicas = (change: Change): unknown => answer(change)?.want?.canaryReplicas;
  const holding = (share: number): Partial<Run> => {
    const { run, nowMs } = ripe();
    return { stepStartedAtMs: nowMs - run.stepHoldMs * share };
  };
  const [now, next] = [1, 2].map((count) => ({ kind: 'at-least', replicas: count }));

  it('are made in the second half of the hold', () => {
    expect([replicas({ run: holding(0.49) }), replicas({ run: holding(0.5) })]).to.deep.equal([now, next]);
  });

  it('are not made where nothing may rise: paused, blind, waiting for approval, or at the ceiling', () => {
    const run = holding(0.5);
    expect(replicas({ run, spec: { paused: true } })).to.deep.equal(now);
    expect(replicas({ run, spec: { maxWeight: 49 } })).to.deep.equal(now);
    expect(replicas({ run, spec: { maxWeight: 50 } })).to.deep.equal(next);
    expect(replicas({ run: { ...run, blindSinceMs: ripe().nowMs } })).to.deep.equal(now);
    const approvalNeeded = { role: 'on-call', stepIndex: 2, sinceMs: 1 } as const;
    expect(replicas({ run: { ...run, approvalNeeded } })).to.deep.equal(now);
  });

  it('are none for a weight of 0 that may not rise', () => {
    expect(answer({ run: { ...holding(0.1), weight: 0 }, spec: { paused: true } })?.want).to.deep.equal({
      stable: 'leave',
    });
  });
});

describe('a ceiling', () => {
  it('is for a run under way: nothing else has a canary that it could lower', () => {
    const above = (phase: Run['phase']): unknown =>
      aboveCeiling(ripe({ run: { phase }, spec: { maxWeight: 7 } }))?.write;
    expect([above('Progressing'), above('Promoting')]).to.deep.equal([7, 7]);
    expect([above('Initializing'), above('Succeeded'), above('Zeroed'), above('RolledBack')]).to.deep.equal(
      Array.from({ length: 4 }, () => undefined),
    );
  });

  it('lowers what is above it on the route and in our own word, and detaches at 0 where there is no route', () => {
    const at = (live: number | undefined, maxWeight: number): Draft | undefined =>
      aboveCeiling({ ...ripe({ spec: { maxWeight } }), live });
    expect([at(8, 7)?.write, at(7, 7), at(25, 25)]).to.deep.equal([7, undefined, undefined]);
    expect([at(undefined, 7), at(undefined, 0)?.want?.canaryService]).to.deep.equal([undefined, 'detached']);
  });

  it('that is lifted begins the earlier of the run’s step and the weight’s, with the figures of the schedule', () => {
    const lifted = (run: Partial<Run>): Draft['run'] => ceilingLifted(ripe({ run: { loweredTo: 7, ...run } }))?.run;
    const { nowMs } = ripe();
    const figures = { stepHoldMs: 60_000, stepCheckEveryMs: 10_000 };
    const old = { stepHoldMs: 7, stepCheckEveryMs: 9 };
    expect(lifted({ weight: 7, stepIndex: 3, ...old })).to.deep.equal({
      loweredTo: undefined,
      stepIndex: 1,
      stepStartedAtMs: nowMs,
      ...figures,
      nextCheckAtMs: nowMs,
    });
    expect(lifted({ weight: 7, stepIndex: 0 })?.stepIndex).to.equal(0);
    expect(ceilingLifted(ripe())).to.equal(undefined);
  });
});
