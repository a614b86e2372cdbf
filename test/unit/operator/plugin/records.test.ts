import { expect } from 'chai';
import { type DecisionDraft, recordOf } from '../../../../operator/src/core/decision-record.ts';
import { policyDifferences, readPolicy, underPolicy } from '../../../../operator/src/core/policy.ts';
import { parseOptions } from '../../../../operator/src/plugin/options.ts';
import { recordsInText } from '../../../../operator/src/plugin/records.ts';
import { drawReplay, replayList } from '../../../../operator/src/plugin/replay.ts';
import { drawReport, verifyList } from '../../../../operator/src/plugin/verify.ts';
import { GENESIS, type Head, seal } from '../../../../operator/src/record-chain.ts';
import { think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later } from '../../../support/operator-core/situations.ts';
import type { Health, World } from '../../../support/operator-core/world.ts';

const sick = (health: Health): World => later({ ...worldAt(25), health }, 11_000);

function draftOf(world: World): DecisionDraft {
  const { observation, judgement, decision } = think(observe(world));
  const facts = {
    actor: { pod: 'p', version: '1' },
    images: [],
    runningImages: [],
    queries: undefined,
    outcome: { kind: 'done' as const },
  };
  return recordOf(observation, judgement, decision, facts);
}

/** The stream that an operator leaves, with log lines between. */
function stream(worlds: readonly World[]): string {
  let head: Head = { sequence: 0, hash: GENESIS };
  const lines = worlds.map((world) => {
    const sealed = seal(draftOf(world), head);
    head = sealed;
    return sealed.line;
  });
  return ['{"level":30,"msg":"started"}', ...lines, 'no JSON at all'].join('\n');
}

const only = (text: string) => {
  const [list] = recordsInText(text);
  if (list === undefined) throw new Error('no records');
  return list;
};

function policy(manifest: unknown) {
  const reading = readPolicy(manifest);
  if (reading.kind === 'invalid') throw new Error(reading.violations.join());
  return reading;
}

describe('records in a file', () => {
  it('are found between other lines, with a prefix before them, and twice where a collector delivered twice', () => {
    const text = stream([sick('good'), sick('P1')]);
    const [first = '', ...others] = text.split('\n').slice(1, 3);
    const delivered = [first, first, ...others].map((line) => `[pod/operator-0/operator] ${line}`).join('\n');
    const report = verifyList(only(delivered));
    expect(report.isRight, JSON.stringify(report)).to.equal(true);
    expect(report.records.map(({ sequence }) => sequence)).to.deep.equal([1, 2]);
    expect(drawReport(report, false).at(-1)).to.equal('2 records: all right');
  });

  it('may begin in the middle: what is before them is named by its hash', () => {
    const [, second = ''] = stream([sick('good'), sick('P1')])
      .split('\n')
      .slice(1, 3);
    const { before, isRight } = verifyList(only(second));
    expect(isRight).to.equal(true);
    expect(before.count).to.equal(1);
    expect(before.hash).to.match(/^[0-9a-f]{64}$/);
  });

  it('that differ from another copy of the same chain are told', () => {
    const list = only(stream([sick('good')]));
    const { records } = verifyList(list, new Map([[1, GENESIS]]));
    expect(records[0]?.problems).to.deep.equal(['is another one in the other copy']);
  });
});

describe('another policy', () => {
  it('decides otherwise where its limits are others, and the same where they are not', () => {
    const list = only(stream([sick('good'), sick('P1'), sick('P2')]));
    const lenient = policy({ matrix: { errorRate: { p0: 0.5, p1: 0.4, p2: 0.3, p3: 0.2 } } });
    const { records } = replayList(list, lenient.named);
    expect(records.map(({ isSame }) => isSame)).to.deep.equal([true, false, false]);
    expect(records[1]?.old).to.include({ decision: 'zero SeverityP1', weight: 0 });
    expect(records[1]?.new.decision).to.equal('hold Holding');
    expect(replayList(list, policy({ spec: { matrix: {} } }).named).records.every(({ isSame }) => isSame)).to.equal(
      true,
    );
    const drawn = drawReplay(replayList(list, lenient.named), false);
    expect(drawn.join('\n')).to.include('would be hold Holding');
    expect(drawn.at(-1)).to.equal('2 of 3 would be other decisions');
  });

  it('does not take proof of the old limit for proof of a higher one, and finds what the counts prove of it', () => {
    const over = (health: Health, p1: number): number => {
      const seen = observe(sick(health));
      const { sentinel } = seen;
      if (sentinel === undefined) throw new Error('the sentinel saw nothing');
      const errorRate = { ...sentinel.evidence.errorRate, over: 1e9 };
      const proven = { ...seen, sentinel: { ...sentinel, evidence: { ...sentinel.evidence, errorRate } } };
      const { named } = policy({ matrix: { errorRate: { p0: 0.9, p1, p2: 0.005, p3: 0.001 } } });
      return underPolicy(proven, named).sentinel?.evidence.errorRate.over ?? 0;
    };
    expect(over('P1', 0.01), 'the same limit').to.equal(1e9);
    expect(over('thin', 0.009), 'a lower limit').to.equal(1e9);
    expect(over('thin', 0.4), 'a higher one, and three requests').to.be.below(10);
    expect(over('P1', 0.4), 'a higher one than 2 % of ten thousand').to.be.below(10);
    expect(over('P0', 0.4), 'half of ten thousand').to.be.above(1e6);
  });

  it('advances earlier under a shorter hold', () => {
    const list = only(stream([later(sick('good'), 20_000)]));
    const hold = (text: string): object => ({
      schedule: [5, 10, 25, 50, 100].map((weight) => ({ weight, hold: text, checkEvery: '10s' })),
    });
    expect(replayList(list, policy(hold('60s')).named).records[0]?.isSame).to.equal(true);
    expect(replayList(list, policy(hold('20s')).named).records[0]?.new.decision).to.not.include('Holding');
  });

  it('cannot know what was not counted: samples at another latency bound are unknown, not a pass', () => {
    const list = only(stream([sick('good')]));
    const moved = policy({ matrix: { latencyP95: { p1: '1s', p2: '300ms', p3: '200ms' } } });
    const [record] = replayList(list, moved.named).records;
    expect(record?.new.decision).to.not.include('Advanced');
  });

  it('is refused when it is none', () => {
    expect(readPolicy({ matrix: { errorRate: { p9: 1 } } })).to.have.property('kind', 'invalid');
    expect(readPolicy({})).to.deep.equal({
      kind: 'invalid',
      violations: ['it names no spec.matrix, spec.schedule, spec.metrics.blindLimit or spec.zero'],
    });
    expect(readPolicy('text')).to.have.property('kind', 'invalid');
  });

  it('differs in named figures, durations as one writes them', () => {
    const one = policy({ matrix: { errorRate: { p0: 0.05, p1: 0.01, p2: 0.005, p3: 0.001 } } }).policy;
    const other = policy({
      matrix: { errorRate: { p0: 0.05, p1: 0.02, p2: 0.005, p3: 0.001 }, serviceDown: { p0: '2m' } },
      schedule: [{ weight: 100, hold: '1h', checkEvery: '1m' }],
    }).policy;
    expect(policyDifferences(one, one)).to.deep.equal([]);
    const found = policyDifferences(one, other);
    expect(found).to.deep.include({ path: 'matrix.errorRate.p1', old: '0.01', new: '0.02' });
    expect(found).to.deep.include({ path: 'matrix.serviceDown.p0', old: '5m', new: '2m' });
    expect(found).to.deep.include({ path: 'schedule[1].hold', old: '30m', new: '–' });
  });
});

describe('the command line of replay and diff', () => {
  it('takes a policy, or two and perhaps a name', () => {
    expect(parseOptions(['replay', 'auth-api', '--policy', 'new.yaml'])).to.deep.include({
      name: 'auth-api',
      policies: ['new.yaml'],
    });
    expect(parseOptions(['diff', 'a.yaml', 'b.yaml'])).to.deep.include({ name: '', policies: ['a.yaml', 'b.yaml'] });
    expect(parseOptions(['diff', 'a.yaml', 'b.yaml', 'auth-api'])).to.deep.include({ name: 'auth-api' });
    expect(() => parseOptions(['replay', 'auth-api'])).to.throw('--policy FILE');
    expect(() => parseOptions(['diff', 'a.yaml'])).to.throw('diff OLD.yaml NEW.yaml');
    expect(() => parseOptions(['verify'])).to.throw('name an AuthRollout');
  });
});
