/** Alerts of Alertmanager as a check of their own: what each severity does in each phase, and that nothing rises beside one. */
import { expect } from 'chai';
import { judgeAlerts } from '../../../../operator/src/core/alerts.ts';
import { decide } from '../../../../operator/src/core/decide.ts';
import { judge } from '../../../../operator/src/core/judge.ts';
import { MATRIX, type Severity } from '../../../../operator/src/core/matrix.ts';
import type { SignalView } from '../../../../operator/src/core/observation.ts';
import { nextStatus } from '../../../../operator/src/core/status-from.ts';
import { adoptedWorld, step, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, readyFor, SITUATIONS, shown, someSamples, zeroed } from '../../../support/operator-core/situations.ts';
import { deploy, T0, type World } from '../../../support/operator-core/world.ts';

const signal = (severity: Severity, name = 'AuthAlert'): SignalView => ({ name, severity, sinceMs: T0 });

/** What is decided with these alerts in a pass that may rise but for them. */
function decided(world: World, ...signals: readonly SignalView[]) {
  const seen = observe(world);
  const observation = { ...seen, samples: { ...someSamples(), takenAtMs: world.nowMs }, signals };
  const judgement = judge(observation);
  return { observation, judgement, decision: decide(observation, judgement) };
}
const ripe = (): World => readyFor(later(worldAt(25), 61_000), 2);
const outcome = (world: World, severity: Severity): string => shown(decided(world, signal(severity)).decision);

describe('alerts', () => {
  it('pass when none fires, and are as bad as the worst that does', () => {
    const none = judgeAlerts([]);
    expect(none.verdict).to.deep.equal({ kind: 'pass' });
    expect(none.results).to.deep.equal([
      {
        check: 'alerts',
        verdict: { kind: 'pass' },
        value: 'none',
        threshold: 'none firing',
        requests: undefined,
        source: 'alertmanager',
        windowMs: 0,
      },
    ]);
    const { verdict, results } = judgeAlerts([
      signal('P2', 'B'),
      signal('P1', 'C'),
      signal('P1', 'A'),
      signal('P1', 'A'),
    ]);
    expect(verdict).to.deep.equal({ kind: 'fail', severity: 'P1' });
    expect(results.map(({ check, value }) => `${check} ${value ?? ''}`)).to.deep.equal(['alerts A, C']);
  });

  it('name three and count the others', () => {
    const many = ['A', 'B', 'C', 'D', 'E'].map((name) => signal('P2', name));
    expect(judgeAlerts(many).results[0]?.value).to.equal('A, B, C and 2 more');
    expect(judgeAlerts(many.slice(0, 3)).results[0]?.value).to.equal('A, B, C');
  });

  it('do what the matrix says of their severity', () => {
    const responses = MATRIX.filter(({ check }) => check === 'alerts').map(({ severity, response }) => [
      severity,
      response,
    ]);
    const kinds = responses.map(([severity]) => [
      severity,
      decided(ripe(), signal(severity as Severity)).decision.kind,
    ]);
    expect(kinds).to.deep.equal(responses);
  });

  it('take the traffic away at P0 and P1, and say which alert it was', () => {
    const { decision } = decided(ripe(), signal('P0', 'AuthDataLoss'));
    expect([shown(decision), decision.message]).to.deep.equal([
      'rollback SeverityP0 → 0',
      `P0 alerts AuthDataLoss (limit none firing): rolled back, revision ${decision.run.revision} never gets traffic again`,
    ]);
    expect(outcome(ripe(), 'P1')).to.equal('zero SeverityP1 → 0');
  });

  it('hold at P2 and P3 for as long as they fire, without an approval afterwards', () => {
    const { decision } = decided(ripe(), signal('P2'));
    expect(shown(decision)).to.equal('hold AlertFiring');
    expect(decision.message).to.equal('P2 alerts AuthAlert (limit none firing): holding at 25% until it is resolved');
    expect(decision.run.approvalNeeded).to.equal(undefined);
    expect(outcome(ripe(), 'P3')).to.equal('hold AlertFiring');
    expect(shown(decided(ripe()).decision)).to.equal('advance Advanced → 50');
  });

  it('keep a revision without traffic from getting any, whatever their severity', () => {
    const released = step(deploy(adoptedWorld(), 2)).world;
    const waiting = readyFor({ ...released, nowMs: released.nowMs + 1_000 }, 2);
    for (const severity of ['P0', 'P1', 'P2', 'P3'] as const)
      expect(outcome(waiting, severity)).to.equal('hold AlertFiring');
    expect(shown(decided(waiting).decision)).to.match(/^advance Advanced/);
  });

  it('take a promotion back at P0 and P1', () => {
    const promoting = SITUATIONS['Promoting, stable not ready']?.() ?? ripe();
    expect([outcome(promoting, 'P0'), outcome(promoting, 'P1')]).to.deep.equal([
      'rollback SeverityP0 → 0',
      'zero SeverityP1 → 0',
    ]);
  });

  it('do nothing where no canary has traffic', () => {
    expect(outcome(adoptedWorld(), 'P0')).to.equal('hold UpToDate');
    expect(outcome(step(later(zeroed(), 2_000)).world, 'P0')).to.equal('hold ApprovalNeeded');
  });

  it('are shown as the figures of a rollback, and change no status while they only hold', () => {
    const statusWith = (severity: Severity) => {
      const { observation, judgement, decision } = decided(ripe(), signal(severity));
      return nextStatus({ ...observation, samples: undefined }, { ...judgement, step: undefined }, decision, {
        kind: 'done',
      });
    };
    expect(statusWith('P0').lastCheck?.results).to.deep.equal([
      { check: 'alerts', verdict: 'fail', severity: 'P0', value: 'AuthAlert', threshold: 'none firing' },
    ]);
    expect(statusWith('P2')).to.deep.include({ severity: 'P2', lastCheck: ripe().status?.lastCheck });
  });
});
