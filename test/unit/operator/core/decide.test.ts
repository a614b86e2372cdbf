import { expect } from 'chai';
import { type Decision, decide } from '../../../../operator/src/core/decide.ts';
import { adoptedWorld, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import {
  decideWith,
  later,
  PASS,
  readyFor,
  SITUATIONS,
  shown,
  VERDICTS,
} from '../../../support/operator-core/situations.ts';

/** Situation → the answers to VERDICTS in their order: decision Reason (weight written, if any). */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  'Initializing, stable not ready': Array.from({ length: 10 }, () => 'promote Adopting'),
  'Progressing, holding at 25%': [
    'rollback SeverityP0 → 0',
    'zero SeverityP1 → 0',
    'rollback SeverityP0 → 0',
    'zero SeverityP1 → 0',
    'reduce SeverityP2 → 12',
    'hold SeverityP3',
    'hold Holding',
    'hold Holding',
    'hold Holding',
    'hold Holding',
  ],
  'Progressing, hold over at 25%': [
    'rollback SeverityP0 → 0',
    'zero SeverityP1 → 0',
    'rollback SeverityP0 → 0',
    'zero SeverityP1 → 0',
    'reduce SeverityP2 → 12',
    'hold SeverityP3',
    'hold Unknown',
    'hold TooLittleTraffic',
    'hold StaleSamples',
    'advance Advanced → 50',
  ],
  'Progressing, hold over at 100%': [
    'rollback SeverityP0 → 0',
    'zero SeverityP1 → 0',
    'rollback SeverityP0 → 0',
    'zero SeverityP1 → 0',
    'reduce SeverityP2 → 50',
    'hold SeverityP3',
    'hold Unknown',
    'hold TooLittleTraffic',
    'hold StaleSamples',
    'promote Promoting',
  ],
  'Promoting, stable not ready': [
    'rollback SeverityP0 → 0',
    'zero SeverityP1 → 0',
    'rollback SeverityP0 → 0',
    'zero SeverityP1 → 0',
    ...Array.from({ length: 6 }, () => 'promote Promoting'),
  ],
  Succeeded: Array.from({ length: 10 }, () => 'hold UpToDate'),
  'Zeroed, not proven': [
    'rollback SeverityP0 → 0',
    'hold ProvingZero',
    'rollback SeverityP0 → 0',
    ...Array.from({ length: 7 }, () => 'hold ProvingZero'),
  ],
  'Zeroed, proven': Array.from({ length: 10 }, () => 'hold ApprovalNeeded'),
  'RolledBack, not proven': Array.from({ length: 10 }, () => 'hold ProvingZero'),
  'RolledBack, proven': Array.from({ length: 10 }, () => 'hold SeverityP0'),
};

describe('decide, phase by verdict', () => {
  for (const [situation, make] of Object.entries(SITUATIONS)) {
    describe(situation, () => {
      const world = make();
      for (const [index, [verdict, judgement]] of Object.entries(VERDICTS).entries()) {
        const expected = TABLE[situation]?.[index] ?? 'missing';
        it(`${verdict}: ${expected}`, () => {
          expect(shown(decideWith(world, judgement))).to.equal(expected);
        });
      }
    });
  }
});

describe('decide', () => {
  const passing = VERDICTS['pass'] ?? { sentinel: PASS, step: PASS, alerts: PASS };
  const untouched = {
    weight: 'leave',
    canaryReplicas: 'leave',
    stable: 'leave',
    canaryService: 'leave',
    finalizer: 'leave',
  };

  it('leaves everything to the leader that holds the Lease now', () => {
    const decision = decide(observe({ ...worldAt(25), leaseToken: 2 }, 1), passing);
    expect(decision).to.deep.include({
      kind: 'hold',
      reason: 'Deposed',
      message: 'another leader holds the Lease',
      isDeposed: true,
      want: untouched,
      record: undefined,
    });
  });

  it('touches nothing while nobody can read the spec, and says why in a thousand letters', () => {
    const seen = observe(worldAt(25));
    const unreadable = (...violations: readonly string[]): Decision =>
      decide({ ...seen, spec: { kind: 'invalid', violations, usable: undefined } }, passing);
    const decision = unreadable('spec.route: missing', 'spec.targetRef: missing');
    expect(decision).to.deep.include({
      reason: 'InvalidSpec',
      message: 'spec.route: missing; spec.targetRef: missing',
      want: untouched,
    });
    expect(unreadable('x'.repeat(2_000)).message).to.have.length(1_000);
  });

  it('zeroes a P1 whose route somebody took to 0 already, and only holds what is at 0 for another reason', () => {
    const { route } = worldAt(25);
    const weights = { stable: { name: 'api-stable', weight: 100 }, canary: { name: 'api-canary', weight: 0 } };
    const world = { ...worldAt(25), route: route && { ...route, ...weights } };
    const status = world.status && { ...world.status, weight: 0 };
    expect(decideWith(world, VERDICTS['sentinel P1'] ?? passing)).to.include({
      kind: 'zero',
      reason: 'SeverityP1',
    });
    expect(decideWith({ ...world, status }, VERDICTS['sentinel P1'] ?? passing).kind).to.equal('hold');
  });

  it('gives a route that lost our record another before anything rises', () => {
    const world = readyFor(later(worldAt(25), 61_000), 2);
    const bare = { ...world, route: world.route && { ...world.route, annotations: {} } };
    expect(shown(decideWith(bare, passing))).to.equal('hold FenceNotClaimed → 25');
  });

  it('lets go of a deleted AuthRollout without a word to the route where nobody is on the canary', () => {
    const empty = decide(observe({ ...adoptedWorld(), deleting: true }), passing);
    expect(empty).to.deep.include({
      reason: 'Deleted',
      message: 'the AuthRollout is being deleted: no canary traffic to take back',
      want: { ...untouched, finalizer: 'release' },
    });
    const busy = decide(observe({ ...worldAt(25), deleting: true }), passing);
    expect([busy.kind, busy.want.weight, busy.want.finalizer]).to.deep.equal(['zero', 0, 'release']);
  });
});
