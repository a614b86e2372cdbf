import { expect } from 'chai';
import * as fc from 'fast-check';
import { type DecisionDraft, differences, recordOf, rejudge } from '../../../../operator/src/core/decision-record.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import { fromJson, toJson } from '../../../../operator/src/core/record-json.ts';
import { anyWorld } from '../../../support/operator-core/any-world.ts';
import { think } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';

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
  });
});
