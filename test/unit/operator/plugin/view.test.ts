/** What the plugin draws, held against captures: a change of the view is a change of these lines. */
import { expect } from 'chai';
import { parseSpec, type Spec } from '../../../../operator/src/core/spec.ts';
import type { Status } from '../../../../operator/src/core/status.ts';
import { exitCodeOf } from '../../../../operator/src/plugin/conclusion.ts';
import type { Rollout } from '../../../../operator/src/plugin/rollouts.ts';
import { decisionsOf, drawList, drawStatus } from '../../../../operator/src/plugin/view.ts';

const canvas = { nowMs: Date.parse('2026-03-04T12:04:30Z'), columns: 120, hasColour: false };

const specWith = (extra: object = {}): Spec => {
  const reading = parseSpec({
    targetRef: { name: 'auth-api' },
    route: { httpRoute: 'auth-api', rule: 'api' },
    metrics: { prometheus: { address: 'http://prometheus:9090' } },
    ...extra,
  });
  if (reading.kind !== 'valid') throw new Error(reading.violations.join());
  return reading.spec;
};

const progressing: Status = {
  phase: 'Progressing',
  revision: 'bbbbbbbbbb',
  stableRevision: 'aaaaaaaaaa',
  stepIndex: 1,
  stepStartedAt: '2026-03-04T12:00:18.000Z',
  stepHold: '30m',
  nextCheckAt: '2026-03-04T12:05:00.000Z',
  weight: 10,
  severity: 'None',
  lastCheck: {
    at: '2026-03-04T12:04:00.000Z',
    results: [
      { check: 'errorRate', verdict: 'pass', value: '0.05%', threshold: '0.1%', requests: 4200 },
      {
        check: 'latencyP95',
        verdict: 'fail',
        severity: 'P3',
        value: '6% slower',
        threshold: '5% over 200ms',
        requests: 4200,
      },
      { check: 'authFailureRate', verdict: 'unknown', why: 'FewLogins', value: '0%', threshold: '5%', requests: 4 },
      { check: 'serviceDown', verdict: 'pass', value: '0s', threshold: '5m' },
    ],
  },
  history: [
    { decision: 'advance', reason: 'StepPassed', message: 'step 1 passed: 5% → 10%', at: '2026-03-04T12:00:18.000Z' },
  ],
  lastDecision: { decision: 'hold', reason: 'Holding', message: 'latencyP95 is at P3', at: '2026-03-04T12:04:00.000Z' },
};

const rolloutOf = (status: Status | undefined, extra: Partial<Rollout> = {}): Rollout => ({
  namespace: 'auth',
  name: 'auth-api',
  uid: 'uid',
  generation: 1,
  spec: specWith(),
  violations: [],
  status,
  raw: {},
  ...extra,
});

const draw = (rollout: Rollout): string => drawStatus(rollout, canvas).join('\n');

describe('the status of a rollout', () => {
  it('shows steps, weight, figures against thresholds, decisions and the next check', () => {
    expect(draw(rolloutOf(progressing))).to.equal(
      [
        'auth/auth-api   Progressing   no severity   Holding',
        '',
        '  revision   aaaaaaaaaa → bbbbbbbbbb',
        '  steps      ✓ 5 %   ● 10 %   · 25 %   · 50 %   · 100 %',
        `  weight      10 %  ████${'░'.repeat(36)}`,
        '  step       held 4m12s of 30m, next check in 30s',
        '',
        '  figures    checked 30s ago',
        '             errorRate        █████░░░░░          0.05% of 0.1%             pass  4200 requests',
        '             latencyP95       ██████████      6% slower of 5% over 200ms    fail P3  4200 requests',
        '             authFailureRate  ░░░░░░░░░░             0% of 5%               unknown FewLogins  4 requests',
        '             serviceDown      ░░░░░░░░░░             0s of 5m               pass',
        '',
        '  decisions  2026-03-04 12:00:18  advance  StepPassed  step 1 passed: 5% → 10%',
        '             2026-03-04 12:04:00  hold     Holding  latencyP95 is at P3',
      ].join('\n'),
    );
  });

  it('says who must approve, and the line to type', () => {
    const zeroed: Status = {
      phase: 'Zeroed',
      revision: 'bbbbbbbbbb',
      stableRevision: 'aaaaaaaaaa',
      stepIndex: 1,
      weight: 0,
      severity: 'P1',
      approvalNeeded: { role: 'on-call', stepIndex: 0, since: '2026-03-04T12:04:00.000Z' },
      zero: { requestedAt: '2026-03-04T12:04:00.000Z', stage: 'route', provenAt: '2026-03-04T12:04:01.200Z' },
    };
    const lines = draw(rolloutOf(zeroed));
    expect(lines).to.include('kubectl authrollout approve auth-api --as on-call --reason "…"');
    expect(lines).to.include('  zero       proven by route after 1s200ms');
    expect(exitCodeOf(rolloutOf(zeroed))).to.equal(4);
  });

  it('shows what is asked before the next step, and what each said', () => {
    const at = '2026-03-04T12:03:00.000Z';
    const waiting: Status = {
      ...progressing,
      checkpoints: {
        stepIndex: 2,
        since: '2026-03-04T12:00:30.000Z',
        answers: [
          {
            name: 'capacity',
            kind: 'query',
            answer: 'yes',
            value: '0.3',
            threshold: 'at most 0.5',
            by: 'prometheus',
            at,
          },
          { name: 'verify', kind: 'job', answer: 'unknown', why: 'JobRunning' },
          {
            name: 'go-live',
            kind: 'person',
            answer: 'no',
            value: 'lead as team-lead: not today',
            by: 'lead',
            uid: 'u',
            at,
          },
        ],
      },
      lastDecision: { decision: 'hold', reason: 'CheckpointNo', message: 'go-live says no', at },
      conditions: [
        {
          type: 'Stalled',
          status: 'True',
          observedGeneration: 1,
          lastTransitionTime: at,
          reason: 'CheckpointNo',
          message: 'go-live says no',
        },
      ],
    };
    expect(drawStatus(rolloutOf(waiting), canvas).slice(5, 11)).to.deep.equal([
      '  step       held 4m12s of 30m, next check in 30s',
      '  go/no-go   before step 3 (25 %), asked 4m ago',
      '             capacity  yes  0.3, wanted at most 0.5  by prometheus  2026-03-04 12:03:00',
      '             verify    unknown JobRunning',
      '             go-live   no  lead as team-lead: not today  2026-03-04 12:03:00',
      '  waits for  go-live says no',
    ]);
    expect(exitCodeOf(rolloutOf(waiting))).to.equal(4);
    expect(drawList([rolloutOf(waiting)], { withNamespace: false })[1]).to.match(/None +a yes of verify, go-live$/);
  });

  it('says that a ceiling holds it, and the line to type', () => {
    const lines = draw(rolloutOf(progressing, { spec: specWith({ maxWeight: 15 }) }));
    expect(lines).to.include('  waits for  a ceiling above 15 %: kubectl authrollout retry auth-api');
  });

  it('says that no approval counts, and what to install, where nothing refuses forged ones', () => {
    const at = '2026-03-04T12:04:00.000Z';
    const lastDecision = { decision: 'hold', reason: 'ApprovalsUnguarded', message: 'install it', at } as const;
    const approvalNeeded = { role: 'on-call', stepIndex: 0, since: '2026-03-04T12:04:00.000Z' } as const;
    const status: Status = { ...progressing, phase: 'Zeroed', approvalNeeded, lastDecision };
    expect(draw(rolloutOf(status))).to.match(/waits for +install it/);
  });

  it('shows a condition only while it is not as it should be', () => {
    const at = '2026-03-04T12:04:00.000Z';
    const condition = (type: 'Ready' | 'Drifted', status: 'True' | 'False', message: string) =>
      ({ type, status, message, reason: 'Because', observedGeneration: 1, lastTransitionTime: at }) as const;
    const lines = draw(
      rolloutOf({
        ...progressing,
        conditions: [condition('Ready', 'True', 'all well'), condition('Drifted', 'True', 'helm wrote 40')],
      }),
    );
    expect(lines).to.include('  Drifted    Because: helm wrote 40');
    expect(lines).to.not.include('all well');
  });

  it('says why a cohort goes by chance where somebody asked for one, and nothing where it is as it should be', () => {
    const shown = (reason: string): string =>
      draw(
        rolloutOf({
          ...progressing,
          conditions: [
            {
              type: 'CohortProgrammed',
              status: 'False',
              message: 'by weight alone',
              reason,
              observedGeneration: 1,
              lastTransitionTime: '2026-03-04T12:04:00.000Z',
            },
          ],
        }),
      );
    for (const reason of ['GatewayRefused', 'RouteUnsuitable']) {
      expect(shown(reason)).to.match(new RegExp(`CohortProgrammed +${reason}: by weight alone`));
    }
    for (const reason of ['NoCohort', 'NotSplit']) expect(shown(reason)).to.not.contain('by weight alone');
  });

  it('keeps each line within the terminal', () => {
    const long = {
      ...progressing,
      lastDecision: { ...progressing.lastDecision, message: 'far too long '.repeat(60) },
    } as Status;
    for (const line of drawStatus(rolloutOf(long), canvas)) expect(line.length).to.be.at.most(canvas.columns);
  });

  it('says that the operator has not seen it', () => {
    expect(draw(rolloutOf(undefined))).to.include('the operator has not seen it yet');
  });

  for (const [what, rollout, code] of [
    ['runs', rolloutOf(progressing), 0],
    ['is promoted', rolloutOf({ ...progressing, phase: 'Succeeded' }), 0],
    ['was taken back', rolloutOf({ ...progressing, phase: 'RolledBack', weight: 0 }), 3],
    ['is at zero and needs nobody', rolloutOf({ ...progressing, phase: 'Zeroed', weight: 0 }), 3],
    ['is paused', rolloutOf(progressing, { spec: specWith({ paused: true }) }), 4],
    ['is below a ceiling', rolloutOf(progressing, { spec: specWith({ maxWeight: 10 }) }), 4],
    ['has room below its ceiling', rolloutOf(progressing, { spec: specWith({ maxWeight: 25 }) }), 0],
    ['has a manifest that cannot be read', rolloutOf(progressing, { violations: ['spec.schedule: …'] }), 4],
  ] as const) {
    it(`gives scripts ${code} for one that ${what}`, () => {
      expect(exitCodeOf(rollout)).to.equal(code);
    });
  }
});

describe('the list of rollouts', () => {
  it('has a line each, with what it waits for', () => {
    const paused = rolloutOf({ ...progressing, severity: 'P2' }, { name: 'paused', spec: specWith({ paused: true }) });
    const lowered = rolloutOf(progressing, { name: 'lowered', spec: specWith({ maxWeight: 10 }) });
    expect(drawList([rolloutOf(progressing), paused, lowered], { withNamespace: true }).join('\n')).to.equal(
      [
        'NAMESPACE   NAME       PHASE         STEP   WEIGHT   SEVERITY   WAITS FOR',
        'auth        auth-api   Progressing   2/5    10 %     None',
        'auth        paused     Progressing   2/5    10 %     P2         resume',
        'auth        lowered    Progressing   2/5    10 %     None       retry',
      ].join('\n'),
    );
  });
});

describe('the history of a rollout', () => {
  it('has each decision once, oldest first', () => {
    const [first] = progressing.history ?? [];
    const { lastDecision } = progressing;
    if (first === undefined || lastDecision === undefined) throw new Error('no decisions');
    expect(decisionsOf({ history: [lastDecision, first], lastDecision })).to.deep.equal([first, lastDecision]);
  });
});
