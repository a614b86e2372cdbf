/** What a record of a decision holds, whom it names, when one is made, and how two of them differ. */
import { expect } from 'chai';
import type { CheckResult, Verdict } from '../../../../operator/src/core/checks.ts';
import type { Decision } from '../../../../operator/src/core/decide.ts';
import {
  type DecisionDraft,
  differences,
  isNews,
  type PassFacts,
  recordOf,
} from '../../../../operator/src/core/decision-record.ts';
import type { Judgement } from '../../../../operator/src/core/judge.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import { fromJson, toJson } from '../../../../operator/src/core/record-json.ts';
import { nextStatus } from '../../../../operator/src/core/status-from.ts';
import { approvalFor, withApprovals } from '../../../support/operator-core/approving.ts';
import { step, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { failed, later, PASS, zeroed } from '../../../support/operator-core/situations.ts';

const FACTS: PassFacts = {
  actor: { pod: 'operator-0', version: '0.1.0' },
  images: [{ container: 'api', image: 'latchkey/api:v2' }],
  runningImages: [],
  queries: undefined,
  outcome: { kind: 'done' },
};

function recorded(observation: Observation, facts: Partial<PassFacts> = {}): DecisionDraft {
  const { judgement, decision } = think(observation);
  return recordOf(observation, judgement, decision, { ...FACTS, ...facts });
}

/** What a file or the cluster gives back. */
const throughText = <T>(value: T): T => JSON.parse(JSON.stringify(value));

describe('a decision record', () => {
  it('says when, where, by whom and about which images, and no more of them than is known', () => {
    const seen = observe(worldAt(25));
    const { observation: _seen, judgement: _judged, decision, ...rest } = recorded(seen);
    expect(rest).to.deep.equal({
      kind: 'decision-record',
      format: 1,
      time: new Date(seen.nowMs).toISOString(),
      rollout: { namespace: 'auth', name: 'api', uid: 'u' },
      actor: { pod: 'operator-0', version: '0.1.0', token: 1 },
      revision: 'aaaaaaaaa2',
      images: FACTS.images,
      outcome: 'done',
    });
    expect(decision).to.have.all.keys('kind', 'reason', 'message', 'want');
    const known = { runningImages: [{ container: 'api', image: 'sha256:1' }], queries: { requests: 'sum(x)' } };
    expect(recorded(seen, known)).to.deep.include(known);
    expect(recorded(seen, { outcome: { kind: 'conflict', at: 0, code: 'TestFailed' } }).outcome).to.equal(
      'conflict TestFailed',
    );
  });

  it('says how bad it was and what was written, where something was', () => {
    const { decision } = recorded(observe({ ...worldAt(25), health: 'P0' }));
    expect(decision).to.deep.include({ kind: 'rollback', severity: 'P0' });
    expect(decision.write).to.deep.include({ weight: 0, reason: 'SeverityP0' });
  });

  it('keeps of the Deployments what judge and decide read: that there is one, and no template', () => {
    const seen = observe(worldAt(25));
    const kept = fromJson(recorded({ ...seen, previousTemplate: { spec: { image: 'old' } } }).observation);
    expect(kept).to.have.property('previousTemplate').that.deep.equals({});
    expect(kept).to.deep.include({
      target: { ...seen.target, template: {} },
      stable: { ...seen.stable, template: {} },
    });
    const { status } = seen;
    expect(kept).to.have.nested.property('status.weight', status?.weight);
    const bare = recorded({
      ...seen,
      target: undefined,
      stable: undefined,
      status: undefined,
      previousTemplate: undefined,
    });
    expect(bare.observation).to.not.have.any.keys('target', 'stable', 'status', 'previousTemplate');
  });

  it('keeps no password of a manifest that is only in part readable', () => {
    const { spec, ...seen } = observe(worldAt(25));
    if (spec.kind !== 'valid') throw new Error('the spec is invalid');
    const usable = { ...spec.spec, prometheusAddress: 'http://reader:hunter2@prometheus:9090/a@b' };
    const { observation } = recorded({ ...seen, spec: { kind: 'invalid', violations: ['wrong'], usable } });
    expect(observation).to.have.nested.property('spec.usable.prometheusAddress', 'http://prometheus:9090/a@b');
    const none = recorded({ ...seen, spec: { kind: 'invalid', violations: ['wrong'], usable: undefined } });
    expect(none.observation)
      .to.have.property('spec')
      .that.deep.equals({ kind: 'invalid', violations: ['wrong'] });
  });

  it('keeps no pod template and no password, and takes along fields that it does not know', () => {
    const seen = observe(worldAt(25));
    const { spec } = seen;
    if (spec.kind !== 'valid') throw new Error('the spec is invalid');
    const secret = { ...spec.spec, prometheusAddress: 'http://reader:hunter2@prometheus:9090' };
    const future = {
      ...seen,
      spec: { ...spec, spec: secret },
      evidence: new Map([['errorRate', { logE: Number.NaN }]]),
    };
    const { observation } = recorded(future);
    const text = JSON.stringify(observation);
    expect(text).to.not.include('hunter2').and.not.include('"image"').and.not.include('"conditions"');
    expect(fromJson(throughText(observation)))
      .to.have.property('evidence')
      .that.deep.equals(future.evidence);
  });

  it('names who set the weight by hand, and whose approval was spent', () => {
    const world = worldAt(25);
    const edited = { ...world, route: world.route && { ...world.route, canary: { name: 'api-canary', weight: 93 } } };
    expect(recorded(observe(edited)).actor).to.include({ person: 'somebody', token: 1 });
    expect(recorded(observe(world)).actor).to.not.have.property('person');
    const waiting = later(step(later(zeroed(), 2_000)).world, 2_000);
    const approval = approvalFor(waiting);
    expect(recorded(observe(withApprovals(waiting, [approval]))).actor).to.include({ person: approval.by });
  });

  it('is made when the decision or what the checks found is another one, and not when all is as it was', () => {
    const world = later(worldAt(25), 11_000);
    const { observation, judgement, decision } = think(observe(world));
    const status = nextStatus(observation, judgement, decision, { kind: 'done' });
    const { lastDecision } = status;
    expect(isNews(undefined, status, judgement, decision)).to.equal(true);
    expect(isNews(lastDecision, status, judgement, decision)).to.equal(false);
    expect(isNews({ decision: 'hold', reason: 'Paused' }, status, judgement, decision)).to.equal(true);
    expect(isNews(lastDecision, status, { ...judgement, step: failed('P3') }, decision)).to.equal(true);
    const answered = (answer: 'yes' | 'no'): Judgement => {
      return { ...judgement, checkpoints: [{ name: 'go', kind: 'person', answer }] };
    };
    const answers = [{ name: 'go', kind: 'person', answer: 'no' } as const];
    const told = { ...status, checkpoints: { stepIndex: 3, since: '2030-01-01T00:00:00.000Z', answers } };
    expect(isNews(lastDecision, told, answered('no'), decision)).to.equal(false);
    expect(isNews(lastDecision, told, answered('yes'), decision)).to.equal(true);
    expect(isNews(lastDecision, status, answered('no'), decision)).to.equal(true);
    expect(isNews(lastDecision, status, { sentinel: PASS, step: undefined, alerts: PASS }, decision)).to.equal(false);
  });

  it('is made again when a check changes its word, and not when only its figure does', () => {
    const { judgement, decision } = think(observe(worldAt(25)));
    const check = (verdict: Verdict, value = '2%'): CheckResult => ({
      check: 'errorRate',
      verdict,
      value,
      threshold: '1%',
      requests: 100,
      source: 'prometheus',
      windowMs: 60_000,
    });
    const found = (verdict: Verdict, value?: string): Judgement => ({
      ...judgement,
      step: { verdict, results: [check(verdict, value)] },
    });
    const before = { decision: decision.kind, reason: decision.reason };
    const words: readonly Verdict[] = [
      { kind: 'pass' },
      { kind: 'fail', severity: 'P2' },
      { kind: 'fail', severity: 'P3' },
      { kind: 'unknown', why: 'NoData' },
      { kind: 'unknown', why: 'Timeout' },
    ];
    for (const old of words) {
      const { observation } = think(observe(worldAt(25)));
      const status = nextStatus(observation, found(old), decision, { kind: 'done' });
      const news = words.filter((now) => isNews(before, status, found(now, '3%'), decision));
      expect(news).to.deep.equal(words.filter((now) => now !== old));
    }
    expect(isNews(before, undefined, found({ kind: 'pass' }), decision)).to.equal(true);
    const waiting: Judgement = {
      ...judgement,
      step: undefined,
      checkpoints: [{ name: 'go', kind: 'person', answer: 'no' }],
    };
    expect(isNews(before, undefined, waiting, decision)).to.equal(true);
    expect(isNews(before, undefined, { ...judgement, step: undefined }, decision)).to.equal(false);
  });

  it('is made again when the decision stays and its reason changes, or the other way round', () => {
    const { judgement, decision } = think(observe(worldAt(25)));
    const quiet: Judgement = { ...judgement, step: undefined };
    const after = (change: Partial<Decision>): boolean =>
      isNews({ decision: 'hold', reason: 'Holding' }, undefined, quiet, { ...decision, ...change });
    expect(after({ kind: 'hold', reason: 'Holding' })).to.equal(false);
    expect(after({ kind: 'hold', reason: 'Paused' })).to.equal(true);
    expect(after({ kind: 'zero', reason: 'Holding' })).to.equal(true);
  });
});

describe('the differences of two records', () => {
  it('are the names of the innermost fields that differ', () => {
    const old = { a: 1, b: { c: [1, 2], d: 'x' }, e: undefined };
    expect(differences(old, { ...old }, 'r')).to.deep.equal([]);
    expect(differences(old, { ...old, b: { c: [1, 3, 4], d: 'x' } }, 'r')).to.deep.equal(['r.b.c.1', 'r.b.c.2']);
    expect(differences(old, { b: old.b, f: 1 }, 'r')).to.deep.equal(['r.a', 'r.f']);
  });

  it('are the field itself where the two are of different kinds', () => {
    expect(differences({ a: [1] }, { a: { 0: 2 } }, 'r')).to.deep.equal(['r.a']);
    expect(differences({ a: { b: 1 } }, { a: null }, 'r')).to.deep.equal(['r.a']);
    expect(differences({ a: null }, { a: { b: 1 } }, 'r')).to.deep.equal(['r.a']);
    expect(differences({ a: 'text' }, { a: { b: 1 } }, 'r')).to.deep.equal(['r.a']);
    expect(differences(1, 2, 'r')).to.deep.equal(['r']);
  });

  it('are as many as asked for at most, also deep inside', () => {
    const many = (value: number): unknown => ({ a: { b: value, c: value, d: value }, e: value, f: value });
    expect(differences(many(1), many(2), 'r', 4)).to.deep.equal(['r.a.b', 'r.a.c', 'r.a.d', 'r.e']);
    expect(differences(many(1), many(2), 'r', 2)).to.deep.equal(['r.a.b', 'r.a.c']);
    const wide = (value: number): unknown =>
      Object.fromEntries(Array.from({ length: 20 }, (_, index) => [index, value]));
    expect(differences(wide(1), wide(2), 'r')).to.have.length(8);
  });
});

describe('plain JSON of a record', () => {
  it('spells out what JSON cannot say, and reads it back', () => {
    const odd = {
      nan: Number.NaN,
      inf: [Number.NEGATIVE_INFINITY],
      map: new Map([[1, new Set(['a'])]]),
      none: undefined,
    };
    const plain = toJson(odd);
    expect(plain).to.deep.equal({
      nan: { $number: 'NaN' },
      inf: [{ $number: '-Infinity' }],
      map: { $map: [[1, { $set: ['a'] }]] },
    });
    const { none, ...rest } = odd;
    expect(none).to.equal(undefined);
    expect(fromJson(throughText(plain))).to.deep.equal(rest);
    expect(toJson([undefined, null, 1])).to.deep.equal([null, null, 1]);
  });

  it('takes a key for a word of ours only where it stands alone and has what we write', () => {
    const values = [
      { $map: 1 },
      { $set: 'x' },
      { $map: [], other: 1 },
      { $set: [1], other: 1 },
      { $number: '1', other: 1 },
      {},
    ];
    expect(fromJson(values)).to.deep.equal(values);
    expect(fromJson({ $map: [1] })).to.deep.equal(new Map([[undefined, undefined]]));
    expect(fromJson({ a: { $number: 'Infinity' } })).to.deep.equal({ a: Number.POSITIVE_INFINITY });
  });
});
