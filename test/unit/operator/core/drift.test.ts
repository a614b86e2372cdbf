/** A weight that somebody else wrote: whom the correction names, what it says is left of our rules, and which word it has in each phase. */
import { expect } from 'chai';
import { drifted } from '../../../../operator/src/core/drift.ts';
import type { ProgrammableRoute } from '../../../../operator/src/core/observation.ts';
import { type Run, runOf } from '../../../../operator/src/core/run.ts';
import { type Draft, sceneOf } from '../../../../operator/src/core/scene.ts';
import type { Phase } from '../../../../operator/src/core/status.ts';
import { cohortRoute, patched, type RouteJson } from '../../../support/operator-core/cohort.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { PASS } from '../../../support/operator-core/situations.ts';

type Seen = { readonly route?: Partial<ProgrammableRoute>; readonly run?: Partial<Run> };

const answer = ({ route, run }: Seen): Draft | undefined => {
  const observation = observe(worldAt(25));
  if (observation.spec.kind !== 'valid' || observation.route.kind !== 'programmable') throw new Error('no world');
  const { spec } = observation.spec;
  const edited = { ...observation, route: { ...observation.route, ...route } };
  const judgement = { sentinel: PASS, step: undefined, alerts: PASS };
  return drifted(sceneOf(edited, judgement, spec, { ...runOf(observation, spec), ...run }));
};
const weights = (stable: number | undefined, canary: number | undefined): Partial<ProgrammableRoute> => ({
  stable: { name: 'api-stable', index: 0, weight: stable },
  canary: { name: 'api-canary', index: 1, weight: canary },
});
const by = (name: string): Partial<ProgrammableRoute> => ({ rulesManager: { name, at: '2030-01-01T00:00:01.000Z' } });

describe('drift', () => {
  it('is no weight that we wrote, in our notation', () => {
    expect(answer({})).to.equal(undefined);
    expect(answer({ route: weights(75, 25) })).to.equal(undefined);
    expect(answer({ route: weights(750, 250) })?.reason).to.equal('Drifted');
    expect(answer({ route: weights(undefined, 0), run: { weight: 0 } })?.reason).to.equal('Drifted');
  });

  it('names who did it and when, in the message and in the status', () => {
    const draft = answer({ route: { ...weights(20, 80), ...by('kubectl-edit') } });
    expect(draft?.message).to.equal('kubectl-edit set the canary to 80% where we had 25%: keeping the lower, 25%');
    expect(draft?.run?.drift).to.deep.equal({
      weight: 80,
      kept: 25,
      manager: 'kubectl-edit',
      at: '2030-01-01T00:00:01.000Z',
    });
  });

  it('is of somebody unknown, now, where the API server did not say who', () => {
    const draft = answer({ route: { ...weights(90, 10), rulesManager: undefined } });
    expect(draft?.message).to.match(/^unknown set the canary to 10% where we had 25%: keeping the lower, 10%$/);
    const at = new Date(observe(worldAt(25)).nowMs).toISOString();
    expect(draft?.run?.drift).to.deep.equal({ weight: 10, kept: 10, manager: 'unknown', at });
  });

  it('keeps as much of a name as the status has room for', () => {
    const draft = answer({ route: { ...weights(90, 10), ...by('x'.repeat(300)) } });
    expect(draft?.run?.drift?.manager).to.equal('x'.repeat(256));
  });

  it('keeps whole percents and the step that has them: less is an earlier step, and more is no later one', () => {
    const kept = (stable: number, canary: number): readonly unknown[] => {
      const draft = answer({ route: weights(stable, canary) });
      return [draft?.write, draft?.stepIndex];
    };
    expect([kept(2, 1), kept(921, 79), kept(99, 1), kept(1, 99)]).to.deep.equal([
      [25, 2],
      [7, 1],
      [1, 0],
      [25, 2],
    ]);
  });

  it('of a status that lost its weight keeps nobody at the canary', () => {
    expect(answer({ run: { weight: undefined } })?.write).to.equal(0);
  });

  it('takes up what the phase was at: a step, a promotion or a zero', () => {
    const draftIn = (phase: Phase, canary: number): string => {
      const draft = answer({ route: weights(100 - canary, canary), run: { phase, weight: 50 } });
      return `${draft?.kind} ${draft?.write}`;
    };
    const phases = ['Initializing', 'Promoting', 'Progressing', 'Succeeded', 'Zeroed', 'RolledBack'] as const;
    expect(phases.map((phase) => `${phase}: ${draftIn(phase, 30)}`)).to.deep.equal([
      'Initializing: promote 30',
      'Promoting: reduce 30',
      'Progressing: reduce 30',
      'Succeeded: zero 0',
      'Zeroed: zero 0',
      'RolledBack: zero 0',
    ]);
    expect([draftIn('Promoting', 0), draftIn('Progressing', 0)]).to.deep.equal(['promote 0', 'reduce 0']);
  });
});

describe('drift of our cohort rules', () => {
  const at25 = patched(cohortRoute(), { weight: 25, cookie: 'lk_bucket' });
  const without = (...names: readonly string[]): RouteJson =>
    at25.with((rules) => rules.filter(({ name }) => !names.includes(String(name))));
  const message = (route: RouteJson): string | undefined =>
    answer({ route: { ...route.view(), ...by('helm') } })?.message;

  it('says which of them are left', () => {
    expect(message(at25)).to.equal(undefined);
    expect(message(without('latchkey-cohort-canary'))).to.include(
      'helm changed our cohort rules (left: latchkey-cohort-stable), the canary to 25% where we had 25%: keeping the lower, 6%',
    );
    expect(message(without('latchkey-cohort-canary', 'latchkey-cohort-stable'))).to.include(
      'helm changed our cohort rules (none is left), the canary to 25%',
    );
  });

  it('separates their names', () => {
    const swapped = at25.with((rules) =>
      rules.map((rule) =>
        rule['name'] === 'latchkey-cohort-canary' ? { ...rule, backendRefs: at25.own('stable')['backendRefs'] } : rule,
      ),
    );
    expect(message(swapped)).to.include('(left: latchkey-cohort-canary, latchkey-cohort-stable)');
  });
});
