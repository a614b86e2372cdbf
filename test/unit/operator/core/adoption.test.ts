/** A first install: which template stable gets, and when it takes all traffic. */
import { expect } from 'chai';
import { adoption } from '../../../../operator/src/core/adoption.ts';
import type { Observation, ProgrammableRoute } from '../../../../operator/src/core/observation.ts';
import type { Run } from '../../../../operator/src/core/run.ts';
import type { Draft } from '../../../../operator/src/core/scene.ts';
import { step } from '../../../support/operator-core/doing.ts';
import { sceneIn } from '../../../support/operator-core/situations.ts';
import { freshWorld, REVISION } from '../../../support/operator-core/world.ts';

type Change = {
  readonly run?: Partial<Run>;
  readonly seen?: Partial<Observation>;
  readonly route?: Partial<ProgrammableRoute>;
  readonly live?: number;
};

/** Stable was made from the target and is ready; the target still has everything. */
function answer({ run, seen, route, live }: Change = {}): Draft | undefined {
  const scene = sceneIn(step(freshWorld()).world);
  return adoption({
    ...scene,
    live: live ?? scene.live,
    route: scene.route && { ...scene.route, ...route },
    run: { ...scene.run, ...run },
    observation: { ...scene.observation, ...seen },
  });
}
const said = (change?: Change): string => `${answer(change)?.reason}: ${answer(change)?.message}`;
const stable = (change: object): Partial<Observation> => {
  const { stable: seen } = sceneIn(step(freshWorld()).world).observation;
  return { stable: seen && { ...seen, ...change } };
};
const condemned = [{ revision: REVISION(1), reason: 'SeverityP0', at: '2030-01-01T00:00:00.000Z' }];
const OTHER = 'ffffffffff';

describe('an adoption', () => {
  it('gives everything to a stable that is ready, whatever the target has become meanwhile', () => {
    expect(answer()).to.deep.include({ reason: 'Adopted', write: 0 });
    expect(answer({ seen: stable({ revision: OTHER }) })).to.deep.include({ reason: 'Adopted', write: 0 });
  });

  it('lets a stable that nobody was sent to follow the target, but never to a revision that a P0 has ended', () => {
    const behind = stable({ revision: OTHER, readyReplicas: 1 });
    expect(said({ seen: behind })).to.equal(`Adopting: api-stable follows the target to ${REVISION(1)}`);
    expect(answer({ seen: behind })?.want).to.deep.equal({ stable: 'target-template' });
    const waiting = 'Adopting: waiting for api-stable: 1 of 4 pods ready';
    expect(said({ seen: behind, run: { condemned } })).to.equal(waiting);
    expect(said({ seen: behind, live: 50 })).to.equal(waiting);
    expect(said({ seen: stable({ readyReplicas: 1 }) })).to.equal(waiting);
    expect(answer({ seen: stable({ readyReplicas: 1 }) })?.want).to.deep.equal({ stable: 'leave' });
  });

  it('writes the weight until the route has it in our notation and our own word says so', () => {
    const at0 = {
      stable: { name: 'api-stable', index: 0, weight: 100 },
      canary: { name: 'api-canary', index: 1, weight: 0 },
    };
    const done: Change = { live: 0, route: at0, run: { weight: 0 } };
    expect(answer(done)?.write).to.equal(undefined);
    expect(answer({ ...done, live: 100 })?.write).to.equal(0);
    expect(answer({ ...done, run: { weight: undefined } })?.write).to.equal(0);
    const odd = { ...at0, stable: { ...at0.stable, weight: 1 } };
    expect(answer({ ...done, route: odd })?.write).to.equal(0);
  });

  it('is nothing once stable serves', () => {
    expect(answer({ run: { phase: 'Progressing' } })).to.equal(undefined);
  });

  it('holds before a Deployment that is not ours, and makes none from a revision that a P0 has ended', () => {
    expect(answer({ seen: stable({ revision: '' }) })?.reason).to.equal('StableForeign');
    expect(said({ seen: { stable: undefined } })).to.equal(
      `Adopting: creating api-stable from revision ${REVISION(1)}`,
    );
    expect(answer({ seen: { stable: undefined }, run: { condemned } })?.reason).to.equal('StableNotFound');
    expect(answer({ seen: { target: undefined } })?.reason).to.equal('TargetNotFound');
  });
});
