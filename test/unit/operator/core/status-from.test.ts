import { expect } from 'chai';
import { requeueAfterMs } from '../../../../operator/src/core/requeue.ts';
import { CONDITION_TYPES, statusSchema } from '../../../../operator/src/core/status.ts';
import { adoptedWorld, inPhase, runUntil, step, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, rolledBack, SITUATIONS, zeroed } from '../../../support/operator-core/situations.ts';
import { deploy, freshWorld, type World } from '../../../support/operator-core/world.ts';

const conditions = (world: World): Readonly<Record<string, string>> =>
  Object.fromEntries((world.status?.conditions ?? []).map(({ type, status }) => [type, status]));

/** kubectl wait works on each of these. */
const TABLE: readonly (readonly [string, () => World, string])[] = [
  [
    'adopting',
    () => step({ ...freshWorld(), podsStart: false }).world,
    'Reconciling Progressing MetricsAvailable? RouteProgrammed?',
  ],
  ['up to date', () => step(adoptedWorld()).world, 'Ready MetricsAvailable? RouteProgrammed'],
  ['progressing', () => step(worldAt(25)).world, 'Reconciling Progressing MetricsAvailable RouteProgrammed'],
  [
    'paused',
    () => step({ ...worldAt(25), spec: { ...worldAt(25).spec, paused: true } }).world,
    'Reconciling Paused MetricsAvailable RouteProgrammed',
  ],
  ['zeroed', () => step(later(zeroed(), 2_000)).world, 'Stalled Degraded MetricsAvailable RouteProgrammed'],
  ['rolled back', () => step(later(rolledBack(), 2_000)).world, 'Stalled Degraded MetricsAvailable RouteProgrammed'],
  [
    'without a target',
    () => step({ ...adoptedWorld(), target: undefined }).world,
    'Stalled MetricsAvailable? RouteProgrammed',
  ],
  ['without a route', () => step({ ...worldAt(25), route: undefined }).world, 'Stalled MetricsAvailable'],
  [
    'stable unready',
    () => step({ ...worldAt(25), stable: worldAt(25).stable && { ...worldAt(25).stable, ready: 1 } } as World).world,
    'Reconciling Progressing Degraded MetricsAvailable RouteProgrammed',
  ],
];

describe('the status', () => {
  for (const [situation, make, expected] of TABLE) {
    it(`${situation}: ${expected}`, () => {
      const found = conditions(make());
      expect(Object.keys(found)).to.deep.equal([...CONDITION_TYPES]);
      const marks = { True: '', Unknown: '?', False: undefined } as const;
      const shown = Object.entries(found).flatMap(([type, status]) => {
        const mark = marks[status as keyof typeof marks];
        return mark === undefined ? [] : [`${type}${mark}`];
      });
      expect(shown.join(' ')).to.equal(expected);
    });
  }

  it('fits its own schema in every situation, and so the CRD', () => {
    for (const make of Object.values(SITUATIONS)) statusSchema.parse(step(make()).world.status);
  });

  it('does not change when nothing does, so that a quiet rollout writes nothing', () => {
    for (const make of [adoptedWorld, () => step(later(rolledBack(), 2_000)).world, () => worldAt(25)]) {
      const first = step(later(make(), 1_000)).world;
      const second = step(later(first, 1_000)).world;
      expect(second.status).to.deep.equal(first.status);
    }
  });

  it('moves lastTransitionTime only when a condition changes its status', () => {
    const before = worldAt(5);
    const after = runUntil(before, (world) => world.status?.weight === 10);
    const time = (world: World, type: string): string | undefined =>
      world.status?.conditions?.find((condition) => condition.type === type)?.lastTransitionTime;
    expect(time(after, 'Progressing')).to.equal(time(before, 'Progressing'));
    const done = runUntil({ ...before, health: 'P0' }, inPhase('RolledBack'));
    expect(time(done, 'Progressing')).not.to.equal(time(before, 'Progressing'));
  });

  it('carries the generation it was made from', () => {
    const world = step({ ...worldAt(25), generation: 7 }).world;
    expect(world.status?.observedGeneration).to.equal(7);
    expect(world.status?.conditions?.every(({ observedGeneration }) => observedGeneration === 7)).to.equal(true);
  });

  it('keeps its lists bounded over a hundred revisions', () => {
    let world = adoptedWorld();
    for (let number = 2; number < 54; number += 1) {
      world = runUntil({ ...deploy(world, number), health: 'good' }, (next) => next.status?.weight === 5);
      world = runUntil({ ...world, health: 'P0' }, (next) => next.status?.zero?.provenAt !== undefined);
    }
    expect(world.status?.history?.length).to.equal(10);
    expect(world.status?.condemned?.length).to.equal(50);
  });
});

describe('the next look', () => {
  const requeue = (world: World): number => {
    const { observation, decision } = think(observe(world));
    return requeueAfterMs(observation, decision, { kind: 'done' });
  };

  it('comes when the next check is due, not later', () => {
    const world = step(worldAt(25)).world;
    expect(requeue(later(world, 9_000))).to.equal(1_000);
  });

  it('comes each second while zero is not proven or pods are awaited', () => {
    expect(requeue({ ...rolledBack(), quiet: false })).to.equal(1_000);
    expect(requeue({ ...freshWorld(), podsStart: false })).to.equal(1_000);
  });

  it('comes slowly when only a person can help', () => {
    expect(requeue({ ...freshWorld(), target: undefined })).to.equal(60_000);
    expect(requeue(adoptedWorld())).to.equal(7_200_000);
  });

  it('comes at once after a conflict', () => {
    const { observation, decision } = think(observe(worldAt(25)));
    expect(requeueAfterMs(observation, decision, { kind: 'conflict', at: 0, code: 'TestFailed' })).to.equal(0);
  });
});
