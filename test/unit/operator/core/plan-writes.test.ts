/** The writes that a decision becomes, each only where the cluster is not as wanted, and what of them follows from the target. */
import { expect } from 'chai';
import type { Decision } from '../../../../operator/src/core/decide.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import { type Action, plan } from '../../../../operator/src/core/plan.ts';
import { canonicalJson, isFullyReady, relabel, stableTemplate } from '../../../../operator/src/core/revision.ts';
import type { Want } from '../../../../operator/src/core/scene.ts';
import { think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';

const seen = (change: Partial<Observation> = {}): Observation => ({ ...observe(worldAt(25)), ...change });

describe('the writes of a pass', () => {
  const leave: Want = {
    weight: 'leave',
    canaryReplicas: 'leave',
    stable: 'leave',
    canaryService: 'leave',
    finalizer: 'leave',
  };
  const writes = (
    change: Partial<Observation>,
    want: Partial<Want>,
    decision: Partial<Decision> = {},
  ): readonly Action[] => {
    const { decision: made } = think(seen());
    return plan(seen(change), { ...made, want: { ...leave, ...want }, ...decision });
  };
  const kinds = (...args: Parameters<typeof writes>): readonly string[] => writes(...args).map(({ kind }) => kind);

  it('are none of a deposed leader, and none where all is as wanted', () => {
    expect(kinds({}, { finalizer: 'add' }, { isDeposed: true })).to.deep.equal([]);
    expect(kinds({}, {})).to.deep.equal([]);
  });

  it('need a route, a weight and a record of it for a weight', () => {
    const record = { weight: 10, revision: 'a', stepIndex: 1, decision: 'reduce', reason: 'Blind', at: '' } as const;
    expect(kinds({}, { weight: 10 }, { record })).to.deep.equal(['write-route']);
    expect(kinds({}, { weight: 10 }, { record: undefined })).to.deep.equal([]);
    expect(kinds({}, {}, { record })).to.deep.equal([]);
    expect(kinds({ route: { kind: 'missing' } }, { weight: 10 }, { record })).to.deep.equal([]);
  });

  it('make Services that are missing, the canary’s with the selector that is wanted', () => {
    const { services, target } = seen();
    const canary = (canaryService: Want['canaryService']): unknown => {
      const [action] = writes({ services: { ...services, canary: undefined } }, { canaryService });
      return action?.kind === 'create-service' ? [action.name, action.selector] : action;
    };
    expect(canary('leave')).to.deep.equal(['api-canary', target?.selector]);
    expect(canary('detached')).to.deep.equal(['api-canary', services.stable?.selector]);
    expect(writes({ services: { ...services, stable: undefined } }, {})).to.deep.equal([
      { kind: 'create-service', name: 'api-stable', selector: services.stable?.selector },
    ]);
    expect(kinds({ services: { stable: undefined, canary: undefined }, target: undefined }, {})).to.deep.equal([]);
  });

  it('change the selector of the canary’s Service only where it is another, label by label', () => {
    const { services, target } = seen();
    const changes = (selector: Readonly<Record<string, string>>): boolean =>
      kinds({ services: { ...services, canary: { name: 'api-canary', selector } } }, { canaryService: 'attached' })
        .length > 0;
    const own = target?.selector ?? {};
    const { app: _app, ...less } = own;
    expect([changes(own), changes({ ...own, more: 'x' }), changes(less), changes({ ...own, app: 'x' })]).to.deep.equal([
      false,
      true,
      true,
      true,
    ]);
    expect(changes({ ...less, other: 'x' })).to.equal(true);
  });

  it('scale the canary up to at least, or to exactly, what is wanted, and stable to what the spec says', () => {
    const { spec, stable } = seen();
    const scaled = (kind: 'at-least' | 'exactly', replicas: number): number =>
      writes({}, { canaryReplicas: { kind, replicas } }).filter((action) => action.kind === 'scale').length;
    const { replicas } = seen().target ?? { replicas: 0 };
    expect([
      scaled('at-least', replicas),
      scaled('at-least', replicas - 1),
      scaled('at-least', replicas + 1),
    ]).to.deep.equal([0, 0, 1]);
    expect([scaled('exactly', replicas), scaled('exactly', replicas - 1)]).to.deep.equal([0, 1]);
    if (spec.kind !== 'valid') throw new Error('spec');
    const owning = (count: number | undefined): unknown =>
      writes({ spec: { ...spec, spec: { ...spec.spec, replicas: count } } }, {});
    expect([owning(undefined), owning(stable?.replicas)]).to.deep.equal([[], []]);
    expect(owning(9)).to.deep.equal([{ kind: 'scale', name: 'api-stable', replicas: 9 }]);
  });

  it('give stable a template that it does not have, with its revision and without the label of a ReplicaSet', () => {
    const labels = { app: 'api', 'pod-template-hash': 'x' };
    const { stable } = seen();
    const foreign = { stable: stable && { ...stable, revision: 'ffffffffff' } };
    const restore = (
      previousTemplate: Observation['previousTemplate'],
      change: Partial<Observation> = foreign,
    ): readonly Action[] => writes({ ...change, previousTemplate }, { stable: 'previous-template' });
    const action = { kind: 'set-stable-template', name: 'api-stable', revision: 'aaaaaaaaa1' };
    const stamped = { 'latchkey.dev/revision': 'aaaaaaaaa1' };
    expect(restore({ metadata: { labels }, spec: 1 })).to.deep.equal([
      { ...action, template: { metadata: { labels: { app: 'api', ...stamped } }, spec: 1 } },
    ]);
    expect(restore({})).to.deep.equal([{ ...action, template: { metadata: { labels: stamped } } }]);
    expect([restore(undefined), restore({}, {})]).to.deep.equal([[], []]);
  });

  it('make a stable that is missing where its template is known, with as many pods as the target or the spec has', () => {
    const made = (want: Want['stable'], change: Partial<Observation> = {}): unknown => {
      const [action] = writes({ stable: undefined, previousTemplate: undefined, ...change }, { stable: want });
      return action?.kind === 'create-stable' ? action.replicas : action;
    };
    const { target } = seen();
    expect(made('target-template', { target: target && { ...target, replicas: 3 } })).to.equal(3);
    expect(made('target-template', { target: target && { ...target, replicas: 0 } })).to.equal(1);
    expect([made('leave'), made('previous-template'), made('target-template', { target: undefined })]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('of a deletion touch neither Services nor Deployments, and let go last', () => {
    const rollout = { ...seen().rollout, deleting: true, hasFinalizer: true };
    const all = {
      canaryReplicas: { kind: 'exactly', replicas: 9 },
      stable: 'target-template',
      finalizer: 'release',
    } as const;
    const services = { stable: undefined, canary: undefined };
    expect(kinds({ rollout, services, stable: undefined }, all)).to.deep.equal(['remove-finalizer']);
    expect(kinds({ rollout: { ...rollout, hasFinalizer: false } }, all)).to.deep.equal([]);
  });
});

describe('what follows from a target', () => {
  it('is text that is the same for equal values, in whatever order', () => {
    expect(canonicalJson({ b: [1, undefined, null], a: undefined, c: { e: 1, d: 'x' } })).to.equal(
      '{"b":[1,null,null],"c":{"d":"x","e":1}}',
    );
    expect([canonicalJson(undefined), canonicalJson(() => 1)]).to.deep.equal(['null', 'null']);
  });

  it('is a stable that differs in the one label by which the target selects best', () => {
    const labels = { app: 'api', 'latchkey.dev/track': 'canary', other: 'x' };
    expect(relabel(labels, { app: 'api', 'latchkey.dev/track': 'canary' })['latchkey.dev/track']).to.equal('stable');
    expect(relabel(labels, { app: 'api', 'app.kubernetes.io/instance': 'i' })['app.kubernetes.io/instance']).to.equal(
      'i-stable',
    );
    expect(relabel(labels, { app: 'other' }).app).to.equal('api-stable');
    expect(relabel({}, { zone: 'b', app2: 'a' })).to.deep.equal({ app2: 'a-stable' });
    expect(relabel(labels, {})).to.equal(labels);
  });

  it('is a template with stable’s labels and the target’s revision, whatever labels it had', () => {
    const { target } = seen();
    if (target === undefined) throw new Error('target');
    expect(stableTemplate({ ...target, template: {}, selector: { app: 'api' } })).to.deep.equal({
      metadata: { labels: { app: 'api-stable', 'latchkey.dev/revision': target.revision } },
    });
  });

  it('is readiness of every pod that is wanted, of the newest template, with no older one left', () => {
    const { target } = seen();
    if (target === undefined) throw new Error('target');
    const ready = {
      ...target,
      generation: 2,
      observedGeneration: 2,
      replicas: 2,
      updatedReplicas: 2,
      readyReplicas: 2,
      currentReplicas: 2,
    };
    expect([isFullyReady(ready, 2), isFullyReady(ready, 3)]).to.deep.equal([true, false]);
    const lacks = [{ observedGeneration: 1 }, { updatedReplicas: 1 }, { readyReplicas: 1 }, { currentReplicas: 3 }];
    for (const lack of lacks) expect(isFullyReady({ ...ready, ...lack }, 2), JSON.stringify(lack)).to.equal(false);
  });
});
