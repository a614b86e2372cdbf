import { expect } from 'chai';
import type { CheckResult } from '../../../../operator/src/core/checks.ts';
import type { Judgement } from '../../../../operator/src/core/judge.ts';
import type { Severity } from '../../../../operator/src/core/matrix.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import type { Run } from '../../../../operator/src/core/run.ts';
import type { Scene } from '../../../../operator/src/core/scene.ts';
import type { CheckName, ZeroStage } from '../../../../operator/src/core/status.ts';
import { describeFailures, describeProof, settle, severeVerdict } from '../../../../operator/src/core/zero.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { sceneIn, zeroed } from '../../../support/operator-core/situations.ts';

const result = (check: CheckName, severity: Severity | undefined, requests?: number): CheckResult => ({
  check,
  verdict: severity === undefined ? { kind: 'pass' } : { kind: 'fail', severity },
  value: '9%',
  threshold: '1%',
  requests,
  source: 'sentinel',
  windowMs: 1_000,
});
const judgedAs = (severity: Severity, check: CheckName): Judgement['sentinel'] => ({
  verdict: { kind: 'fail', severity },
  results: [result(check, severity, 40)],
});

describe('a severe verdict', () => {
  const answer = (judgement: Partial<Judgement>, world = worldAt(25)) => {
    const scene = sceneIn(world);
    return severeVerdict({ ...scene, judgement: { ...scene.judgement, ...judgement } });
  };

  it('is the worst of sentinel, alerts and checks, whoever has it', () => {
    const [p0, p1] = [judgedAs('P0', 'errorRate'), judgedAs('P1', 'latencyP95')];
    for (const judgement of [
      { sentinel: p1, step: p0 },
      { sentinel: p0, step: p1 },
      { sentinel: p1, alerts: p0 },
      { alerts: p0, step: p1 },
      { sentinel: p1, alerts: p1, step: p0 },
    ]) {
      expect(answer(judgement)).to.deep.include({ kind: 'rollback', severity: 'P0', write: 0 });
      expect(answer(judgement)?.message).to.match(/^P0 errorRate 9% \(limit 1%, 40 requests\): rolled back/);
    }
    expect(answer({ sentinel: p1 })).to.deep.include({ kind: 'zero', severity: 'P1', write: 0 });
  });

  it('is told in the words of the first who has it', () => {
    const [first, second] = [judgedAs('P1', 'errorRate'), judgedAs('P1', 'latencyP95')];
    expect(answer({ sentinel: first, step: second })?.message).to.include('P1 errorRate');
    expect(answer({ sentinel: second, step: first })?.message).to.include('P1 latencyP95');
  });

  it('leaves the Services alone while there is a route to patch, and turns the canary’s away when there is none', () => {
    const scene = sceneIn(worldAt(25));
    const judgement = { ...scene.judgement, sentinel: judgedAs('P0', 'errorRate') };
    expect(severeVerdict({ ...scene, judgement })?.want).to.not.have.property('canaryService');
    const routeless = severeVerdict({ ...scene, judgement, route: undefined, live: undefined });
    expect(routeless?.want?.canaryService).to.equal('detached');
  });

  it('is told with the figures of the checks that have it, and of no others', () => {
    const results = [
      result('errorRate', 'P1', 40),
      result('latencyP95', 'P2', 40),
      result('dataLoss', undefined),
      result('databaseErrors', 'P1'),
    ];
    expect(describeFailures(results, 'P1')).to.equal(
      'P1 errorRate 9% (limit 1%, 40 requests); P1 databaseErrors 9% (limit 1%)',
    );
    expect(describeFailures(results, 'P0')).to.equal('');
  });
});

describe('the proof of zero', () => {
  const empty = sceneIn(zeroed());
  const { nowMs } = empty;
  const proveWithinMs = empty.spec.proveWithinMs;
  const view = empty.observation.sentinel;
  if (view === undefined) throw new Error('nobody looks');
  const asked = (agoMs: number, stage: ZeroStage = 'route'): Partial<Run> => ({
    zero: { requestedAtMs: nowMs - agoMs, stage, provenAtMs: undefined },
  });
  const settled = (run: Partial<Run>, observation: Partial<Observation> = {}, scene: Partial<Scene> = {}) =>
    settle({
      ...empty,
      ...scene,
      run: { ...empty.run, ...run },
      observation: { ...empty.observation, ...observation },
    });
  const busy = { sentinel: { ...view, quietSinceMs: undefined } };
  const quietFor = (ms: number) => ({ sentinel: { ...view, takenAtMs: nowMs, quietSinceMs: nowMs - ms } });

  it('brings the next stage with each span without proof, and stays at the last', () => {
    const stages = [0, 1, 2, 3, 4, 9].map((spans) => settled(asked(spans * proveWithinMs + 1), busy).zero.stage);
    expect(stages).to.deep.equal(['route', 'selector', 'replicas', 'alert', 'alert', 'alert']);
  });

  it('takes no stage back, and begins with the selector where there is no route', () => {
    expect(settled(asked(1, 'replicas'), busy).zero.stage).to.equal('replicas');
    expect(settled(asked(1), busy, { route: undefined }).zero.stage).to.equal('selector');
    expect(settled(asked(1), quietFor(60_000), { route: undefined }).zero.stage).to.equal('selector');
  });

  it('is a second of silence since the request, at every pod, on a route that says 0', () => {
    const isProven = (...args: Parameters<typeof settled>): boolean => settled(...args).isProven;
    expect(isProven(asked(5_000), quietFor(60_000))).to.equal(true);
    expect(isProven(asked(1_000), quietFor(60_000))).to.equal(true);
    expect(isProven(asked(999), quietFor(60_000))).to.equal(false);
    expect(isProven(asked(5_000), quietFor(999))).to.equal(false);
    expect(isProven(asked(5_000), quietFor(60_000), { live: 5 })).to.equal(false);
    expect(isProven(asked(5_000), busy)).to.equal(false);
    expect(isProven(asked(5_000), { sentinel: undefined })).to.equal(false);
  });

  it('is that no pod is left and none is wanted, whoever looks', () => {
    const { target } = empty.observation;
    if (target === undefined) throw new Error('no target');
    const left = (currentReplicas: number, replicas: number): boolean =>
      settled(asked(1), { ...busy, target: { ...target, currentReplicas, replicas } }).isProven;
    expect([left(0, 0), left(1, 0), left(0, 1)]).to.deep.equal([true, false, false]);
    expect(settled(asked(1), { ...busy, target: undefined }).isProven).to.equal(true);
  });

  it('stays proven, from when it was', () => {
    const provenAtMs = nowMs - 4_000;
    const zero = { requestedAtMs: nowMs - 9_000, stage: 'selector', provenAtMs } as const;
    const again = settled({ zero }, busy);
    expect([again.isProven, again.zero, again.want]).to.deep.equal([true, zero, {}]);
  });

  it('is told by its stage', () => {
    const told = (['route', 'selector', 'replicas', 'alert'] as const).map((stage) =>
      describeProof(settled(asked(1, stage), busy)),
    );
    expect(told[0]).to.include('stands still');
    expect(told[1]).to.include("selects stable's pods");
    expect(told[2]).to.include('scaling it to 0');
    expect(told[3]).to.include('look at the gateway');
  });
});
