/** What the rules of decide ask of a scene, and what the shell asks of an observation: exposure, replicas, restoration, what is due. */
import { expect } from 'chai';
import { checkpointsDue, checksDue, checkWindowMs, sentinelDue } from '../../../../operator/src/core/checks-due.ts';
import type { DeploymentView, Observation } from '../../../../operator/src/core/observation.ts';
import { isExposed, replicasFor, stableToRestore, type Want } from '../../../../operator/src/core/scene.ts';
import type { Status } from '../../../../operator/src/core/status.ts';
import { asked, QUERY } from '../../../support/operator-core/asking.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, sceneIn } from '../../../support/operator-core/situations.ts';

const seen = (change: Partial<Observation> = {}, status: Partial<Status> = {}): Observation => {
  const observation = observe(worldAt(25));
  return { ...observation, status: { ...observation.status, ...status }, ...change };
};
const invalid = (): Observation['spec'] => {
  const { spec } = seen();
  return { kind: 'invalid', violations: [], usable: spec.kind === 'valid' ? spec.spec : undefined };
};

describe('a scene', () => {
  it('is exposed while the route or our own word gives the canary traffic, or nothing proves that it has none', () => {
    const { run } = sceneIn(worldAt(25));
    const exposed = (live: number | undefined, weight: number | undefined, provenAtMs?: number | null): boolean => {
      const zero =
        provenAtMs === undefined
          ? undefined
          : { requestedAtMs: 1, stage: 'route' as const, provenAtMs: provenAtMs ?? undefined };
      return isExposed({ live, run: { ...run, weight, zero } });
    };
    expect([exposed(1, 0), exposed(0, 1), exposed(undefined, 1)]).to.deep.equal([true, true, true]);
    expect([exposed(0, 0), exposed(0, undefined), exposed(undefined, undefined)]).to.deep.equal([false, false, false]);
    expect([exposed(0, 0, null), exposed(0, 0, 7)]).to.deep.equal([true, false]);
  });

  it('needs pods for a weight by the spec’s replicas, else by stable’s, else one', () => {
    const scene = sceneIn(worldAt(25));
    const needs = (replicas: number | undefined, stable: DeploymentView | undefined): number =>
      replicasFor({ ...scene, spec: { ...scene.spec, replicas }, observation: { ...scene.observation, stable } }, 50);
    const { stable } = scene.observation;
    expect([needs(10, stable), needs(undefined, stable), needs(undefined, undefined)]).to.deep.equal([5, 2, 1]);
  });

  it('restores a stable that is missing or is not what was promoted, where that is known', () => {
    const scene = sceneIn(worldAt(25));
    const restores = (stableRevision: string | undefined, stable: DeploymentView | undefined): Want['stable'] =>
      stableToRestore({
        ...scene,
        run: { ...scene.run, stableRevision },
        observation: { ...scene.observation, stable },
      });
    const { stable } = scene.observation;
    const foreign = stable && { ...stable, revision: 'ffffffffff' };
    expect([
      restores('aaaaaaaaa1', stable),
      restores('aaaaaaaaa1', foreign),
      restores('aaaaaaaaa1', undefined),
    ]).to.deep.equal(['leave', 'previous-template', 'previous-template']);
    expect([restores(undefined, foreign), restores(undefined, undefined)]).to.deep.equal(['leave', 'leave']);
  });
});

describe('the checks of a step', () => {
  it('are due for the revision that runs, with a spec, with traffic or blind, at their time', () => {
    const { nowMs, target } = seen();
    const nextCheckAt = new Date(nowMs).toISOString();
    const due = (change: Partial<Observation>, status: Partial<Status> = {}): boolean =>
      checksDue(seen(change, { nextCheckAt, ...status }));
    expect(due({})).to.equal(true);
    expect(due({ nowMs: nowMs - 1 })).to.equal(false);
    expect(due({ spec: invalid() })).to.equal(false);
    expect([due({ target: undefined }), due({ target: target && { ...target, revision: 'x' } })]).to.deep.equal([
      false,
      false,
    ]);
    expect(due({}, { phase: 'Promoting' })).to.equal(false);
    const route: Observation['route'] = { kind: 'missing' };
    expect([due({ route }, { weight: 0 }), due({ route }, { weight: 0, blindSince: nextCheckAt })]).to.deep.equal([
      false,
      true,
    ]);
    const { nextCheckAt: _unknown, ...status } = seen().status ?? {};
    expect(checksDue({ ...seen(), status })).to.equal(true);
  });

  it('are due once the clock went back by more than their interval and five minutes', () => {
    const at = (aheadMs: number, stepCheckEvery: string): boolean =>
      checksDue(seen({}, { nextCheckAt: new Date(seen().nowMs + aheadMs).toISOString(), stepCheckEvery }));
    expect([at(300_000, '10s'), at(300_001, '10s')]).to.deep.equal([false, true]);
    expect([at(900_000, '15m'), at(900_001, '15m')]).to.deep.equal([false, true]);
  });

  it('look at what the part of a spec that can be read says', () => {
    expect(checkWindowMs(seen({ spec: invalid() }))).to.equal(checkWindowMs(seen()));
    expect(sentinelDue(seen({ spec: invalid() }))).to.equal(true);
  });
});

describe('the sentinel', () => {
  it('looks at a run that has or may have traffic, by the route or our own word', () => {
    const route: Observation['route'] = { kind: 'missing' };
    const due = (status: Partial<Status>): boolean => sentinelDue(seen({ route }, status));
    expect([due({ weight: 1 }), due({ weight: 0 }), due({ phase: 'Promoting' })]).to.deep.equal([true, false, true]);
    expect([due({ phase: 'Zeroed' }), due({ phase: 'Initializing' })]).to.deep.equal([false, false]);
    const zero = { requestedAt: '2030-01-01T00:00:00.000Z', stage: 'route' } as const;
    expect([
      due({ phase: 'Zeroed', zero }),
      due({ phase: 'Zeroed', zero: { ...zero, provenAt: zero.requestedAt } }),
    ]).to.deep.equal([true, false]);
  });
});

describe('checkpoints', () => {
  it('are asked by the leader, with a spec, where nothing else is in the way', () => {
    const { checkpoints: _answers, ...open } = observe(later(asked(QUERY), 2_000));
    expect(checkpointsDue(open)?.stepIndex).to.equal(3);
    const { leader } = open;
    expect(checkpointsDue({ ...open, leader: { ...leader, leaseToken: leader.token + 1 } })).to.equal(undefined);
    const usable = open.spec.kind === 'valid' ? open.spec.spec : undefined;
    expect(checkpointsDue({ ...open, spec: { kind: 'invalid', violations: [], usable } })).to.equal(undefined);
    expect(checkpointsDue(seen())).to.equal(undefined);
  });
});
