import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  type DecisionDraft,
  differences,
  isNews,
  recordOf,
  rejudge,
} from '../../../../operator/src/core/decision-record.ts';
import type { Judgement } from '../../../../operator/src/core/judge.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import { fromJson, toJson } from '../../../../operator/src/core/record-json.ts';
import { nextStatus } from '../../../../operator/src/core/status-from.ts';
import { anyWorld } from '../../../support/operator-core/any-world.ts';
import { approvalFor, withApprovals } from '../../../support/operator-core/approving.ts';
import { step, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { failed, later, PASS, zeroed } from '../../../support/operator-core/situations.ts';

const FACTS = {
  actor: { pod: 'operator-0', version: '0.1.0' },
  images: [{ container: 'api', image: 'latchkey/api:v2' }],
  runningImages: [],
  queries: undefined,
  outcome: { kind: 'done' },
} as const;

function recorded(observation: Observation): DecisionDraft {
  const { judgement, decision } = think(observation);
  return recordOf(observation, judgement, decision, FACTS);
}

/** What a file or the cluster gives back. */
const throughText = <T>(value: T): T => JSON.parse(JSON.stringify(value));

/** A figure as no counter should ever show it. */
const oddNumber = fc.constantFrom(0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300);

function withNumbers(observation: Observation, number: number): Observation {
  const { samples, sentinel } = observation;
  return {
    ...observation,
    samples: samples && { ...samples, requests: { kind: 'value', value: number } },
    sentinel: sentinel && { ...sentinel, dataLoss: number, quietSinceMs: number },
  };
}

describe('a decision record', () => {
  it('gives the same verdicts and the same decision when it is judged again, whatever was observed', () => {
    fc.assert(
      fc.property(anyWorld, fc.option(oddNumber), (world, number) => {
        const seen = observe(world);
        const observation = number === null ? seen : withNumbers(seen, number);
        const record = throughText(recorded(observation));
        const again = rejudge(record.observation);
        expect(differences(record.judgement, again.judgement, 'judgement')).to.deep.equal([]);
        expect(differences(record.decision, again.decision, 'decision')).to.deep.equal([]);
      }),
      { numRuns: 300 },
    );
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
});

describe('plain JSON', () => {
  it('loses nothing but undefined', () => {
    const value = fc.anything({ withNullPrototype: false });
    fc.assert(
      fc.property(value, (any) => {
        const once = toJson(any);
        expect(
          differences(toJson(fromJson(throughText(once ?? null))), throughText(once ?? null), 'value'),
        ).to.deep.equal([]);
      }),
    );
    const odd = { nan: Number.NaN, inf: [Number.NEGATIVE_INFINITY], map: new Map([[1, new Set(['a'])]]) };
    expect(fromJson(throughText(toJson(odd)))).to.deep.equal(odd);
  });
});
