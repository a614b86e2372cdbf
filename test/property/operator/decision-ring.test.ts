import { expect } from 'chai';
import * as fc from 'fast-check';
import { MAX_LOG_BYTES, MAX_RECORDS } from '../../../operator/src/core/decision-log-schema.ts';
import { type DecisionDraft, recordOf } from '../../../operator/src/core/decision-record.ts';
import {
  append,
  creationOf,
  headOf,
  NO_RING,
  patchOf,
  type Ring,
  readRing,
  rebased,
  stored,
  unstoredIn,
} from '../../../operator/src/decision-ring.ts';
import { GENESIS, isIntact, recordShape, seal, unpackLine } from '../../../operator/src/record-chain.ts';
import { think, worldAt } from '../../support/operator-core/doing.ts';
import { observe } from '../../support/operator-core/seeing.ts';

const OWNER = { name: 'auth-api', uid: 'u1' };

function draft(number: number): DecisionDraft {
  const observation = observe(worldAt(25));
  const { judgement, decision } = think({ ...observation, nowMs: observation.nowMs + number * 1_000 });
  const facts = {
    actor: { pod: 'p', version: '1' },
    images: [],
    runningImages: [],
    queries: undefined,
    outcome: { kind: 'done' as const },
  };
  return recordOf(observation, judgement, decision, facts);
}

const grown = (ring: Ring, count: number): Ring =>
  Array.from({ length: count }, (_, index) => draft(index)).reduce((one, next) => append(one, next, undefined), ring);

/** The object after the write, as the apiserver keeps it. */
function written(
  ring: Ring,
  object?: { records: readonly unknown[] },
): { records: readonly unknown[]; [key: string]: unknown } {
  const created = JSON.parse(JSON.stringify(creationOf(ring, OWNER)));
  const metadata = { ...created.metadata, resourceVersion: '1' };
  if (object === undefined) return { ...created, metadata };
  const kept = object.records.slice(ring.removals);
  return { ...created, metadata, records: [...kept, ...created.records] };
}

describe('the ring of decision records', () => {
  it('keeps the newest, names the rest by count and hash, and never outgrows its bounds', () => {
    let ring = NO_RING;
    let object: ReturnType<typeof written> | undefined;
    for (let round = 0; round < 24; round += 1) {
      ring = grown(ring, 1 + (round % 7));
      object = written(ring, object);
      ring = stored(ring, String(round), OWNER.uid);
      const read = readRing(object);
      expect(headOf(read)).to.deep.include({ sequence: headOf(ring).sequence, hash: headOf(ring).hash });
      expect(read.entries.length).to.be.at.most(MAX_RECORDS);
      expect(JSON.stringify(object).length).to.be.below(MAX_LOG_BYTES + 64 * 300);
      expect(read.dropped.count + read.entries.length).to.equal(headOf(read).sequence);
    }
    expect(ring.dropped.count).to.be.above(0);
    const [first] = readRing(object).entries;
    expect(first?.sequence).to.equal(ring.dropped.count + 1);
  });

  it('starts from 64 zeros, and each record names the one before it', () => {
    const ring = grown(NO_RING, 3);
    const records = unstoredIn(ring).map(({ line, data }) => {
      expect(unpackLine(data)).to.equal(line);
      return recordShape.parse(JSON.parse(line));
    });
    expect(records.map(({ sequence }) => sequence)).to.deep.equal([1, 2, 3]);
    expect(records.map(({ previous }) => previous)).to.deep.equal([GENESIS, records[0]?.hash, records[1]?.hash]);
    expect(records.every(isIntact)).to.equal(true);
  });

  it('finds every changed byte of a record', () => {
    const { line } = seal(draft(0), { sequence: 0, hash: GENESIS });
    const original: unknown = JSON.parse(line);
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
        const changed = line.slice(0, at) + String.fromCharCode(code) + line.slice(at + 1);
        if (changed === line) return;
        let value: unknown;
        try {
          value = JSON.parse(changed);
        } catch {
          return;
        }
        // 0.30000000000000004 and …05 are one number: the same record, however it is spelled.
        if (JSON.stringify(value) === JSON.stringify(original)) return;
        const parsed = recordShape.safeParse(value);
        expect(parsed.success && isIntact(parsed.data), changed.slice(Math.max(0, at - 20), at + 20)).to.equal(false);
      }),
      { numRuns: 500 },
    );
  });

  it('goes on where another leader has gone on, without a fork', () => {
    const shared = stored(grown(NO_RING, 2), '1', OWNER.uid);
    const mine = grown(shared, 2);
    const theirs = stored(append(shared, draft(9), undefined), '2', OWNER.uid);
    const merged = rebased(mine, theirs);
    expect(merged.version).to.equal('2');
    expect(merged.entries.map(({ sequence }) => sequence)).to.deep.equal([1, 2, 3, 4, 5]);
    const [first] = unstoredIn(merged);
    expect(JSON.parse(first?.line ?? '{}')).to.include({ previous: headOf(theirs).hash, sequence: 4 });
  });

  it('keeps what it has sealed where only metadata changed, or where a write was done whose answer was lost', () => {
    const shared = stored(grown(NO_RING, 2), '1', OWNER.uid);
    const mine = grown(shared, 2);
    const touched = rebased(mine, { ...shared, version: '7' });
    expect(headOf(touched)).to.deep.include(headOf(mine));
    expect(unstoredIn(touched).map(({ line }) => line)).to.deep.equal(unstoredIn(mine).map(({ line }) => line));
    const done = rebased(mine, stored(mine, '8', OWNER.uid));
    expect(unstoredIn(done)).to.deep.equal([]);
    expect(headOf(done)).to.deep.include(headOf(mine));
  });

  it('makes a deleted object anew and names what was lost by its hash', () => {
    const shared = stored(grown(NO_RING, 3), '1', OWNER.uid);
    const mine = grown(shared, 1);
    const again = rebased(mine, undefined);
    expect(again.dropped).to.deep.equal({ count: 3, hash: headOf(shared).hash });
    expect(creationOf(again, OWNER)).to.have.property('records').that.has.length(1);
  });

  it('refuses to write over another version, and adopts a log whose rollout was made anew', () => {
    const ring = grown(stored(grown(NO_RING, 1), '5', 'another'), 1);
    const operations = patchOf(ring, OWNER);
    expect(operations[0]).to.deep.equal({ op: 'test', path: '/metadata/resourceVersion', value: '5' });
    expect(operations.map(({ path }) => path)).to.include('/metadata/ownerReferences');
  });
});
