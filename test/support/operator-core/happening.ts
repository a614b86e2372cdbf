/** What happens to a world in a story. Used by stories.test.ts and corner-stories.test.ts. */

import { approvalFor, withApprovals } from './approving.ts';
import { step, worldAt } from './doing.ts';
import { later } from './situations.ts';
import type { Chapter } from './telling.ts';
import type { Health, World } from './world.ts';

export const next = (title: string, change: (world: World) => World, passes = 8): Chapter => ({
  title,
  change,
  passes,
});
export const begin = (passes = 8): Chapter => next('it begins', (world) => world, passes);
export const gets =
  (health: Health) =>
  (world: World): World => ({ ...world, health });
export const edited =
  (changes: object) =>
  (world: World): World => ({ ...world, spec: { ...world.spec, ...changes }, generation: world.generation + 1 });
export const weights =
  (stable: number, canary: number) =>
  (world: World): World => ({
    ...world,
    routeVersion: world.routeVersion + 1,
    route: world.route && {
      ...world.route,
      stable: { ...world.route.stable, weight: stable },
      canary: { ...world.route.canary, weight: canary },
    },
  });
export const approved = (world: World): World => withApprovals(world, [approvalFor(world)]);
export const without =
  (...keys: readonly ('route' | 'target' | 'stable')[]) =>
  (world: World): World => ({ ...world, ...Object.fromEntries(keys.map((key) => [key, undefined])) });
export const deleted = (world: World): World => ({ ...world, deleting: true });
export const promoting = (): World => step({ ...later(worldAt(100), 61_000), podsStart: false }).world;
export const noPods =
  (which: 'target' | 'stable') =>
  (world: World): World => ({
    ...world,
    podsStart: false,
    [which]: world[which] && { ...world[which], ready: 0 },
  });

/** The pods that were not ready are. */
export const started =
  (which: 'target' | 'stable') =>
  (world: World): World => {
    const seen = world[which];
    if (seen === undefined) return world;
    const { replicas } = seen;
    return { ...world, podsStart: true, [which]: { ...seen, ready: replicas, updated: replicas, current: replicas } };
  };
