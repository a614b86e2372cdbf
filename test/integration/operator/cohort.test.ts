/** spec.cohort on a real apiserver with the Gateway API's own definitions: which rules stand when, and what becomes of everybody else's. */
import { expect } from 'chai';
import { cohortExpression } from '../../../operator/src/core/cohort-expression.ts';
import { eventually } from '../../support/eventually.ts';
import { condition, type Rollout, Scene } from '../../support/rollout-scene.ts';

const COOKIE = 'lk_bucket';
const CANARY = 'latchkey-cohort-canary';
const STABLE = 'latchkey-cohort-stable';
const HELD = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 25, hold: '60s', checkEvery: '1s' },
  { weight: 100, hold: '60s', checkEvery: '1s' },
];

type Route = Awaited<ReturnType<Scene['route']>>;
type Rule = Route['spec']['rules'][number];

const ruleOf = (route: Route, name: string): Rule | undefined => route.spec.rules.find((rule) => rule.name === name);
const weightIn = (route: Route): number | undefined =>
  ruleOf(route, 'api')?.backendRefs.find(({ name }) => name === 'auth-api-canary')?.weight;
const users = (route: Route): unknown => route.spec.rules.filter(({ name }) => name !== CANARY && name !== STABLE);
const ours = (route: Route): readonly string[] =>
  route.spec.rules.flatMap(({ name = '' }) => (name === CANARY || name === STABLE ? [name] : []));

/** What must stand beside a weight: nothing at 0 and 100, else the two copies of the rule `api`. */
function expected(route: Route, weight: number): unknown[] {
  const rule = ruleOf(route, 'api');
  if (rule === undefined || weight === 0 || weight === 100) return [];
  return (['canary', 'stable'] as const).map((side) => ({
    ...rule,
    name: `latchkey-cohort-${side}`,
    matches: [
      {
        path: { type: 'PathPrefix', value: '/api' },
        headers: [{ name: 'Cookie', type: 'RegularExpression', value: cohortExpression(COOKIE, side, weight) }],
      },
    ],
    backendRefs: [{ ...rule.backendRefs.find(({ name }) => name === `auth-api-${side}`), weight: 1 }],
  }));
}

/** Every state of the route that a close look finds, each with weights and rules of one and the same PATCH. */
class RouteWatch {
  readonly weights: number[] = [];
  readonly #scene: Scene;
  #problem: string | undefined;
  #isOver = false;
  readonly #loop: Promise<void>;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#loop = this.#look();
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      const route = await this.#scene.route();
      const weight = weightIn(route) ?? -1;
      if (this.weights.at(-1) !== weight) this.weights.push(weight);
      const live = route.spec.rules.filter(({ name }) => name === CANARY || name === STABLE);
      if (JSON.stringify(sorted(live)) !== JSON.stringify(sorted(expected(route, weight))))
        this.#problem ??= `at ${weight}: ${JSON.stringify(live)}`;
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#loop;
    expect(this.#problem).to.equal(undefined);
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, field]) => [key, sorted(field)]),
  );
}

async function at25(spec: object = { cohort: { cookie: COOKIE } }): Promise<Scene> {
  const scene = await Scene.create({ schedule: HELD, spec });
  scene.operator();
  await scene.adopted();
  await scene.release('v2');
  await scene.holdsAt(25);
  return scene;
}

const saysCohort = (status: string, reason: string) => (rollout: Rollout) => {
  const found = condition(rollout, 'CohortProgrammed');
  return found?.status === status && found.reason === reason;
};

const GATEWAY = { controllerName: 'example.com/gateway', parentRef: { name: 'gateway' } };

/** What a gateway's controller writes about the route's present generation. */
async function answerRoute(scene: Scene, type: string, status: string, reason: string): Promise<void> {
  const path = `/apis/gateway.networking.k8s.io/v1/namespaces/${scene.namespace}/httproutes/auth-api`;
  const { metadata } = await scene.route();
  const one = {
    type,
    status,
    reason,
    message: 'header match type RegularExpression is not supported',
    observedGeneration: metadata['generation'],
    lastTransitionTime: '2030-01-01T00:00:00Z',
  };
  const body = { status: { parents: [{ ...GATEWAY, conditions: [one] }] } };
  await scene.server.request('PATCH', `${path}/status`, body, 'application/merge-patch+json');
}

describe('a cohort on a real apiserver', function () {
  this.timeout(120_000);

  it('writes its two rules with each weight, takes them away with weight 0, and leaves every other rule as it was', async () => {
    const scene = await Scene.create({ schedule: HELD, spec: { cohort: { cookie: COOKIE } } });
    const before = await scene.route();
    scene.operator();
    await scene.adopted();
    const watch = new RouteWatch(scene);
    await scene.release('v2');
    await scene.holdsAt(25);
    scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
    await scene.until('it is rolled back', 20_000, ({ status }) => status.phase === 'RolledBack');
    await watch.end();
    expect(watch.weights).to.deep.equal([0, 10, 25, 0]);
    const after = await scene.route();
    expect(ours(after)).to.deep.equal([]);
    const plain = (route: Route): unknown =>
      JSON.parse(JSON.stringify(users(route), (key, value: unknown) => (key === 'weight' ? undefined : value)));
    expect(plain(after)).to.deep.equal(plain(before));
  });

  it('says in a condition whom the weight selects, and needs no rule at 100', async () => {
    const scene = await Scene.create({
      schedule: [
        { weight: 10, hold: '2s', checkEvery: '1s' },
        { weight: 100, hold: '60s', checkEvery: '1s' },
      ],
      spec: { cohort: { cookie: COOKIE }, maxWeight: 10 },
    });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.holdsAt(10);
    await answerRoute(scene, 'Accepted', 'True', 'Accepted');
    const rollout = await scene.until('it is programmed', 15_000, saysCohort('True', 'Programmed'));
    expect(condition(rollout, 'CohortProgrammed')?.message).to.equal(
      'buckets 0 to 9 of cookie lk_bucket are on the canary',
    );
    await scene.patchRollout({ spec: { maxWeight: null } });
    await scene.holdsAt(100);
    expect(ours(await scene.route())).to.deep.equal([]);
    await scene.until('nobody is chosen', 5_000, saysCohort('False', 'NotSplit'));
  });

  it('takes its rules away when the AuthRollout is deleted in mid-run', async () => {
    const scene = await at25();
    expect(ours(await scene.route())).to.have.length(2);
    await scene.deleteRollout();
    await eventually('the route is clean', 10_000, async () => {
      const route = await scene.route();
      return weightIn(route) === 0 && ours(route).length === 0;
    });
  });

  it('takes its rules away when spec.cohort goes, brings them back when it comes, and moves no weight', async () => {
    const scene = await at25();
    await scene.patchRollout({ spec: { cohort: null } });
    await eventually('the rules are gone', 10_000, async () => ours(await scene.route()).length === 0);
    await scene.until('it says so', 5_000, saysCohort('False', 'NoCohort'));
    await scene.patchRollout({ spec: { cohort: { cookie: 'other' } } });
    await eventually('the rules are back', 10_000, async () => ours(await scene.route()).length === 2);
    const header = JSON.stringify(ruleOf(await scene.route(), CANARY));
    expect(header).to.contain('other=');
    const weights = await scene.weights();
    expect(weights.slice(weights.indexOf(25))).to.deep.equal([25]);
  });

  it('answers an edit of its rules as it answers an edit of the weight: the lower share stands, and who did it is named', async () => {
    const scene = await at25();
    const index = (await scene.route()).spec.rules.findIndex(({ name }) => name === CANARY);
    // Buckets below 25 now go by the weights, 25 %, and the others to stable: 6.25 % of the users with a cookie.
    await scene.patchRoute([{ op: 'remove', path: `/spec/rules/${index}` }], 'kubectl-edit');
    const drifted = await scene.until(
      'it says Drifted',
      10_000,
      (rollout) => condition(rollout, 'Drifted')?.status === 'True',
    );
    expect(condition(drifted, 'Drifted')?.message).to.contain('kubectl-edit').and.to.contain('6% stands');
    await scene.until('it is its own again', 10_000, async () => (await scene.weight()) === 6);
    const route = await scene.route();
    expect(sorted(route.spec.rules.slice(-2))).to.deep.equal(sorted(expected(route, 6)));
  });

  it('takes a canary rule away that somebody left or made at weight 0', async () => {
    const scene = await Scene.create({ schedule: HELD, spec: { cohort: { cookie: COOKIE } } });
    scene.operator();
    await scene.adopted();
    const [, rule] = (await scene.route()).spec.rules;
    const everybody = { ...rule, name: CANARY, backendRefs: rule?.backendRefs.slice(1) };
    await scene.patchRoute([{ op: 'add', path: '/spec/rules/-', value: everybody }], 'kubectl-edit');
    await eventually('it is gone', 10_000, async () => ours(await scene.route()).length === 0);
    expect(await scene.weight()).to.equal(0);
    await scene.until(
      'it says who',
      5_000,
      (rollout) => condition(rollout, 'Drifted')?.message.includes('kubectl-edit') === true,
    );
  });

  it('goes on by weight alone when a Gateway refuses the rules, says so, and tries no more until spec.cohort changes', async () => {
    const scene = await at25();
    await answerRoute(scene, 'Accepted', 'False', 'UnsupportedValue');
    await eventually('the rules are gone', 10_000, async () => ours(await scene.route()).length === 0);
    const refused = await scene.until('it says so', 5_000, saysCohort('False', 'GatewayRefused'));
    expect(condition(refused, 'CohortProgrammed')?.message)
      .to.contain('UnsupportedValue')
      .and.to.contain('not supported');
    expect(refused.status.history.map(({ reason }) => reason)).to.include('CohortRefused');
    expect(await scene.weight()).to.equal(25);
    await answerRoute(scene, 'Accepted', 'True', 'Accepted');
    await scene.release('v3');
    await scene.holdsAt(10);
    expect(ours(await scene.route())).to.deep.equal([]);
    await scene.patchRollout({ spec: { cohort: { cookie: 'other' } } });
    await eventually('it is tried again', 10_000, async () => ours(await scene.route()).length === 2);
  });

  it('writes no rule where the route cannot carry them, and says what to change', async () => {
    const scene = await Scene.create({ schedule: HELD, spec: { cohort: { cookie: COOKIE } } });
    const asks = [{ name: 'cookie', type: 'RegularExpression', value: 'beta=1' }];
    await scene.patchRoute([{ op: 'add', path: '/spec/rules/1/matches/0/headers', value: asks }]);
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.holdsAt(10);
    const rollout = await scene.until('it says so', 10_000, saysCohort('False', 'RouteUnsuitable'));
    expect(condition(rollout, 'CohortProgrammed')?.message).to.contain('rule api already asks for a Cookie header');
    expect(ours(await scene.route())).to.deep.equal([]);
  });

  it('follows what the user changes in the rule that it copies', async () => {
    const scene = await at25();
    const path = '/spec/rules/1/timeouts';
    await scene.patchRoute([{ op: 'add', path, value: { request: '7s' } }], 'helm');
    await eventually('the copies follow', 30_000, async () => {
      const route = await scene.route();
      return JSON.stringify(sorted(route.spec.rules.slice(-2))) === JSON.stringify(sorted(expected(route, 25)));
    });
    expect(ruleOf(await scene.route(), STABLE)).to.deep.include({ timeouts: { request: '7s' } });
    const rollout = await scene.rollout();
    expect([rollout.status.weight, condition(rollout, 'Drifted')?.status]).to.deep.equal([25, 'False']);
  });

  it('refuses a cookie name that no browser would keep', async () => {
    const scene = await Scene.create({ schedule: HELD });
    for (const cookie of ['', 'a b', 'a;b', 'a=b', 'x'.repeat(65)]) {
      const refused = await scene.patchRollout({ spec: { cohort: { cookie } } }).then(String, String);
      expect(refused).to.match(/spec\.cohort\.cookie/);
    }
    await scene.patchRollout({ spec: { cohort: { cookie: "a!#$%&'*+-.^_`|~9Z" } } });
  });
});
