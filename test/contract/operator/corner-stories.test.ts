/** As stories.test.ts, for what happens once in a hundred rollouts. */
import { expect } from 'chai';
import { routeProblem } from '../../../operator/src/core/blockers.ts';
import { isNobodyReady } from '../../../operator/src/core/canary-down.ts';
import { checkWindowMs, sentinelDue } from '../../../operator/src/core/checks-due.ts';
import { nextStatus } from '../../../operator/src/core/status-from.ts';
import { adoptedWorld, step, think, worldAt } from '../../support/operator-core/doing.ts';
import {
  begin,
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
import { later, rolledBack, under, zeroed } from '../../support/operator-core/situations.ts';
import { keptStory, type Story, tell } from '../../support/operator-core/telling.ts';
import { deploy, freshWorld, REVISION, type World } from '../../support/operator-core/world.ts';

const known =
  (status: NonNullable<World['status']>) =>
  (world: World): World => ({
    ...world,
    status: { ...world.status, ...status },
  });
const forgets =
  (...keys: readonly (keyof NonNullable<World['status']>)[]) =>
  (world: World): World => ({
    ...world,
    status: Object.fromEntries(Object.entries(world.status ?? {}).filter(([key]) => !keys.some((one) => one === key))),
  });
const quiet = (world: World): World => ({ ...world, quiet: true });
const condemned = { condemned: [{ revision: REVISION(1), reason: 'SeverityP0', at: '2030-01-01T00:00:00.000Z' }] };

const STORIES: Readonly<Record<string, Story>> = {
  'an install whose target keeps getting requests': {
    start: () => ({ ...freshWorld(), quiet: false }),
    chapters: [begin(45), next('they stop', quiet, 5)],
  },
  'an install with a spec that is wrong': {
    start: () => edited({ schedule: [] })(freshWorld()),
    chapters: [begin(2)],
  },
  'an install of a revision that a P0 has ended': {
    start: () => known(condemned)(freshWorld()),
    chapters: [begin(2)],
  },
  'an install that was half done, and stable lost its pods': {
    start: () => ({ ...step(freshWorld()).world, podsStart: false }),
    chapters: [
      next('none is ready', noPods('stable'), 2),
      next('half of the traffic is there', weights(50, 50), 2),
      next('another template', (world) => deploy(world, 2), 2),
      next('pods start', started('stable'), 5),
    ],
  },
  'a promotion that loses stable': {
    start: promoting,
    chapters: [next('gone', without('stable'), 3), next('pods start', started('stable'), 8)],
  },
  'a promotion that loses its target': {
    start: () => step(later(worldAt(100), 61_000)).world,
    chapters: [next('gone', without('target'), 5)],
  },
  'a promotion of a P1': { start: promoting, chapters: [next('two percent are errors', gets('P1'), 4)] },
  'a rollback whose reason was forgotten': {
    start: () => forgets('condemned')(rolledBack()),
    chapters: [begin(4)],
  },
  'a P1 whose question was forgotten': {
    start: () => forgets('approvalNeeded', 'stepStartedAt')(zeroed()),
    chapters: [begin(4)],
  },
  'a crash, and a lower ceiling': {
    start: () => {
      const before = worldAt(25);
      const pass = think(observe(later(before, 2_000)));
      return { ...under(forgets('weight', 'writtenAt')(before), 7), nowMs: pass.observation.nowMs };
    },
    chapters: [begin(5)],
  },
  'nobody ready at the canary, and nobody at stable': {
    start: () => noPods('stable')(noPods('target')(worldAt(25))),
    chapters: [begin(3), next('stable is', (world) => ({ ...started('stable')(world), podsStart: false }), 3)],
  },
  'a blind rest at weight 0': {
    start: () => worldAt(5),
    chapters: [next('Prometheus is away', gets('blind'), 25), next('it is back', gets('good'), 6)],
  },
  'a schedule that changed under a run': {
    start: () => worldAt(10),
    chapters: [
      next(
        'other steps',
        edited({
          schedule: [
            { weight: 20, hold: '30s', checkEvery: '5s' },
            { weight: 100, hold: '1m', checkEvery: '10s' },
          ],
        }),
        40,
      ),
    ],
  },
  'a rest whose stable was changed': {
    start: adoptedWorld,
    chapters: [
      next(
        'by hand',
        (world) => ({ ...world, stable: world.stable && { ...world.stable, revision: 'ffffffffff' } }),
        3,
      ),
      next('and the spec is wrong', edited({ schedule: [] }), 2),
    ],
  },
};

describe('the story of', () => {
  for (const [title, story] of Object.entries(STORIES))
    it(`${title} is told in the same words`, () => {
      expect(tell(story)).to.equal(keptStory(title, story));
    });
});

describe('a route that cannot be used', () => {
  it('is told with what is there, and with nothing where nothing is', () => {
    const { spec } = observe(worldAt(25));
    if (spec.kind !== 'valid') throw new Error('spec');
    const message = (route: Parameters<typeof routeProblem>[0]): string | undefined =>
      routeProblem(route, spec.spec)?.message;
    expect(message({ kind: 'rule-missing', uid: 'r', ruleNames: [] })).to.equal(
      'HTTPRoute api has no named rule: name one api or correct spec.route.rule',
    );
    expect(message({ kind: 'rule-missing', uid: 'r', ruleNames: ['a', 'b'] })).to.equal(
      'HTTPRoute api has rules a, b: name one api or correct spec.route.rule',
    );
    expect(message({ kind: 'backends-missing', uid: 'r', backendNames: [] })).to.contain('has the backends none: make');
    expect(message({ kind: 'backends-missing', uid: 'r', backendNames: ['a', 'b'] })).to.contain('backends a, b: make');
  });

  it('is no gateway’s until one has accepted it', () => {
    const seen = observe(worldAt(25));
    if (seen.route.kind !== 'programmable') throw new Error('route');
    const { observation, judgement, decision } = think({ ...seen, route: { ...seen.route, accepted: false } });
    const { conditions } = nextStatus(observation, judgement, decision, { kind: 'done' });
    expect(conditions?.find(({ type }) => type === 'RouteProgrammed')).to.include({
      status: 'False',
      reason: 'NotAccepted',
      message: 'no Gateway has accepted the route in its present generation',
    });
  });
});

describe('the sentinel', () => {
  it('looks while somebody has or may have traffic at the canary, by the route or by our own word', () => {
    expect(sentinelDue(observe(worldAt(25)))).to.equal(true);
    expect(sentinelDue(observe(adoptedWorld()))).to.equal(false);
    expect(sentinelDue(observe(without('route')(worldAt(25))))).to.equal(true);
    expect(sentinelDue(observe({ ...weights(50, 50)(known({ weight: 0 })(worldAt(25))) }))).to.equal(true);
    expect(sentinelDue(observe(without('route')(known({ weight: 0 })(worldAt(25)))))).to.equal(false);
    expect(sentinelDue(observe({ ...zeroed(), quiet: false }))).to.equal(true);
    expect(sentinelDue(observe(step(later(zeroed(), 2_000)).world))).to.equal(false);
  });
});

describe('the window of the checks', () => {
  it('is what the step has seen, two seconds at least and five minutes at most', () => {
    const at = (ms: number): number => checkWindowMs(observe(later(start, ms)));
    const start = worldAt(25);
    const ageMs = start.nowMs - Date.parse(start.status?.stepStartedAt ?? '');
    expect([at(-ageMs), at(2_500 - ageMs), at(300_000 - ageMs), at(900_000)]).to.deep.equal([
      2_000, 2_500, 300_000, 300_000,
    ]);
    expect(checkWindowMs(observe(forgets('stepStartedAt')(start)))).to.equal(2_000);
  });
});

describe('a canary of which nobody is ready', () => {
  it('has pods that are wanted', () => {
    const { target } = observe(worldAt(25));
    if (target === undefined) throw new Error('target');
    const isIt = (replicas: number, readyReplicas: number): boolean =>
      isNobodyReady({ ...target, replicas, readyReplicas });
    expect([isIt(2, 0), isIt(2, 1), isIt(0, 0)]).to.deep.equal([true, false, false]);
  });
});
