import { expect } from 'chai';
import type { Action, PatchOperation } from '../../../../operator/src/core/plan.ts';
import {
  canaryReplicas,
  canonicalJson,
  relabel,
  revisionOf,
  stableTemplate,
} from '../../../../operator/src/core/revision.ts';
import { act, step, think, worldAt, writeStatus } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later } from '../../../support/operator-core/situations.ts';
import { freshWorld, type World } from '../../../support/operator-core/world.ts';

const sick = (): World => ({ ...worldAt(25), health: 'P0' });
const routePatch = (actions: readonly Action[]): readonly PatchOperation[] =>
  actions.flatMap((action) => (action.kind === 'write-route' ? action.patch : []));

describe('plan', () => {
  it('writes both weights, the fence and the record, tests what they stand on, and touches nothing else', () => {
    const patch = routePatch(think(observe(sick())).actions);
    expect(patch.map(({ op, path }) => `${op} ${path}`)).to.deep.equal([
      'test /spec/rules/0/name',
      'test /spec/rules/0/backendRefs/0/name',
      'test /spec/rules/0/backendRefs/1/name',
      'test /metadata/annotations/latchkey.dev~1fence',
      'add /spec/rules/0/backendRefs/0/weight',
      'add /spec/rules/0/backendRefs/1/weight',
      'add /metadata/annotations/latchkey.dev~1fence',
      'add /metadata/annotations/latchkey.dev~1write',
    ]);
  });

  it('tests the present weights and record for every weight above 0, and never for 0', () => {
    const paths = (world: World): string[] =>
      routePatch(think(observe(world)).actions).flatMap((operation) =>
        operation.op === 'test' ? [operation.path] : [],
      );
    expect(paths({ ...later(worldAt(25), 11_000), health: 'P2' })).to.include('/spec/rules/0/backendRefs/1/weight');
    expect(paths(sick())).not.to.include('/spec/rules/0/backendRefs/1/weight');
  });

  it('falls back to the resourceVersion while the route has no fence, and makes the annotations', () => {
    const seen = observe(freshWorld());
    if (seen.route.kind !== 'programmable') throw new Error('route');
    const { actions } = think({ ...seen, route: { ...seen.route, hasAnnotations: false } });
    const [claim] = actions;
    expect(claim?.kind === 'claim-fence' && claim.patch).to.deep.equal([
      { op: 'test', path: '/metadata/resourceVersion', value: '1' },
      { op: 'add', path: '/metadata/annotations', value: {} },
      { op: 'add', path: '/metadata/annotations/latchkey.dev~1fence', value: '1' },
    ]);
  });

  it("refuses a deposed leader's write once the successor has claimed the fence", () => {
    const old = think(observe({ ...later(worldAt(25), 11_000), health: 'P2' }));
    const claimed = step({ ...worldAt(25), leaseToken: 2 }).world;
    const { world, outcome } = act(claimed, old);
    expect(outcome).to.deep.include({ kind: 'conflict', at: 0 });
    expect(world.route?.canary.weight).to.equal(25);
  });

  it('converges when it dies after any of its actions, or before the status', () => {
    const pass = think(observe(sick()));
    for (let limit = 0; limit <= pass.actions.length; limit += 1) {
      let { world } = act(sick(), pass, limit);
      for (let count = 0; count < 8; count += 1)
        world = step(later({ ...world, health: limit === 0 ? 'P0' : 'good' }, 1_000)).world;
      expect([world.route?.canary.weight, world.status?.phase, world.target?.replicas]).to.deep.equal([
        0,
        'RolledBack',
        0,
      ]);
    }
  });

  it('keeps the condemnation although the write that carried it failed, and tries again', () => {
    const pass = think(observe(sick()));
    const { route } = sick();
    const claimed = {
      ...sick(),
      route: route && { ...route, annotations: { ...route.annotations, 'latchkey.dev/fence': '0' } },
    };
    const { world, outcome } = act(claimed, pass);
    expect(outcome.kind).to.equal('conflict');
    const written = writeStatus(world, pass, outcome, world.statusVersion);
    expect([written.status?.phase, written.status?.condemned?.[0]?.revision]).to.deep.equal([
      'Progressing',
      'aaaaaaaaa2',
    ]);
    const again = step({ ...written, health: 'good' }).world;
    expect([again.status?.phase, again.route?.canary.weight]).to.deep.equal(['RolledBack', 0]);
  });
});

describe('revisions and labels', () => {
  it('do not depend on the order in which fields arrive', () => {
    expect(canonicalJson({ b: [1, { d: undefined, c: null }], a: 'x' })).to.equal('{"a":"x","b":[1,{"c":null}]}');
    const sha256 = (text: string): string => text.padEnd(64, '0');
    expect(revisionOf({ spec: 1 }, sha256)).to.equal('{"spec":1}');
  });

  it('change the one label that tells stable from the canary', () => {
    const selector = { app: 'api', 'latchkey.dev/track': 'canary' };
    expect(relabel({ ...selector, other: 'x' }, selector)).to.deep.equal({
      app: 'api',
      'latchkey.dev/track': 'stable',
      other: 'x',
    });
    expect(relabel({ app: 'api' }, { app: 'api' })).to.deep.equal({ app: 'api-stable' });
    expect(relabel({ z: '1', k: '2' }, { z: '1', k: '2' })).to.deep.equal({ z: '1', k: '2-stable' });
    const instance = { 'app.kubernetes.io/instance': 'auth-api', app: 'x' };
    expect(relabel(instance, instance)).to.deep.equal({ 'app.kubernetes.io/instance': 'auth-api-stable', app: 'x' });
  });

  it("stamp stable's template and leave the rest of it alone", () => {
    const { target } = observe(freshWorld());
    if (target === undefined) throw new Error('target');
    const template = stableTemplate(target);
    expect(template.spec).to.deep.equal(target.template.spec);
    expect(template.metadata?.labels).to.deep.equal({
      app: 'api',
      'latchkey.dev/track': 'stable',
      'latchkey.dev/revision': target.revision,
    });
  });

  it('ask for one pod at the least and for its share rounded up', () => {
    const needed = [0, 1, 5, 25, 26, 50, 100].map((weight) => canaryReplicas(4, weight));
    expect(needed).to.deep.equal([0, 1, 1, 1, 2, 2, 4]);
  });
});
