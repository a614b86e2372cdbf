/** What a changed template means, and what the phases at weight 0 prove, keep and take away. */
import { expect } from 'chai';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import { promotion } from '../../../../operator/src/core/promotion.ts';
import { rolledBack, upToDate, zeroed } from '../../../../operator/src/core/resting.ts';
import { condemnedRevision, newRevision, revisionWithdrawn } from '../../../../operator/src/core/revision-rules.ts';
import type { Run } from '../../../../operator/src/core/run.ts';
import type { Draft, Rule, Scene } from '../../../../operator/src/core/scene.ts';
import { adoptedWorld, step, worldAt } from '../../../support/operator-core/doing.ts';
import * as situations from '../../../support/operator-core/situations.ts';
import type { World } from '../../../support/operator-core/world.ts';

const { later, sceneIn } = situations;

type Change = { readonly run?: Partial<Run>; readonly seen?: Partial<Observation> };

const changed = (scene: Scene, { run, seen }: Change): Scene => ({
  ...scene,
  run: { ...scene.run, ...run },
  observation: { ...scene.observation, ...seen },
});
const answer = (rule: Rule, world: World, change: Change = {}): Draft | undefined =>
  rule(changed(sceneIn(world), change));
const at25 = (): World => worldAt(25);
const STABLE = 'aaaaaaaaa1';
const OWN = 'aaaaaaaaa2';
const target = (revision: string): Partial<Observation> => {
  const { target: seen } = sceneIn(at25()).observation;
  return { target: seen && { ...seen, revision } };
};
const stable = (change: object): Partial<Observation> => {
  const { stable: seen } = sceneIn(at25()).observation;
  return { stable: seen && { ...seen, ...change } };
};

describe('a template', () => {
  it('that is stable’s again ends the run, and stable keeps or gets it', () => {
    const back = answer(revisionWithdrawn, at25(), { seen: target(STABLE) });
    expect(back).to.deep.include({ kind: 'zero', write: 0, revision: STABLE, want: { stable: 'leave' } });
    const half = answer(revisionWithdrawn, at25(), { seen: { ...target(STABLE), ...stable({ revision: OWN }) } });
    const none = answer(revisionWithdrawn, at25(), { seen: { ...target(STABLE), stable: undefined } });
    expect([half?.want, none?.want]).to.deep.equal([{ stable: 'target-template' }, { stable: 'target-template' }]);
  });

  it('that is stable’s is nothing new once the run is over', () => {
    const over = (run: Partial<Run>): unknown =>
      answer(revisionWithdrawn, at25(), { seen: target(STABLE), run })?.reason;
    expect(over({ phase: 'Succeeded', revision: STABLE })).to.equal(undefined);
    expect(over({ phase: 'Zeroed', revision: STABLE })).to.equal('RevisionWithdrawn');
    expect(over({ phase: 'Succeeded', revision: OWN })).to.equal('RevisionWithdrawn');
    expect(answer(revisionWithdrawn, at25(), { seen: { target: undefined } })).to.equal(undefined);
  });

  it('that a P0 has ended stays at 0, whatever run it comes back in', () => {
    const condemned = [
      { revision: 'other', reason: 'SeverityP0', at: '2030-01-01T00:00:09.000Z' },
      { revision: OWN, reason: 'SeverityP0', at: '2030-01-01T00:00:00.000Z' },
    ];
    const found = (run: Partial<Run>): Draft | undefined =>
      answer(condemnedRevision, at25(), { run: { condemned, ...run } });
    expect(found({})).to.deep.include({ kind: 'zero', write: 0, revision: OWN });
    expect(found({})?.message).to.include('rolled back at 2030-01-01T00:00:00.000Z');
    expect(found({ phase: 'RolledBack' }), 'it is there already').to.equal(undefined);
    expect(found({ phase: 'RolledBack', revision: 'aaaaaaaaa3' })?.reason).to.equal('CondemnedRevision');
    expect(found({ stableRevision: OWN }), 'stable serves it').to.equal(undefined);
    expect(answer(condemnedRevision, at25())).to.equal(undefined);
  });

  it('that is new begins a run, and one that stable had got meanwhile is what stable serves', () => {
    const anew = (run: Partial<Run>, seen: Partial<Observation> = {}): Draft | undefined =>
      answer(newRevision, at25(), { run, seen: { ...target('aaaaaaaaa3'), ...seen } });
    expect(anew({})).to.deep.include({ kind: 'zero', reason: 'NewRevision', write: 0, revision: 'aaaaaaaaa3' });
    expect(anew({ stableRevision: 'aaaaaaaaa3' })).to.equal(undefined);
    expect(answer(newRevision, at25())).to.equal(undefined);
    const copied = stable({ revision: OWN });
    expect(anew({ phase: 'Promoting' }, copied)?.run).to.deep.equal({ stableRevision: OWN });
    expect([anew({ phase: 'Promoting' })?.run, anew({}, copied)?.run]).to.deep.equal([undefined, undefined]);
    expect(anew({ phase: 'Promoting' }, { stable: undefined })?.run).to.equal(undefined);
  });
});

describe('a rest', () => {
  const proven = (world: World): World => step(later(world, 2_000)).world;
  const rolled = (): World => proven(situations.rolledBack());
  const waiting = (): World => proven(situations.zeroed());
  const NO_PODS = { kind: 'exactly', replicas: 0 };

  it('after a P0 takes the pods, and gives the Service back to them where no request came to the end', () => {
    const want = (stage: 'route' | 'replicas' | 'alert' | undefined, currentReplicas: number | undefined): unknown => {
      const scene = sceneIn(rolled());
      const { zero } = scene.run;
      const { target: seen } = scene.observation;
      const run = { zero: stage && zero && { ...zero, stage } };
      const gone = currentReplicas === undefined ? undefined : seen && { ...seen, currentReplicas, replicas: 0 };
      return rolledBack(changed(scene, { run, seen: { target: gone } }))?.want;
    };
    const kept = { canaryReplicas: NO_PODS, canaryService: 'leave', stable: 'leave' };
    expect(want('route', 0)).to.deep.equal({ ...kept, canaryService: 'attached' });
    expect([want('route', 1), want('replicas', 0), want('alert', 0), want('route', undefined)]).to.deep.equal([
      kept,
      kept,
      kept,
      kept,
    ]);
  });

  it('after a P0 says since when, of its own revision', () => {
    const other = { revision: 'other', reason: 'SeverityP0', at: '2030-01-01T00:00:09.000Z' };
    const { run } = sceneIn(rolled());
    const own = run.condemned.find(({ revision }) => revision === run.revision);
    const message = (condemned: Run['condemned']): string | undefined =>
      answer(rolledBack, rolled(), { run: { condemned } })?.message;
    expect(message([other, ...run.condemned])).to.include(`rolled back at ${own?.at}`);
    expect(message([other])).to.include('rolled back at an earlier time');
  });

  it('restores stable while it proves zero and after', () => {
    const foreign = { ...stable({ revision: 'ffffffffff' }), previousTemplate: {} };
    for (const world of [rolled(), situations.rolledBack()])
      expect(answer(rolledBack, world, { seen: foreign })?.want?.stable).to.equal('previous-template');
    for (const world of [waiting(), situations.zeroed()])
      expect(answer(zeroed, world, { seen: foreign })?.want?.stable).to.equal('previous-template');
  });

  it('that is no rest of its own is another rule’s', () => {
    expect([answer(rolledBack, at25()), answer(zeroed, at25()), answer(upToDate, at25())]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('calls for help where nothing proves zero to the end', () => {
    const scene = sceneIn({ ...situations.rolledBack(), quiet: false });
    const zero = (stage: 'route' | 'alert') => ({ requestedAtMs: scene.nowMs - 1, stage, provenAtMs: undefined });
    const reason = (stage: 'route' | 'alert'): unknown =>
      rolledBack(changed(scene, { run: { zero: zero(stage) } }))?.reason;
    expect([reason('route'), reason('alert')]).to.deep.equal(['ProvingZero', 'ZeroNotProven']);
  });

  it('after success gives stable what it was promoted to, and first proves that the canary is empty', () => {
    const world = proven(adoptedWorld());
    expect(answer(upToDate, world)?.want).to.include({ stable: 'leave' });
    expect(answer(upToDate, world, { seen: stable({ revision: 'ffffffffff' }) })?.want).to.include({
      stable: 'target-template',
    });
    expect(answer(upToDate, world, { seen: { stable: undefined } })?.want).to.include({ stable: 'target-template' });
    const { nowMs, observation } = sceneIn(world);
    const zero = { requestedAtMs: nowMs - 1, stage: 'route', provenAtMs: undefined } as const;
    const { target: seen } = observation;
    const busy = { target: seen && { ...seen, currentReplicas: 1, replicas: 1 } };
    expect(answer(upToDate, world, { run: { zero }, seen: { ...busy, sentinel: undefined } })?.reason).to.equal(
      'ProvingZero',
    );
  });
});

describe('a promotion', () => {
  const promoting = (change: Change, live = 100): Draft | undefined => {
    const scene = changed(sceneIn(later(worldAt(100), 61_000)), change);
    return promotion({ ...scene, live, run: { ...scene.run, phase: 'Promoting', ...change.run } });
  };
  const copied = (change: object = {}): Partial<Observation> => stable({ revision: OWN, ...change });

  it('copies the revision to a stable that is missing or runs another', () => {
    expect(promoting({})?.want).to.deep.equal({ stable: 'target-template' });
    expect(promoting({ seen: { stable: undefined } })?.want).to.deep.equal({ stable: 'target-template' });
    expect(promoting({ seen: copied() })?.reason).to.equal('Promoted');
  });

  it('is stuck when stable is not ready for more than ten minutes', () => {
    const { nowMs } = sceneIn(later(worldAt(100), 61_000));
    const since = (ms: number | undefined): string | undefined => {
      const stepStartedAtMs = ms === undefined ? undefined : nowMs - ms;
      return promoting({ seen: copied({ readyReplicas: 1, updatedReplicas: 3 }), run: { stepStartedAtMs } })?.reason;
    };
    expect([since(600_000), since(600_001), since(undefined)]).to.deep.equal([
      'Promoting',
      'PromotionStuck',
      'Promoting',
    ]);
    expect(promoting({ seen: copied({ readyReplicas: 1, updatedReplicas: 3 }) })?.message).to.match(/^1 of 4 pods/);
  });

  it('is over when no request and no pod is left', () => {
    const { nowMs, observation } = sceneIn(later(worldAt(100), 61_000));
    const { sentinel, target: seen } = observation;
    const zero = { requestedAtMs: nowMs - 9_000, stage: 'route', provenAtMs: nowMs - 1_000 } as const;
    const ended = (gone: Partial<Observation>, stage: 'route' | 'alert', provenAtMs?: number): Draft | undefined =>
      promoting({ seen: { ...copied(), sentinel, ...gone }, run: { zero: { ...zero, stage, provenAtMs } } }, 0);
    const empty = { target: seen && { ...seen, currentReplicas: 0, replicas: 0 } };
    expect(ended(empty, 'route', nowMs)?.run).to.deep.include({ phase: 'Succeeded', stableRevision: OWN });
    expect(ended({ target: undefined }, 'route', nowMs)?.run?.phase).to.equal('Succeeded');
    expect(ended({}, 'route', nowMs)?.run).to.not.have.property('phase');
    expect([ended({}, 'route')?.reason, ended({}, 'alert')?.reason]).to.deep.equal(['ProvingZero', 'ZeroNotProven']);
  });
});
