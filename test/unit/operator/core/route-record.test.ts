/** What we read of our own words on a route, and the patches that write them. */
import { expect } from 'chai';
import type { ProgrammableRoute, WriteRecord } from '../../../../operator/src/core/observation.ts';
import { fencePatch, weightPatch } from '../../../../operator/src/core/route-patch.ts';
import {
  isOurNotation,
  leastWeight,
  liveWeight,
  readFence,
  readRecord,
} from '../../../../operator/src/core/route-record.ts';
import { cohortRoute, patched } from '../../../support/operator-core/cohort.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { routeView } from '../../../support/operator-core/seeing.ts';

const record: WriteRecord = {
  weight: 25,
  revision: 'aaaaaaaaa2',
  stepIndex: 2,
  decision: 'advance',
  reason: 'Advanced',
  at: '2030-01-01T00:00:00.000Z',
};
const route = (change: Partial<ProgrammableRoute> = {}): ProgrammableRoute => {
  const view = routeView(worldAt(25));
  if (view.kind !== 'programmable') throw new Error(view.kind);
  return { ...view, ...change };
};
const weights = (stable: number | undefined, canary: number | undefined): ProgrammableRoute =>
  route({
    stable: { name: 'api-stable', index: 0, weight: stable },
    canary: { name: 'api-canary', index: 1, weight: canary },
  });

const lines = (patch: ReturnType<typeof weightPatch>): readonly string[] =>
  patch.map(({ op, path }) => `${op} ${path}`);

describe('our record on a route', () => {
  it('is read as it was written, up to 1,024 letters of it', () => {
    const text = JSON.stringify(record);
    expect(readRecord(text)).to.deep.equal(record);
    expect(readRecord(text.padEnd(1_024))).to.deep.equal(record);
    expect(readRecord(text.padEnd(1_025))).to.equal(undefined);
  });

  it('is none where anybody else wrote: no JSON, other fields, figures out of bounds', () => {
    const others = [undefined, '', '{', 'null', '[]', '{"weight":25}'];
    const changes = [{ weight: 101 }, { weight: 2.5 }, { stepIndex: 20 }, { decision: 'go' }, { at: 'soon' }];
    const texts = [...others, ...changes.map((change) => JSON.stringify({ ...record, ...change }))];
    expect(texts.map(readRecord)).to.deep.equal(texts.map(() => undefined));
  });
});

describe('our fence on a route', () => {
  it('is digits and nothing else, fifteen at most', () => {
    expect([readFence('0'), readFence('12'), readFence('9'.repeat(15))]).to.deep.equal([0, 12, 999_999_999_999_999]);
    const others = [undefined, '', '1x', 'x1', '-1', '1.5', ' 1', '9'.repeat(16)];
    expect(others.map(readFence)).to.deep.equal(others.map(() => undefined));
  });
});

describe('the weight on a route', () => {
  it('is the canary’s share of both, where one without a weight has 1', () => {
    const live = (stable: number | undefined, canary: number | undefined): number =>
      liveWeight(weights(stable, canary));
    expect([live(75, 25), live(93, 7), live(1, 3), live(0, 0)]).to.deep.equal([25, 7, 75, 0]);
    expect([live(undefined, 1), live(1, undefined), live(undefined, undefined), live(0, undefined)]).to.deep.equal([
      50, 50, 50, 100,
    ]);
    expect([leastWeight(weights(75, 25)), leastWeight(weights(0, 100))]).to.deep.equal([25, 100]);
  });

  it('is in our notation as two whole percents that are both there and make a hundred', () => {
    const isOurs = (stable: number | undefined, canary: number | undefined): boolean =>
      isOurNotation(weights(stable, canary));
    expect([isOurs(75, 25), isOurs(100, 0), isOurs(0, 100)]).to.deep.equal([true, true, true]);
    expect([isOurs(7, 3), isOurs(undefined, 100), isOurs(100, undefined), isOurs(undefined, undefined)]).to.deep.equal([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('a patch of a route', () => {
  const own = ['/spec/rules/0/name', '/spec/rules/0/backendRefs/0/name', '/spec/rules/0/backendRefs/1/name'];
  const [stable, canary] = ['/spec/rules/0/backendRefs/0/weight', '/spec/rules/0/backendRefs/1/weight'];
  const [fence, write] = ['fence', 'write'].map((key) => `/metadata/annotations/latchkey.dev~1${key}`);
  it('tests what it was decided on before it writes both weights, fence and record', () => {
    const patch = weightPatch(route(), { ...record, weight: 50 }, 7);
    const tests = [...own, stable, canary, write].map((path) => `test ${path}`);
    expect(lines(patch)).to.include.members(tests);
    expect(lines(patch).findLastIndex((line) => line.startsWith('test '))).to.be.below(
      lines(patch).findIndex((line) => line.startsWith('add ')),
    );
    expect(patch).to.deep.include.members([
      { op: 'add', path: stable, value: 50 },
      { op: 'add', path: canary, value: 50 },
      { op: 'add', path: fence, value: '7' },
      { op: 'add', path: write, value: JSON.stringify({ ...record, weight: 50 }) },
    ]);
  });

  it('tests the version of the whole route where a word of ours is not there to be tested', () => {
    const version = { op: 'test', path: '/metadata/resourceVersion', value: route().resourceVersion };
    expect(weightPatch(route({ write: undefined }), record, 7)).to.deep.include(version);
    expect(fencePatch(route({ fence: undefined }), 7)).to.deep.include(version);
    expect(fencePatch(route(), 7)).to.deep.equal([
      { op: 'test', path: fence, value: route().fence },
      { op: 'add', path: fence, value: '7' },
    ]);
  });

  it('makes the annotations where there are none, and never over others', () => {
    const made = { op: 'add', path: '/metadata/annotations', value: {} };
    expect(fencePatch(route({ hasAnnotations: false, fence: undefined }), 7)).to.deep.include(made);
    expect(fencePatch(route(), 7)).to.not.deep.include(made);
  });
});

describe('a patch of a route with our two rules', () => {
  const at25 = patched(cohortRoute(), { weight: 25, cookie: 'lk_bucket' });
  const ours = (view: ProgrammableRoute): readonly string[] =>
    weightPatch(view, { ...record, weight: 50, cohort: 'lk_bucket' }, 7)
      .filter(({ op, path }) => op !== 'test' && /^\/spec\/rules\/[-\d]+$/.test(path))
      .map(({ op, path }) => `${op} ${path}`);

  it('tests each of them as it was read, and for weight 0, which nothing may refuse, its name alone', () => {
    const { cohort } = at25.view();
    const whole = [cohort?.canary, cohort?.stable].map((own) => ({
      op: 'test',
      path: `/spec/rules/${own?.index}`,
      value: own?.rule,
    }));
    const names = [cohort?.canary, cohort?.stable].map((own) => ({
      op: 'test',
      path: `/spec/rules/${own?.index}/name`,
      value: own?.rule.name,
    }));
    expect(weightPatch(at25.view(), record, 7)).to.deep.include.members([...whole, ...names]);
    const zero = weightPatch(at25.view(), { ...record, weight: 0 }, 7);
    expect(zero).to.deep.include.members(names);
    expect(lines(zero).filter((line) => line === `test /spec/rules/${cohort?.canary?.index}`)).to.deep.equal([]);
  });

  it('replaces them where they stand, the canary’s before stable’s', () => {
    expect(ours(at25.view())).to.deep.equal(['replace /spec/rules/3', 'replace /spec/rules/4']);
  });

  it('takes them away from the end and makes both anew where one is missing or they stand the other way round', () => {
    const anew = ['add /spec/rules/-', 'add /spec/rules/-'];
    const swapped = at25.with((rules) => [...rules.slice(0, 3), ...rules.slice(3).toReversed()]);
    expect(ours(swapped.view())).to.deep.equal(['remove /spec/rules/4', 'remove /spec/rules/3', ...anew]);
    const single = at25.with((rules) => rules.filter(({ name }) => name !== 'latchkey-cohort-canary'));
    expect(ours(single.view())).to.deep.equal(['remove /spec/rules/3', ...anew]);
    const first = at25.with((rules) => [...rules.slice(3), ...rules.slice(0, 3)]);
    expect(ours(first.view())).to.deep.equal(['replace /spec/rules/0', 'replace /spec/rules/1']);
  });
});
