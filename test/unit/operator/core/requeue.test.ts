/** When a pass looks again: at what comes next of its own, and rarely where only somebody else can go on. */
import { expect } from 'chai';
import type { Decision } from '../../../../operator/src/core/decide.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import type { Reason } from '../../../../operator/src/core/reason.ts';
import { requeueAfterMs } from '../../../../operator/src/core/requeue.ts';
import type { Run } from '../../../../operator/src/core/run.ts';
import { think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';

const DONE = { kind: 'done' } as const;

/** A hold at 25 % that has 40 s behind it and 20 s ahead, its next check in 7 s. */
function after(reason: Reason, run: Partial<Run> = {}, seen: Partial<Observation> = {}): number {
  const { observation, decision } = think(observe(worldAt(25)));
  const { nowMs } = observation;
  const held = { stepStartedAtMs: nowMs - 40_000, stepHoldMs: 60_000, nextCheckAtMs: nowMs + 7_000 };
  const resting: Decision = { ...decision, reason, record: undefined, run: { ...decision.run, ...held, ...run } };
  return requeueAfterMs({ ...observation, ...seen }, resting, DONE);
}
const nowMs = (): number => observe(worldAt(25)).nowMs;

describe('the next look', () => {
  it('is at once after a conflict, and a second after a failure', () => {
    const { observation, decision } = think(observe(worldAt(25)));
    const [conflict, failure] = (['conflict', 'failed'] as const).map((kind) =>
      requeueAfterMs(observation, decision, { kind, at: 0, code: 'X' }),
    );
    expect([conflict, failure]).to.deep.equal([0, 1_000]);
  });

  it('is at once where what was in the way is gone', () => {
    for (const reason of ['Approved', 'FenceNotClaimed', 'MaxWeightLifted', 'Recovered'] as const)
      expect(after(reason), reason).to.equal(0);
  });

  it('is at the next of its own events: check, half of the hold, its end, the end of patience when blind', () => {
    const at = (checkInMs: number | undefined, change: Partial<Run> = {}): number =>
      after('Holding', { nextCheckAtMs: checkInMs === undefined ? undefined : nowMs() + checkInMs, ...change });
    expect(at(7_000)).to.equal(7_000);
    expect(at(undefined)).to.equal(20_000);
    expect(at(-1)).to.equal(20_000);
    expect(at(undefined, { stepStartedAtMs: nowMs() - 10_000 })).to.equal(20_000);
    expect(at(undefined, { stepStartedAtMs: nowMs() - 99_000 })).to.equal(60_000);
    expect(at(undefined, { blindSinceMs: nowMs() - 25_000 })).to.equal(5_000);
    expect(at(50), 'a tenth of a second at the soonest').to.equal(100);
    expect(at(90_000, { stepStartedAtMs: nowMs() - 99_000 }), 'a minute at the latest').to.equal(60_000);
    expect(at(7_000, { stepStartedAtMs: undefined }), 'nothing has begun').to.equal(1_000);
  });

  it('takes a minute of blindness for the limit where nobody can read it', () => {
    const spec = { kind: 'invalid', violations: [], usable: undefined } as const;
    const run = { nextCheckAtMs: undefined, blindSinceMs: nowMs() - 50_000 };
    expect(after('Holding', run, { spec })).to.equal(10_000);
  });

  it('is in a second where pods or samples are waited for, and before a proof of zero', () => {
    expect([after('CanaryNotReady'), after('StaleSamples')]).to.deep.equal([1_000, 1_000]);
    const zero = { requestedAtMs: 1, stage: 'route', provenAtMs: undefined } as const;
    expect(after('ProvingZero', { zero })).to.equal(1_000);
    expect(after('Holding', { zero: { ...zero, provenAtMs: 2 } })).to.equal(7_000);
  });

  it('asks a checkpoint again after a quarter of a minute, or at what comes sooner', () => {
    const reasons = [
      'ApprovalsUnguarded',
      'CheckpointNeedsPerson',
      'CheckpointNo',
      'CheckpointPending',
      'CheckpointUnknown',
    ] as const;
    for (const reason of reasons) {
      expect(after(reason), reason).to.equal(7_000);
      expect(after(reason, { nextCheckAtMs: undefined, stepStartedAtMs: undefined }), reason).to.equal(15_000);
    }
    expect(after('CheckpointNo', { nextCheckAtMs: nowMs() + 50 })).to.equal(100);
  });

  it('is in a minute where only people can go on', () => {
    const reasons = [
      'InvalidSpec',
      'RouteInvalid',
      'RouteNotFound',
      'StableForeign',
      'StableNotFound',
      'TargetNotFound',
    ] as const;
    for (const reason of reasons)
      for (const phase of ['Initializing', 'Promoting', 'Progressing'] as const)
        expect(after(reason, { phase }), `${reason} ${phase}`).to.equal(60_000);
    expect([after('Adopting', { phase: 'Initializing' }), after('Promoting', { phase: 'Promoting' })]).to.deep.equal([
      1_000, 1_000,
    ]);
    expect([after('SeverityP1', { phase: 'Zeroed' }), after('SeverityP0', { phase: 'RolledBack' })]).to.deep.equal([
      60_000, 60_000,
    ]);
    expect([after('MaxWeight', { weight: 0 }), after('MaxWeight', { weight: 7 })]).to.deep.equal([60_000, 7_000]);
  });

  it('is in five seconds where nobody rings, and in two hours where all is done', () => {
    expect(after('ApprovalsUnknown')).to.equal(5_000);
    const phase = 'Succeeded';
    expect([after('UpToDate', { phase }), after('TargetNotFound', { phase })]).to.deep.equal([7_200_000, 5_000]);
  });
});
