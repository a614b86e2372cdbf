import { expect } from 'chai';
import type { Complaint } from '../../../../operator/src/core/complaints.ts';
import { decide } from '../../../../operator/src/core/decide.ts';
import { reduced, rejudge } from '../../../../operator/src/core/decision-record.ts';
import { judge } from '../../../../operator/src/core/judge.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import { toJson } from '../../../../operator/src/core/record-json.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later } from '../../../support/operator-core/situations.ts';

const MINUTE_MS = 60_000;
/** At 25 %, with checks due. */
const WORLD = later(worldAt(25), 11_000);
const REVISION = WORLD.status?.revision ?? '';

const about = (count: number, agoMs: number, revision = REVISION): Complaint => ({
  revision,
  count,
  createdAtMs: WORLD.nowMs - agoMs,
});
const seen = (complaints: readonly Complaint[], world = WORLD): Observation => ({ ...observe(world), complaints });
const decided = (observation: Observation) => {
  const { kind, reason, message } = decide(observation, judge(observation));
  return { kind, reason, message };
};

describe('complaints that people report', () => {
  it('take the traffic away when there are five within five minutes, in one report or in several', () => {
    for (const complaints of [
      [about(5, 0)],
      [about(1, 4 * MINUTE_MS), about(2, MINUTE_MS), about(1, 0), about(1, 0)],
    ]) {
      const { kind, reason, message } = decided(seen(complaints));
      expect([kind, reason]).to.deep.equal(['zero', 'SeverityP1']);
      expect(message).to.include('P1 complaints 5 (limit 5)');
    }
  });

  it('do so when the sentinel sees nothing, and when no check is due', () => {
    const { samples: _none, ...unasked } = observe(WORLD);
    const blind: Observation = { ...unasked, samples: undefined, sentinel: undefined, complaints: [about(5, 0)] };
    expect(decided(blind).kind).to.equal('zero');
  });

  it('are counted together with those that the API counts itself', () => {
    const world = { ...WORLD, health: 'complaints' as const }; // three
    expect(decided(seen([], world))).to.include({ kind: 'hold', reason: 'SeverityP2' });
    const { step } = judge(seen([about(2, 0)], world));
    expect(step?.results.find(({ check }) => check === 'complaints')).to.deep.include({
      value: '5',
      verdict: { kind: 'fail', severity: 'P1' },
    });
  });

  it('hold the rollout when there are three or four', () => {
    for (const count of [3, 4]) {
      expect(decided(seen([about(count, 0)]))).to.include({ kind: 'hold', reason: 'SeverityP2' });
    }
    expect(decided(seen([about(2, 0)])).reason).to.not.include('Severity');
  });

  it('are forgotten after five minutes, and say nothing of another revision', () => {
    for (const complaint of [about(100, 5 * MINUTE_MS), about(100, 0, 'ffffffffff')]) {
      expect(decided(seen([complaint])).reason).to.not.include('Severity');
    }
  });

  it('are in the record, from which the same is decided again; a record without them is one with none', () => {
    const observation = seen([about(5, 0)]);
    expect(rejudge(toJson(reduced(observation))).decision).to.include({ kind: 'zero', reason: 'SeverityP1' });
    const { complaints: _unknown, ...older } = observation;
    expect(rejudge(toJson(older)).decision.reason).to.not.include('Severity');
  });
});
