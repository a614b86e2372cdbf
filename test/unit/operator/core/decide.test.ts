import { expect } from 'chai';
import { decideWith, SITUATIONS, shown, VERDICTS } from '../../../support/operator-core/situations.ts';

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
