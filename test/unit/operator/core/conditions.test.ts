/** What each condition of a status says of what was seen and decided. */
import { expect } from 'chai';
import { conditionsFrom } from '../../../../operator/src/core/conditions.ts';
import type { Decision } from '../../../../operator/src/core/decide.ts';
import type { Judgement } from '../../../../operator/src/core/judge.ts';
import type { Observation, ProgrammableRoute } from '../../../../operator/src/core/observation.ts';
import type { Reason } from '../../../../operator/src/core/reason.ts';
import type { Run } from '../../../../operator/src/core/run.ts';
import type { Condition, ConditionType } from '../../../../operator/src/core/status.ts';
import { cohortRoute, patched } from '../../../support/operator-core/cohort.ts';
import { think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { specManifest } from '../../../support/operator-core/world.ts';

type Change = {
  readonly seen?: Partial<Observation>;
  readonly decision?: Partial<Decision>;
  readonly judgement?: Partial<Judgement>;
  readonly run?: Partial<Run>;
};
const COHORT = specManifest({ cohort: { cookie: 'lk_bucket' } });

function condition(type: ConditionType, { seen, decision, judgement, run }: Change = {}, spec?: object): Condition {
  const pass = think(observe(spec === undefined ? worldAt(25) : { ...worldAt(25), spec: COHORT }));
  const observation = { ...pass.observation, ...seen };
  const conditions = conditionsFrom(
    observation,
    { ...pass.judgement, ...judgement },
    { ...pass.decision, ...decision },
    { ...pass.decision.run, ...run },
  );
  const found = conditions.find((one) => one.type === type);
  if (found === undefined) throw new Error(`no ${type}`);
  return found;
}
const said = (...[type, change, spec]: Parameters<typeof condition>): string => {
  const { status, reason, message } = condition(type, change, spec);
  return `${status} ${reason}: ${message}`;
};

describe('Ready and Stalled', () => {
  const told = (reason: Reason, change: Change = {}): string =>
    (['Ready', 'Reconciling', 'Stalled', 'Progressing'] as const)
      .filter((type) => condition(type, { ...change, decision: { reason, message: 'why' } }).status === 'True')
      .join(' ');

  it('is Stalled where only a person or another manifest can go on', () => {
    const reasons: readonly Reason[] = [
      'ApprovalNeeded',
      'ApprovalsUnguarded',
      'CheckpointNeedsPerson',
      'CheckpointNo',
      'InvalidSpec',
      'PromotionStuck',
      'RouteInvalid',
      'RouteNotFound',
      'SeverityP0',
      'StableForeign',
      'StableNotFound',
      'TargetNotFound',
      'ZeroNotProven',
    ];
    for (const reason of reasons) expect(told(reason), reason).to.equal('Stalled');
    expect(said('Stalled', { decision: { reason: 'InvalidSpec', message: 'why' } })).to.equal('True InvalidSpec: why');
    expect(said('Stalled', { decision: { reason: 'Holding', message: 'why' } })).to.equal('False Holding: ');
  });

  it('is Progressing while something goes on by itself, and neither paused nor at the ceiling', () => {
    expect([told('Holding'), told('Paused'), told('MaxWeight')]).to.deep.equal([
      'Reconciling Progressing',
      'Reconciling',
      'Reconciling',
    ]);
    const phases = ['Initializing', 'Promoting', 'Zeroed', 'RolledBack', 'Succeeded'] as const;
    expect(phases.map((phase) => told('Holding', { run: { phase } }))).to.deep.equal([
      'Reconciling Progressing',
      'Reconciling Progressing',
      'Reconciling',
      'Reconciling',
      'Reconciling',
    ]);
  });

  it('is Ready when all is done and the stable that was promoted is ready', () => {
    const run = { phase: 'Succeeded' } as const;
    const { stable } = observe(worldAt(25));
    expect([told('UpToDate', { run }), told('Adopted', { run }), told('Promoted', { run })]).to.deep.equal([
      'Ready',
      'Ready',
      'Ready',
    ]);
    expect(told('Drifted', { run })).to.equal('Reconciling');
    expect(told('UpToDate', { run: { phase: 'Zeroed' } })).to.equal('Reconciling');
    for (const other of [undefined, { revision: 'ffffffffff' }, { readyReplicas: 0 }]) {
      const seen = { stable: other && stable && { ...stable, ...other } };
      expect(told('UpToDate', { run, seen })).to.equal('Reconciling');
    }
  });
});

describe('a condition', () => {
  it('has room for a thousand letters', () => {
    expect(condition('Ready', { decision: { message: 'x'.repeat(2_000) } }).message).to.have.length(1_024);
  });

  it('is of the generation that was seen, and since its status changed', () => {
    const { status, rollout, nowMs } = observe(worldAt(25));
    const known: Condition = {
      type: 'Paused',
      status: 'False',
      observedGeneration: 1,
      lastTransitionTime: '2030-01-01T00:00:00.000Z',
      reason: 'Other',
      message: 'other',
    };
    const seen = (change: Partial<Condition>): Partial<Observation> => ({
      status: { ...status, conditions: [{ ...known, ...change }] },
      rollout: { ...rollout, generation: 7 },
    });
    expect(condition('Paused', { seen: seen({}) })).to.include({
      lastTransitionTime: known.lastTransitionTime,
      observedGeneration: 7,
      reason: 'NotPaused',
    });
    const now = new Date(nowMs).toISOString();
    expect(condition('Paused', { seen: seen({ status: 'True' }) }).lastTransitionTime).to.equal(now);
    expect(condition('Paused', { seen: { status: undefined } }).lastTransitionTime).to.equal(now);
  });
});

describe('Degraded', () => {
  const { stable } = observe(worldAt(25));
  const foreign = { stable: stable && { ...stable, revision: 'ffffffffff' }, previousTemplate: undefined };

  it('says what was taken back, and what cannot go on', () => {
    const decision = { message: 'why' };
    expect(said('Degraded', { decision, run: { phase: 'RolledBack' } })).to.equal('True SeverityP0: why');
    expect(said('Degraded', { decision, run: { phase: 'Zeroed' } })).to.equal('True SeverityP1: why');
    for (const reason of ['ZeroNotProven', 'PromotionStuck', 'StableNotFound'] as const)
      expect(said('Degraded', { decision: { ...decision, reason } })).to.equal(`True ${reason}: why`);
    expect(said('Degraded')).to.equal('False Healthy: ');
  });

  it('says that stable is not what was promoted, where nobody is changing it and its template is lost', () => {
    expect(said('Degraded', { seen: foreign })).to.equal(
      'True NoPreviousTemplate: stable runs ffffffffff; the template of aaaaaaaaa1 is not kept any more',
    );
    expect(said('Degraded', { seen: foreign, run: { stableRevision: undefined } })).to.include(
      'the template of the last promotion is not kept',
    );
    expect(said('Degraded', { seen: { ...foreign, previousTemplate: {} } })).to.equal('False Healthy: ');
    for (const phase of ['Initializing', 'Promoting'] as const)
      expect(said('Degraded', { seen: foreign, run: { phase } })).to.equal('False Healthy: ');
    expect(said('Degraded', { seen: { stable: undefined, previousTemplate: undefined } })).to.equal('False Healthy: ');
  });

  it('says how many pods of stable are ready, where nobody is changing it', () => {
    const unready = { seen: { stable: stable && { ...stable, readyReplicas: 1 } } };
    expect(said('Degraded', unready)).to.equal('True StableNotReady: 1 of 4 pods of stable are ready');
    expect(said('Degraded', { ...unready, run: { phase: 'Promoting' } })).to.equal('False Healthy: ');
  });
});

describe('MetricsAvailable', () => {
  it('says why the checks know nothing and since when, and that none has run', () => {
    const run = { blindSinceMs: Date.parse('2030-01-01T00:00:00.000Z') };
    const since = 'the checks have known nothing since 2030-01-01T00:00:00.000Z';
    const verdict = { kind: 'unknown', why: 'NoData' } as const;
    const step = { verdict, results: [] };
    expect(said('MetricsAvailable', { run, judgement: { step } })).to.equal(`False NoData: ${since}`);
    expect(said('MetricsAvailable', { run, judgement: { step: undefined } })).to.equal(`False Unknown: ${since}`);
    const status = {};
    expect(said('MetricsAvailable', { judgement: { step: undefined }, seen: { status } })).to.equal(
      'Unknown NotChecked: no check has run yet',
    );
    expect(said('MetricsAvailable', { judgement: { step }, seen: { status } })).to.equal('True Checked: ');
    const lastCheck = { at: '2030-01-01T00:00:00.000Z', results: [] };
    expect(said('MetricsAvailable', { judgement: { step: undefined }, seen: { status: { lastCheck } } })).to.equal(
      'True Checked: ',
    );
  });
});

describe('CohortProgrammed', () => {
  const at = (weight: number): ProgrammableRoute => ({
    ...patched(cohortRoute(), { weight, cookie: 'lk_bucket' }).view(),
    accepted: true,
  });
  const cohort = (change: Change = {}, route: Observation['route'] = at(25)): string => {
    const leave = { want: { ...think(observe(worldAt(25))).decision.want, weight: 'leave' as const } };
    const decision = { ...leave, ...change.decision };
    return said('CohortProgrammed', { ...change, decision, seen: { route, ...change.seen } }, COHORT);
  };
  const pending = 'Unknown Pending: no Gateway has accepted the rules of this weight yet';

  it('says which buckets are on the canary once a Gateway has accepted their rules', () => {
    expect(cohort()).to.equal('True Programmed: buckets 0 to 24 of cookie lk_bucket are on the canary');
    expect(cohort({}, { ...at(25), accepted: false })).to.equal(pending);
    expect(cohort({}, at(10)), 'rules of another weight').to.equal(pending);
    const { want } = think(observe(worldAt(25))).decision;
    expect(cohort({ decision: { want: { ...want, weight: 25 } } }), 'about to be written').to.equal(pending);
  });

  it('says why there is no cohort', () => {
    expect(said('CohortProgrammed')).to.equal('False NoCohort: spec.cohort is not set: each request goes by chance');
    const cohortRefused = { cookie: 'lk_bucket', message: 'a Gateway refused', at: '2030-01-01T00:00:00.000Z' };
    expect(cohort({ run: { cohortRefused } })).to.equal(
      'False GatewayRefused: a Gateway refused (2030-01-01T00:00:00.000Z): going by weight alone until spec.cohort changes',
    );
    expect(cohort({}, { kind: 'missing' })).to.equal('Unknown Pending: there is no route to write to');
    const { cohort: view, ...route } = at(25);
    expect(cohort({}, { ...route, ...(view && { cohort: { ...view, obstacle: 'no room' } }) })).to.equal(
      'False RouteUnsuitable: no room; until then each request goes by chance',
    );
    expect([0, 100].map((weight) => cohort({ run: { weight } }))).to.deep.equal([
      'False NotSplit: at 0% there is nobody to choose from',
      'False NotSplit: at 100% there is nobody to choose from',
    ]);
    expect(cohort({ run: { weight: undefined } })).to.match(/^False NotSplit: at 0%/);
  });

  it('goes by the part of a spec that can be read', () => {
    const { spec } = observe({ ...worldAt(25), spec: COHORT });
    const usable = spec.kind === 'valid' ? spec.spec : undefined;
    expect(cohort({ seen: { spec: { kind: 'invalid', violations: [], usable } } })).to.match(/^True Programmed/);
  });
});
