/** What the core decides about a cohort's rules: with weight 0, after somebody's edit, where they cannot stand, and where a Gateway refuses them. */
import { expect } from 'chai';
import { cohortExpression } from '../../../../operator/src/core/cohort-expression.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import { liveWeight } from '../../../../operator/src/core/route-record.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import { nextStatus } from '../../../../operator/src/core/status-from.ts';
import {
  applied,
  cohortRoute,
  type Json,
  otherRule,
  patched,
  RouteJson,
  usersRule,
} from '../../../support/operator-core/cohort.ts';
import { adoptedWorld, type Pass, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { specManifest, type World } from '../../../support/operator-core/world.ts';

const COOKIE = 'lk_bucket';
const at25 = (): RouteJson => patched(cohortRoute(), { weight: 25, cookie: COOKIE });
const withCohort = (cookie: string | undefined): Json =>
  specManifest(cookie === undefined ? {} : { cohort: { cookie } });

interface Seen {
  readonly world?: World;
  readonly cookie?: string | undefined;
  readonly refusal?: string;
}

/** The pass of a world whose route is this one; the status knows the route's newest write. */
function passOver(route: RouteJson, seen: Seen = {}): Pass {
  const cookie = 'cookie' in seen ? seen.cookie : COOKIE;
  const observation = observe({ ...(seen.world ?? worldAt(25)), spec: withCohort(cookie) });
  const view = route.view(cookie !== undefined);
  const cohort = view.cohort && { ...view.cohort, refusal: seen.refusal };
  const manager = { name: 'kubectl-edit', at: '2030-01-01T00:00:00.000Z' };
  return think({ ...observation, route: { ...view, ...(cohort && { cohort }), rulesManager: manager } });
}

const changed = (name: string, change: (rule: Json) => Json | undefined): RouteJson =>
  at25().with((rules) =>
    rules.flatMap((rule): readonly Json[] => {
      const next = rule['name'] === name ? change(rule) : rule;
      return next === undefined ? [] : [next];
    }),
  );
const written = (pass: Pass, route: RouteJson): RouteJson | undefined => {
  const [write] = pass.actions.flatMap((action) => (action.kind === 'write-route' ? [action.patch] : []));
  return write && applied(route, write);
};
const reasonOf = ({ decision }: Pass): string => decision.reason;
const conditionOf = ({ observation, judgement, decision }: Pass): unknown => {
  const { conditions } = nextStatus(observation, judgement, decision, { kind: 'done' });
  const found = conditions?.find(({ type }) => type === 'CohortProgrammed');
  return [found?.status, found?.reason];
};

describe('a cohort and weight 0', () => {
  it('loses its rules in the one PATCH that takes the weight, and that is the first write', () => {
    const route = at25();
    const pass = passOver(route, { world: { ...worldAt(25), health: 'P0' } });
    expect(pass.actions[0]).to.include({ kind: 'write-route', weight: 0, lowers: true });
    const after = written(pass, route);
    expect(after?.ownCount()).to.equal(0);
    expect(liveWeight(after?.view() ?? route.view())).to.equal(0);
  });

  it('is not refused to a rule that somebody edited meanwhile, and is to one that is no longer where it was', () => {
    const edited = changed('latchkey-cohort-canary', (rule) => ({ ...rule, timeouts: { request: '1s' } }));
    const [action] = passOver(at25(), { world: { ...worldAt(25), health: 'P0' } }).actions;
    if (action?.kind !== 'write-route') throw new Error('no write');
    expect(applied(edited, action.patch).ownCount()).to.equal(0);
    const moved = at25().with((rules) => rules.toReversed());
    expect(() => applied(moved, action.patch)).to.throw('test');
  });

  it('counts a canary rule that is left as traffic: no zero is proven, and the rule goes', () => {
    const left = at25().with((rules) =>
      rules.map((rule) => (rule['name'] === 'api' ? { ...rule, backendRefs: usersRule()['backendRefs'] } : rule)),
    );
    expect(liveWeight(left.view())).to.be.greaterThan(0);
    const pass = passOver(left, { world: adoptedWorld() });
    expect([reasonOf(pass), written(pass, left)?.ownCount()]).to.deep.equal(['Drifted', 0]);
  });

  it('comes before the finalizer goes, also where only the stable rule is left', () => {
    const left = patched(at25(), { weight: 0, cookie: COOKIE }).with((rules) => [...rules, at25().own('stable')]);
    const pass = passOver(left, { world: { ...adoptedWorld(), deleting: true, finalizer: true } });
    expect(pass.actions.map(({ kind }) => kind)).to.deep.equal(['write-route', 'remove-finalizer']);
    expect(written(pass, left)?.ownCount()).to.equal(0);
  });
});

describe('an edited cohort rule', () => {
  const toStable = (rule: Json): Json => ({ ...rule, backendRefs: at25().own('stable')['backendRefs'] });
  const asking =
    (value: string) =>
    (rule: Json): Json => ({
      ...rule,
      matches: [{ headers: [{ name: 'Cookie', type: 'RegularExpression', value }] }],
    });
  const edits: readonly (readonly [string, RouteJson, number])[] = [
    ['a canary rule that is gone: 25 of 100 buckets by chance', changed('latchkey-cohort-canary', () => undefined), 6],
    ['a stable rule that is gone', changed('latchkey-cohort-stable', () => undefined), 25],
    ['both gone', at25().with((rules) => rules.filter(({ name }) => !String(name).startsWith('latchkey-'))), 25],
    ['a canary rule that sends to stable', changed('latchkey-cohort-canary', toStable), 0],
    [
      'a canary rule for more buckets',
      changed('latchkey-cohort-canary', asking(cohortExpression(COOKIE, 'canary', 60))),
      25,
    ],
    ['a canary rule for fewer', changed('latchkey-cohort-canary', asking(cohortExpression(COOKIE, 'canary', 10))), 13],
    ['a canary rule that nobody can read', changed('latchkey-cohort-canary', asking('.*')), 0],
    ['a canary rule for everybody', changed('latchkey-cohort-canary', (rule) => ({ ...rule, matches: [{}] })), 0],
    ['another cookie', changed('latchkey-cohort-canary', asking(cohortExpression('other', 'canary', 25))), 25],
  ];
  for (const [what, route, kept] of edits) {
    it(`is drift, and the lower share stands: ${what}`, () => {
      const pass = passOver(route);
      expect([reasonOf(pass), pass.decision.run.weight]).to.deep.equal(['Drifted', kept]);
      expect(pass.decision.message).to.contain('kubectl-edit').and.to.contain('cohort rules');
      expect(written(pass, route)?.ownCount()).to.equal(kept === 0 ? 0 : 2);
    });
  }

  it('is none where only what was copied has changed: the copies follow, the weight stays, and not more than once in ten seconds', () => {
    const route = at25().with((rules) =>
      rules.map((rule) => (rule['name'] === 'api' ? { ...rule, timeouts: { request: '1s' } } : rule)),
    );
    expect(reasonOf(passOver(route))).not.to.equal('CohortChanged');
    const later = passOver(route, { world: { ...worldAt(25), nowMs: worldAt(25).nowMs + 10_000 } });
    expect([reasonOf(later), later.decision.run.weight]).to.deep.equal(['CohortChanged', 25]);
    expect(written(later, route)?.own('canary')['timeouts']).to.deep.equal({ request: '1s' });
  });
});

describe('a cohort that changes in mid-run', () => {
  it('gets its rules, loses them, or changes the cookie at once, at the same weight', () => {
    const plain = patched(cohortRoute(), { weight: 25, cookie: undefined });
    const cases = [
      [plain, COOKIE, 2],
      [at25(), undefined, 0],
      [at25(), 'other', 2],
    ] as const;
    for (const [route, cookie, count] of cases) {
      const pass = passOver(route, { cookie });
      expect([reasonOf(pass), pass.decision.run.weight]).to.deep.equal(['CohortChanged', 25]);
      expect(written(pass, route)?.ownCount()).to.equal(count);
    }
  });

  it('keeps its rules while the rest of the spec is invalid', () => {
    const spec = parseSpec({ ...specManifest({ cohort: { cookie: COOKIE } }), schedule: [] });
    expect(spec.kind === 'invalid' && spec.usable?.cohortCookie).to.equal(COOKIE);
  });

  it('that a Gateway refuses is taken away, remembered, and not tried again for this cookie', () => {
    const route = at25();
    const pass = passOver(route, { refusal: 'Accepted UnsupportedValue: no' });
    expect([reasonOf(pass), pass.decision.run.weight]).to.deep.equal(['CohortRefused', 25]);
    const after = written(pass, route);
    expect(after?.ownCount()).to.equal(0);
    expect(conditionOf(pass)).to.deep.equal(['False', 'GatewayRefused']);
    const { observation, judgement, decision } = pass;
    const status = nextStatus(observation, judgement, decision, { kind: 'done' });
    const next = passOver(after ?? route, { world: { ...worldAt(25), status } });
    expect([reasonOf(next), next.actions.some(({ kind }) => kind === 'write-route')]).to.deep.equal(['Holding', false]);
    const other = passOver(after ?? route, { world: { ...worldAt(25), status }, cookie: 'other' });
    expect(written(other, after ?? route)?.ownCount()).to.equal(2);
  });

  it('that a Gateway refused is remembered also by a process that died before the status', () => {
    const route = at25();
    const world = { ...worldAt(25), nowMs: worldAt(25).nowMs + 1_000 };
    const after = written(passOver(route, { world, refusal: 'no' }), route) ?? route;
    const recovered = passOver(after, { world: { ...world, nowMs: world.nowMs + 1_000 } });
    expect([reasonOf(recovered), recovered.decision.run.cohortRefused?.cookie]).to.deep.equal(['Recovered', COOKIE]);
  });
});

describe('a route that cannot carry a cohort', () => {
  const path = { path: { type: 'PathPrefix', value: '/api' } };
  const many = (count: number): readonly Json[] =>
    Array.from({ length: count }, (_, index) => ({ name: `x-${index}`, value: 'y' }));
  const rules = (count: number): readonly Json[] =>
    Array.from({ length: count }, (_, index) =>
      otherRule(`r${index}`, { path: { type: 'Exact', value: `/${index}` } }),
    );
  const beside = (match: Json, isFirst = true): RouteJson =>
    new RouteJson(isFirst ? [otherRule('beta', match), usersRule()] : [usersRule(), otherRule('beta', match)]);
  const paths = (count: number): readonly Json[] =>
    Array.from({ length: count }, (_, index) => ({ path: { type: 'PathPrefix', value: `/p${index}` } }));
  const obstacleOf = (route: RouteJson): string | undefined => route.view().cohort?.obstacle;

  const refused: readonly (readonly [string, RouteJson, string])[] = [
    [
      'a Cookie header of the user’s',
      new RouteJson([usersRule([{ ...path, headers: [{ name: 'cOOkie', value: 'x' }] }])]),
      'already asks',
    ],
    ['a match full of headers', new RouteJson([usersRule([{ ...path, headers: many(16) }])]), '16 headers'],
    ['no room for two rules', new RouteJson([usersRule(), ...rules(14)]), '15 rules of at most 16'],
    ['no room for the matches', new RouteJson([usersRule(paths(43))]), '129 matches of at most 128'],
    [
      'a rule that a query alone sets apart',
      beside({ ...path, queryParams: [{ name: 'beta', value: '1' }] }),
      'rule beta would lose',
    ],
    [
      'a rule with a header, where the user’s has a query',
      new RouteJson([
        usersRule([{ ...path, queryParams: [{ name: 'v', value: '1' }] }]),
        otherRule('beta', { ...path, headers: many(1) }),
      ]),
      'rule beta would lose',
    ],
    ['a rule that its place alone sets apart', beside(path), 'rule beta would lose'],
  ];
  for (const [what, route, message] of refused) {
    it(`says what to change, writes no rule and goes on by chance: ${what}`, () => {
      expect(obstacleOf(route)).to.contain(message);
      const before = patched(route, { weight: 25, cookie: undefined });
      const pass = passOver(before);
      expect(pass.actions.some(({ kind }) => kind === 'write-route')).to.equal(false);
      expect(conditionOf(pass)).to.deep.equal(['False', 'RouteUnsuitable']);
    });
  }

  it('is none for rules that win before and after, or lose before and after', () => {
    const harmless = [
      beside({ ...path, headers: many(1) }),
      beside({ ...path, headers: many(1) }, false),
      beside({ ...path, headers: many(2) }),
      beside({ ...path, method: 'GET' }),
      beside({ path: { type: 'PathPrefix', value: '/api/v1' } }),
      beside(path, false),
      new RouteJson([usersRule(), ...rules(13)]),
      new RouteJson([usersRule(paths(42))]),
    ];
    expect(harmless.map(obstacleOf)).to.deep.equal(harmless.map(() => undefined));
  });

  it('takes rules away that stand already', () => {
    const robbing = at25().with((all) => [otherRule('beta', path), ...all]);
    const pass = passOver(robbing);
    expect([reasonOf(pass), written(pass, robbing)?.ownCount()]).to.deep.equal(['CohortChanged', 0]);
  });
});

describe('an observation without a cohort', () => {
  it('has nothing of it, so that records of before mean what they meant', () => {
    const route: Observation['route'] = patched(cohortRoute(), { weight: 25, cookie: undefined }).view(false);
    expect(route).not.to.have.property('cohort');
  });
});
