/**
 * Whole rollouts, told pass by pass in stories/: each sentence, write, figure and condition that a person or a gateway gets to see. A change
 * of one of them is meant or a fault; `STORIES=write npm test -- --only contract` tells them anew, and the diff is what there is to read.
 */
import { expect } from 'chai';
import { approvalFor, withApprovals } from '../../support/operator-core/approving.ts';
import { act, adoptedWorld, inPhase, runUntil, step, think, worldAt } from '../../support/operator-core/doing.ts';
import {
  approved,
  begin,
  deleted,
  edited,
  gets,
  next,
  noPods,
  promoting,
  started,
  weights,
  without,
} from '../../support/operator-core/happening.ts';
import { observe } from '../../support/operator-core/seeing.ts';
import { later, passesOver, rolledBack, under, zeroed } from '../../support/operator-core/situations.ts';
import { keptStory, type Story, tell } from '../../support/operator-core/telling.ts';
import { deploy, deployment, freshWorld } from '../../support/operator-core/world.ts';

const STORIES: Readonly<Record<string, Story>> = {
  'first install and a whole rollout': {
    start: freshWorld,
    chapters: [begin(12), next('another template', (world) => deploy(world, 2), 80)],
  },
  'an install whose stable does not start': {
    start: () => ({ ...freshWorld(), podsStart: false }),
    chapters: [
      begin(3),
      next('another template meanwhile', (world) => deploy(world, 2), 3),
      next('pods start', started('stable'), 6),
    ],
  },
  'an install over a Deployment of somebody else': {
    start: () => ({ ...freshWorld(), stable: deployment('', 2) }),
    chapters: [
      begin(2),
      next('no target', without('target', 'stable'), 2),
      next('no route', (world) => ({ ...without('route')(world), target: freshWorld().target }), 4),
    ],
  },
  'a fault that is a P0': {
    start: () => worldAt(25),
    chapters: [
      next('half of the answers are errors', gets('P0'), 6),
      next('healthy, but the same revision', gets('good'), 3),
      next('the revision before', (world) => deploy(world, 1), 5),
      next('the condemned one again', (world) => deploy(world, 2), 5),
      next('another', (world) => deploy(world, 3), 6),
    ],
  },
  'a fault that is a P1': {
    start: () => worldAt(50),
    chapters: [
      next('two percent are errors', gets('P1'), 5),
      next(
        'not for this revision',
        (world) => withApprovals(world, [approvalFor(world, { revision: 'ffffffffff' })]),
        2,
      ),
      next('nobody refuses forged ones', (world) => withApprovals(world, [approvalFor(world)], 'missing'), 2),
      next(
        'approvals cannot be read',
        (world) => ({ ...world, approvals: { kind: 'unknown', why: 'ERR_API_DEADLINE' } }),
        2,
      ),
      next('healthy and approved', (world) => approved(gets('good')(later(world, 5_000))), 8),
    ],
  },
  'a fault that is a P2': {
    start: () => worldAt(50),
    chapters: [
      next('0.9 percent are errors', gets('P2'), 12),
      next('healthy and approved', (world) => approved(gets('good')(later(world, 5_000))), 20),
    ],
  },
  complaints: {
    start: () => worldAt(25),
    chapters: [
      next('three, by the API', gets('complaints'), 10),
      next('no more of them, and approved', (world) => approved(gets('good')(later(world, 5_000))), 10),
      next('five, by the support desk', gets('reported'), 4),
    ],
  },
  'a fault that is a P3': {
    start: () => worldAt(10),
    chapters: [next('0.2 percent are errors', gets('P3'), 30), next('healthy', gets('good'), 20)],
  },
  'alerts of others': {
    start: () => worldAt(10),
    chapters: [next('a P2', gets('alertP2'), 20), next('resolved', gets('good'), 8), next('a P0', gets('alertP0'), 4)],
  },
  'data loss': { start: () => worldAt(5), chapters: [next('one signal', gets('dataLoss'), 4)] },
  'checks that know nothing': {
    start: () => worldAt(10),
    chapters: [
      next('Prometheus is away', gets('blind'), 30),
      next('it is back', gets('good'), 12),
      next('several series', gets('several'), 6),
      next('not a number', gets('nan'), 6),
      next('too little traffic', gets('thin'), 20),
    ],
  },
  'a canary that does not answer': {
    start: () => worldAt(25),
    chapters: [next('silence', gets('silent'), 40)],
  },
  'a canary without ready pods': {
    start: () => worldAt(25),
    chapters: [next('none is ready', noPods('target'), 4), next('ready again', started('target'), 12)],
  },
  'a foreign weight': {
    start: () => worldAt(25),
    chapters: [
      next('more', weights(20, 80), 3),
      next('less', weights(90, 10), 3),
      next('not of a hundred', weights(1, 1), 3),
      next('nothing', weights(0, 0), 3),
    ],
  },
  'a foreign weight where nobody belongs': {
    start: adoptedWorld,
    chapters: [begin(2), next('half', weights(50, 50), 4)],
  },
  'a foreign weight after a rollback': { start: rolledBack, chapters: [begin(3), next('half', weights(50, 50), 4)] },
  'a foreign weight in a promotion': {
    start: promoting,
    chapters: [next('half', weights(50, 50), 3), next('none', weights(100, 0), 3)],
  },
  'a ceiling': {
    start: () => worldAt(50),
    chapters: [
      next('seven', (world) => under(world, 7), 4),
      next('fifteen', (world) => under(world, 15), 60),
      next('none', (world) => under(world, undefined), 4),
      next('zero', (world) => under(world, 0), 5),
      next('none again', (world) => under(world, undefined), 6),
    ],
  },
  'a ceiling of zero without a route': {
    start: () => worldAt(50),
    chapters: [
      next('the route is gone', without('route'), 3),
      next('seven', (world) => under(world, 7), 2),
      next('zero', (world) => under(world, 0), 5),
    ],
  },
  'a pause': {
    start: () => worldAt(10),
    chapters: [next('paused', edited({ paused: true }), 15), next('goes on', edited({ paused: false }), 6)],
  },
  'a spec that is wrong': {
    start: () => worldAt(10),
    chapters: [
      next('no last step', edited({ schedule: [{ weight: 5, hold: '60s', checkEvery: '10s' }] }), 4),
      next('unreadable', edited({ targetRef: {} }), 3),
    ],
  },
  'a route that is lost': {
    start: () => worldAt(25),
    chapters: [
      next(
        'no rule of that name',
        (world) => ({ ...world, route: world.route && { ...world.route, ruleName: 'other' } }),
        3,
      ),
      next(
        'other backends',
        (world) => ({
          ...world,
          route: world.route && { ...world.route, ruleName: 'api', canary: { name: 'other', weight: 25 } },
        }),
        3,
      ),
      next('no route', without('route'), 3),
    ],
  },
  'a target that is lost': { start: () => worldAt(25), chapters: [next('gone', without('target'), 5)] },
  'a stable that is lost': { start: () => worldAt(25), chapters: [next('gone', without('stable'), 4)] },
  'a deletion at 25 percent': { start: () => worldAt(25), chapters: [next('deleted', deleted, 3)] },
  'a deletion at rest': { start: adoptedWorld, chapters: [next('deleted', deleted, 2)] },
  'a deletion while stable was never ready': {
    start: () => step({ ...freshWorld(), podsStart: false }).world,
    chapters: [next('deleted', deleted, 2)],
  },
  'a crash between the route and the status': {
    start: () => {
      const ripe = runUntil(worldAt(25), (world) => think(observe(later(world, 2_000))).decision.kind === 'advance');
      return act(later(ripe, 2_000), think(observe(later(ripe, 2_000)))).world;
    },
    chapters: [begin(3)],
  },
  'a crash, and somebody raised the weight': {
    start: () => {
      const start = { ...worldAt(25), health: 'P0' as const };
      return weights(50, 50)(act(start, think(observe(start))).world);
    },
    chapters: [begin(4)],
  },
  'a successor': {
    start: () => ({ ...worldAt(25), leaseToken: 2 }),
    chapters: [begin(3)],
  },
  'another template in the middle': {
    start: () => worldAt(25),
    chapters: [next('a third', (world) => deploy(world, 3), 4), next('the first', (world) => deploy(world, 1), 6)],
  },
  'another template in a promotion': {
    start: () => step(later(worldAt(100), 61_000)).world,
    chapters: [next('a third', (world) => deploy(world, 3), 5)],
  },
  'a promotion that is stuck': {
    start: promoting,
    chapters: [
      begin(3),
      next('ten minutes later', (world) => later(world, 600_000), 3),
      next('it starts', started('stable'), 8),
    ],
  },
  'a promotion whose canary keeps getting requests': {
    start: () => ({ ...step(later(worldAt(100), 61_000)).world, quiet: false }),
    chapters: [begin(50), next('they stop', (world) => ({ ...world, quiet: true }), 5)],
  },
  'a zero that cannot be proven': {
    start: () => ({ ...worldAt(50), health: 'P1', quiet: false }),
    chapters: [begin(45), next('they stop', (world) => ({ ...world, quiet: true }), 4)],
  },
  'a zero that is proven late': {
    start: () => ({ ...zeroed(), quiet: false }),
    chapters: [begin(14), next('they stop', (world) => ({ ...world, quiet: true }), 4)],
  },
  'a canary whose pods do not start': {
    start: () => ({ ...passesOver(deploy(adoptedWorld(), 2), 1, 1_000), podsStart: false }),
    chapters: [begin(8)],
  },
  'a status that somebody removed': {
    start: () => ({ ...worldAt(25), status: undefined }),
    chapters: [begin(6)],
  },
  'a stable that somebody changed': {
    start: () => worldAt(25),
    chapters: [
      next(
        'another template',
        (world) => ({ ...world, stable: world.stable && { ...world.stable, revision: 'ffffffffff' } }),
        4,
      ),
    ],
  },
  'an operator that owns the replicas of stable': {
    start: () => edited({ replicas: 6 })(worldAt(25)),
    chapters: [begin(3)],
  },
  'a rest after success': {
    start: () => runUntil(worldAt(50), inPhase('Succeeded')),
    chapters: [begin(3), next('no target', without('target'), 2)],
  },
};

describe('the story of', () => {
  for (const [title, story] of Object.entries(STORIES))
    it(`${title} is told in the same words`, () => {
      expect(tell(story)).to.equal(keptStory(title, story));
    });
});
