/** What our two rules on a route are, what those that stand there do, when they are written again, and where none may stand. */
import { expect } from 'chai';
import { cohortOf, cohortOutdated, cohortRefused, isSplit } from '../../../../operator/src/core/cohort.ts';
import { cohortExpression } from '../../../../operator/src/core/cohort-expression.ts';
import { cohortObstacle } from '../../../../operator/src/core/cohort-obstacle.ts';
import { cohortShare, isAsWritten, ownRuleNames, wantedRules } from '../../../../operator/src/core/cohort-rules.ts';
import { type RouteMatch, type RouteRule, viewCohort } from '../../../../operator/src/core/cohort-view.ts';
import type { ProgrammableRoute } from '../../../../operator/src/core/observation.ts';
import type { Draft, Scene } from '../../../../operator/src/core/scene.ts';
import { cohortRoute, type Json, patched, type RouteJson } from '../../../support/operator-core/cohort.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { sceneIn } from '../../../support/operator-core/situations.ts';

const COOKIE = 'lk_bucket';
const routeAt = (weight: number): RouteJson => patched(cohortRoute(), { weight, cookie: COOKIE });
const asking = (side: 'canary' | 'stable', weight: number, cookie = COOKIE): Json => ({
  name: 'Cookie',
  type: 'RegularExpression',
  value: cohortExpression(cookie, side, weight),
});

describe('the rules of a cohort', () => {
  const wanted = (weight: number, cookie: string | undefined = COOKIE): unknown[] => {
    const rules = wantedRules(routeAt(25).view(), cookie, weight);
    return [rules.canary?.name, rules.stable?.name];
  };

  it('are two between 0 and 100, and none where there is nobody to choose from or nothing to choose by', () => {
    const both = ['latchkey-cohort-canary', 'latchkey-cohort-stable'];
    const none = [undefined, undefined];
    expect([wanted(1), wanted(99)]).to.deep.equal([both, both]);
    expect([wanted(0), wanted(100)]).to.deep.equal([none, none]);
    expect(wantedRules(routeAt(25).view(), undefined, 25)).to.deep.equal({ canary: undefined, stable: undefined });
    expect([isSplit(undefined), isSplit(0), isSplit(1), isSplit(99), isSplit(100)]).to.deep.equal([
      false,
      false,
      true,
      true,
      false,
    ]);
  });

  it('ask for the cookie beside all that the user’s rule asks for, and where it asks for nothing', () => {
    const matchesOf = (matches: readonly Json[] | undefined): unknown => {
      const view = routeAt(25).view();
      const { cohort } = view;
      if (cohort === undefined) throw new Error('no cohort');
      const { matches: _own, ...rule } = cohort.rule;
      const asked = matches === undefined ? rule : { ...rule, matches: [...matches] };
      return wantedRules({ ...view, cohort: { ...cohort, rule: asked } }, COOKIE, 25).canary?.matches;
    };
    const condition = asking('canary', 25);
    expect(matchesOf(undefined)).to.deep.equal([{ headers: [condition] }]);
    expect(matchesOf([])).to.deep.equal([{ headers: [condition] }]);
    const header = { name: 'x', value: 'y' };
    expect(matchesOf([{ method: 'GET' }, { headers: [header] }])).to.deep.equal([
      { method: 'GET', headers: [condition] },
      { headers: [header, condition] },
    ]);
  });

  it('are named as those that are there', () => {
    const { cohort } = routeAt(25).view();
    expect(ownRuleNames(cohort)).to.deep.equal(['latchkey-cohort-canary', 'latchkey-cohort-stable']);
    expect(ownRuleNames(cohort && { ...cohort, canary: undefined })).to.deep.equal(['latchkey-cohort-stable']);
    expect(ownRuleNames(undefined)).to.deep.equal([]);
  });
});

describe('the rules that stand on a route', () => {
  const edited = (side: 'canary' | 'stable', change: Json): ProgrammableRoute =>
    routeAt(25)
      .with((rules) =>
        rules.map((rule) => (rule['name'] === `latchkey-cohort-${side}` ? { ...rule, ...change } : rule)),
      )
      .view();
  const backend = (name: string, weight?: number): Json => ({ name, ...(weight !== undefined && { weight }) });
  const share = (route: ProgrammableRoute): readonly (number | undefined)[] => {
    const found = cohortShare(route, 25);
    return [found?.least, found?.most];
  };

  it('send a share that their backends have by weight, 1 where none is named', () => {
    expect(share(routeAt(25).view())).to.deep.equal([25, 25]);
    expect(
      share(edited('canary', { backendRefs: [backend('api-canary', 1), backend('api-stable', 3)] })),
    ).to.deep.equal([6.25, 6.25]);
    expect(share(edited('canary', { backendRefs: [backend('api-canary'), backend('api-stable')] }))).to.deep.equal([
      12.5, 12.5,
    ]);
    expect(share(edited('stable', { backendRefs: [backend('api-canary'), backend('api-stable', 3)] }))).to.deep.equal([
      43.75, 43.75,
    ]);
    expect(cohortShare(patched(cohortRoute(), { weight: 25, cookie: undefined }).view(), 25)).to.equal(undefined);
  });

  it('may send anybody anywhere where they cannot be read', () => {
    const unread: readonly Json[] = [
      { backendRefs: [backend('api-canary', 0)] },
      { backendRefs: [] },
      { matches: [] },
      { matches: [{ headers: [asking('canary', 25), asking('canary', 25)] }] },
      { matches: [{ headers: [asking('canary', 25)] }, { headers: [asking('canary', 30)] }] },
      { matches: [{ headers: [{ ...asking('canary', 25), type: 'Exact' }] }] },
      { matches: [{ headers: [{ ...asking('canary', 25), name: 'X-Cookie' }] }] },
      { matches: [{ headers: [asking('stable', 25)] }] },
      { matches: [{}] },
    ];
    for (const change of unread)
      expect(share(edited('canary', change)), JSON.stringify(change)).to.deep.equal([0, 100]);
    expect(share(edited('stable', { matches: [{}] }))).to.deep.equal([0, 100]);
    for (const change of [{ name: 'cOOKIE' }, {}])
      expect(
        share(edited('canary', { matches: [{ headers: [{ ...asking('canary', 25), ...change }] }] })),
      ).to.deep.equal([25, 25]);
    const both = [{ name: 'x', value: 'y' }, asking('canary', 25)];
    expect(share(edited('canary', { matches: [{ headers: both }] }))).to.deep.equal([25, 25]);
  });

  it('are as written while they send the same buckets by the same cookie to the same side', () => {
    const isOurs = (route: ProgrammableRoute, cookie: string | undefined = COOKIE, weight = 25): boolean =>
      isAsWritten(route, cookie, weight);
    expect(isOurs(routeAt(25).view())).to.equal(true);
    expect(isOurs(edited('canary', { timeouts: { request: '1s' } }))).to.equal(true);
    expect([isOurs(routeAt(25).view(), 'other'), isOurs(routeAt(25).view(), COOKIE, 26)]).to.deep.equal([false, false]);
    expect(isAsWritten(routeAt(25).view(), undefined, 25)).to.equal(false);
    expect(isOurs(edited('canary', { backendRefs: [backend('api-canary', 1), backend('api-stable', 1)] }))).to.equal(
      false,
    );
    expect(isOurs(edited('stable', { backendRefs: [backend('api-canary', 1)] }))).to.equal(false);
    expect(isAsWritten(cohortRoute().view(), undefined, 25)).to.equal(true);
    expect(isOurs(cohortRoute().view())).to.equal(false);
  });
});

describe('a cohort', () => {
  const scene = (change: Partial<Scene> = {}, run: Partial<Scene['run']> = {}): Scene => {
    const seen = sceneIn(worldAt(25));
    const writtenAt = new Date(seen.nowMs - 10_000).toISOString();
    const spec = { ...seen.spec, cohortCookie: COOKIE };
    return { ...seen, spec, route: routeAt(25).view(), ...change, run: { ...seen.run, writtenAt, ...run } };
  };
  const outdated = (...args: Parameters<typeof scene>): string | undefined => cohortOutdated(scene(...args))?.message;
  const withView = (change: Partial<NonNullable<ProgrammableRoute['cohort']>>): Pick<Scene, 'route'> => {
    const view = routeAt(25).view();
    return { route: { ...view, ...(view.cohort && { cohort: { ...view.cohort, ...change } }) } };
  };
  const spec = (cohortCookie: string | undefined): Pick<Scene, 'spec'> => ({ spec: { ...scene().spec, cohortCookie } });

  it('goes by the cookie of the spec where rules may stand and no Gateway has refused them', () => {
    expect(cohortOf(scene())).to.equal(COOKIE);
    expect(cohortOf(scene(withView({ obstacle: 'no room' })))).to.equal(undefined);
    const refused = { cookie: COOKIE, message: 'no', at: '2030-01-01T00:00:00.000Z' };
    expect(cohortOf(scene({}, { cohortRefused: refused }))).to.equal(undefined);
    expect(cohortOf(scene({ route: undefined }))).to.equal(undefined);
    expect(cohortOf(scene({ route: patched(cohortRoute(), { weight: 25, cookie: undefined }).view(false) }))).to.equal(
      undefined,
    );
  });

  it('is written again in words that say why', () => {
    expect(outdated()).to.equal(undefined);
    expect(outdated(spec('other'))).to.equal('the buckets of cookie other select who is in the 25%');
    expect(outdated(spec(undefined))).to.equal('our two rules leave the route: spec.cohort is gone');
    expect(outdated(withView({ obstacle: 'no room' }))).to.equal('our two rules leave the route: no room');
    const { cohort } = routeAt(25).view();
    const changed = withView({ rule: { ...cohort?.rule, timeouts: { request: '1s' } } });
    expect(outdated(changed)).to.equal('our two rules follow the changed rule api');
    const justNow = { writtenAt: new Date(scene().nowMs - 9_999).toISOString() };
    expect(outdated(changed, justNow), 'not twice within ten seconds').to.equal(undefined);
  });

  it('is nothing to write for at rest, at 0 or at 100, or without a route', () => {
    const other = spec('other');
    expect(outdated(other, { phase: 'Promoting' })).to.equal(undefined);
    expect([0, 100, undefined].map((weight) => outdated(other, { weight }))).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
    expect(outdated({ ...other, route: undefined })).to.equal(undefined);
  });

  it('that a Gateway refuses leaves the route with what it said, cut to what the status has room for', () => {
    const refusal = `Accepted UnsupportedValue: ${'x'.repeat(600)}`;
    const draft = (change: Partial<Scene>, run: Partial<Scene['run']> = {}): Draft | undefined =>
      cohortRefused(scene(change, run));
    const found = draft(withView({ refusal }));
    expect(found?.message).to.equal(`${refusal}: our two rules leave the route, and 25% goes by chance`);
    expect(found?.run?.cohortRefused).to.deep.equal({
      cookie: COOKIE,
      message: refusal.slice(0, 512),
      at: new Date(scene().nowMs).toISOString(),
    });
    const none = [draft({}), draft(withView({ refusal }), { weight: 0 }), draft({ route: undefined })];
    expect(none).to.deep.equal([undefined, undefined, undefined]);
    const { route } = withView({ refusal });
    expect(draft({ route: route && { ...route, write: undefined } }), 'no rules of ours were written').to.equal(
      undefined,
    );
  });
});

describe('the room for rules of ours', () => {
  const rule = (name: string | undefined, ...matches: readonly RouteMatch[]): RouteRule => ({
    ...(name !== undefined && { name }),
    matches: [...matches],
  });
  const users = rule('api', {});
  const obstacle = (own: RouteRule, ...others: readonly RouteRule[]): string =>
    cohortObstacle([own, ...others], own) ?? '';

  it('is told by the user’s rule, whichever of its matches has none', () => {
    const cookie = { headers: [{ name: 'Cookie', value: 'x' }] };
    expect(obstacle(rule('api', {}, cookie))).to.match(/^rule api already asks for a Cookie header/);
    expect(obstacle(rule(undefined, cookie))).to.match(/^rule {2}already/);
    const full = { headers: Array.from({ length: 16 }, (_, index) => ({ name: `x-${index}` })) };
    expect(obstacle(rule('api', {}, full))).to.match(/^a match of rule api has 16 headers/);
    expect(obstacle(rule('api', {}, { headers: full.headers.slice(1) }))).to.equal('');
  });

  it('does not count rules that are ours already', () => {
    const ours = [rule('latchkey-cohort-canary', {}), rule('latchkey-cohort-stable', {})];
    const others = Array.from({ length: 13 }, (_, index) => rule(`r${index}`, { path: { value: `/${index}` } }));
    expect(obstacle(users, ...ours, ...others)).to.equal('');
    const one = rule('more', { path: { value: '/more' } });
    expect(obstacle(users, ...ours, ...others, one)).to.match(/^the route has 15 rules of at most 16/);
  });

  it('has 128 matches, of which a rule without any is one', () => {
    const paths = (count: number): RouteRule =>
      rule('api', ...Array.from({ length: count }, (_, index) => ({ path: { value: `/${index}` } })));
    const others = (count: number): readonly RouteRule[] =>
      Array.from({ length: count }, (_, index) => rule(`r${index}`, { path: { value: `/r${index}` } }));
    expect(obstacle(paths(42), rule('bare'), ...others(1))).to.equal('');
    expect(obstacle(paths(42), rule('bare'), ...others(2))).to.match(
      /^the route would have 129 matches of at most 128/,
    );
  });

  it('is none beside a rule that would lose requests, which is named, or counted where it has no name', () => {
    const query = { queryParams: [{}] };
    expect(obstacle(users, rule('beta', { path: { value: '/beta' } }, query))).to.match(
      /^rule beta would lose requests/,
    );
    expect(obstacle(users, rule(undefined, query))).to.match(/^rule 1 would lose requests/);
    expect(
      obstacle(rule('api', {}, { path: { value: '/beta' } }), rule('beta', { path: { value: '/beta' }, ...query })),
    ).to.match(/^rule beta would lose/);
    expect(obstacle(users, rule('beta', { path: { type: 'PathPrefix', value: '/' }, ...query }))).to.match(
      /^rule beta/,
    );
    expect(obstacle(users, rule('beta', { path: { type: 'Exact', value: '/' }, ...query }))).to.equal('');
    const headers = (count: number): RouteMatch => ({ headers: Array.from({ length: count }, () => ({ name: 'x' })) });
    expect(obstacle(rule('api', headers(1)), rule('beta', { ...headers(1), ...query }))).to.match(/^rule beta/);
    expect(obstacle(rule('api', headers(1)), rule('beta', query)), 'it loses today').to.equal('');
  });
});

describe('the view of a cohort', () => {
  const see = (found: unknown, isAsked = true) => viewCohort(found, 'api', { isAsked, refusal: 'no' });
  const own = { name: 'latchkey-cohort-stable', more: 1 };

  it('is there where somebody asks for it or a rule of ours stands, beside the user’s', () => {
    const users = {
      name: 'api',
      timeouts: { request: '1s' },
      matches: [{ more: 1 }],
      backendRefs: [{ name: 'a', port: 80 }],
    };
    expect(see([users, own])).to.deep.equal({
      rule: users,
      canary: undefined,
      stable: { index: 1, rule: own },
      obstacle: undefined,
      refusal: 'no',
    });
    const canary = { name: 'latchkey-cohort-canary' };
    expect([see([users], false), see([own]), see('text'), see([{ name: 1 }])]).to.deep.equal([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect([see([users, own], false)?.stable?.index, see([users, canary], false)?.canary?.index]).to.deep.equal([1, 1]);
  });

  it('is none of rules in a shape that the Gateway API does not have', () => {
    const shapes = [
      { matches: [{ path: { type: 1 } }] },
      { matches: [{ method: 1 }] },
      { matches: [{ headers: [{ name: 1 }] }] },
      { matches: 1 },
      { backendRefs: [{ weight: '1' }] },
    ];
    expect(shapes.map((shape) => see([{ name: 'api', ...shape }]))).to.deep.equal(shapes.map(() => undefined));
  });
});
