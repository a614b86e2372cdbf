import { expect } from 'chai';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import type { Status } from '../../../../operator/src/core/status.ts';
import { newsOf } from '../../../../operator/src/notifications/news.ts';
import { specManifest } from '../../../support/operator-core/world.ts';
import { at, CHANGES, change, RUNNING } from './change.ts';

const eventsOf = (changed: Parameters<typeof newsOf>[0]): readonly string[] => newsOf(changed)?.events ?? [];
const stalled = (reason: string): Status['conditions'] => [
  { type: 'Stalled', status: 'True', observedGeneration: 1, lastTransitionTime: at(0), reason, message: 'why' },
];
const decision = (reason: string) => ({ lastDecision: { decision: 'hold', reason, message: 'm', at: at(0) } }) as const;

describe('news', () => {
  it('names each event by what happened to the traffic', () => {
    expect(Object.entries(CHANGES).map(([name, changed]) => [name, eventsOf(changed)])).to.deep.equal([
      ['step', ['step']],
      ['P3', ['hold']],
      ['reduction', ['reduction', 'approval']],
      ['zero', ['zero', 'approval']],
      ['rollback', ['rollback']],
      ['drift', ['drift']],
      ['done', ['done']],
    ]);
  });

  it('has one id for one event, whoever sees it, and another for each other event', () => {
    const { rollback } = CHANGES;
    const later = { ...rollback, observation: { ...rollback.observation, nowMs: rollback.observation.nowMs + 60_000 } };
    expect(newsOf(later)?.id)
      .to.equal(newsOf(rollback)?.id)
      .and.match(/^[0-9a-f]{32}$/);
    const ids = new Set(Object.values(CHANGES).map((changed) => newsOf(changed)?.id));
    expect(ids.size).to.equal(Object.keys(CHANGES).length);
  });

  it('is silent when the status says afterwards what it said before', () => {
    for (const { after } of Object.values(CHANGES)) expect(eventsOf(change({}, after))).to.deep.equal([]);
  });

  it('is silent about a deletion, the first adoption and the last moves of a promotion', () => {
    const { observation, after } = CHANGES.zero;
    expect(
      newsOf({ after, observation: { ...observation, rollout: { ...observation.rollout, deleting: true } } }),
    ).to.equal(undefined);
    expect(eventsOf(change({ ...RUNNING, phase: 'Initializing', weight: 100 }, {}))).to.deep.equal([]);
    expect(
      eventsOf(change({ phase: 'Succeeded', weight: 0 }, { ...RUNNING, phase: 'Initializing', weight: 100 })),
    ).to.deep.equal([]);
    expect(eventsOf(change({ weight: 0 }, { ...RUNNING, phase: 'Promoting', weight: 100 }))).to.deep.equal([]);
  });

  it('tells of a rollback that a pass after a crash finds on the route', () => {
    const { observation, after } = CHANGES.rollback;
    expect(eventsOf({ observation, after: { ...after, ...decision('Recovered') } })).to.deep.equal(['rollback']);
  });

  it('calls a person to a checkpoint once, with the line to type, however often the others answer', () => {
    const person = { name: 'go-live', kind: 'person', answer: 'unknown', why: 'NotAnswered' } as const;
    const put = { stepIndex: 3, since: at(0), answers: [person] };
    const called = change({ ...decision('CheckpointPending'), checkpoints: put });
    const entry = { weight: 50, hold: '1h', checkEvery: '1m' };
    const spec = specManifest({
      schedule: [
        ...[5, 10, 25].map((weight) => ({ ...entry, weight })),
        { ...entry, checkpoints: [{ name: 'go-live', person: { role: 'team-lead' } }] },
        { ...entry, weight: 100 },
      ],
    });
    const news = newsOf({ ...called, observation: { ...called.observation, spec: parseSpec(spec) } });
    expect([news?.events, news?.light, news?.nextAt]).to.deep.equal([['approval'], 'YELLOW', undefined]);
    expect(news?.act?.who).to.equal('team-lead');
    expect(news?.act?.command).to.equal(
      'kubectl authrollout approve auth-api --checkpoint go-live --as team-lead --reason "…" --namespace auth',
    );
    const since = { ...RUNNING, checkpoints: put };
    const stalls = { ...decision('CheckpointNeedsPerson'), conditions: stalled('CheckpointNeedsPerson') };
    expect(eventsOf(change(stalls, since)), 'told before').to.deep.equal([]);
    const paused = { ...RUNNING, checkpoints: { ...put, answers: [] } };
    expect(eventsOf(change({ checkpoints: put }, paused)), 'not asked until now').to.deep.equal(['approval']);
    const job = { ...put, answers: [{ ...person, kind: 'job' as const, why: 'JobMissing' }] };
    expect(eventsOf(change({ checkpoints: job })), 'no person is wanted').to.deep.equal([]);
  });

  it('tells of the first no of a question, and not of each', () => {
    const checkpoints = { stepIndex: 3, since: at(-60), answers: [] };
    const asked = { ...RUNNING, checkpoints };
    const no = { ...decision('CheckpointNo'), conditions: stalled('CheckpointNo') };
    expect(eventsOf(change(no, asked))).to.deep.equal(['hold']);
    const said = { decision: 'hold', reason: 'CheckpointNo', message: 'm', at: at(-30) } as const;
    expect(eventsOf(change(no, { ...asked, history: [said] }))).to.deep.equal([]);
    const earlier = { ...said, at: at(-90) };
    expect(eventsOf(change(no, { ...asked, history: [earlier] })), 'of another question').to.deep.equal(['hold']);
  });

  it('puts a rollback before a drift of the same pass', () => {
    const { observation, after } = CHANGES.rollback;
    expect(eventsOf({ observation, after: { ...after, drift: CHANGES.drift.after.drift } })).to.deep.equal([
      'rollback',
    ]);
  });

  it('calls no alarm when a newer revision takes the place of a canary', () => {
    const news = newsOf(change({ ...decision('NewRevision'), revision: 'cccccccccc', weight: 0 }));
    expect(news).to.deep.include({ events: ['zero'], light: 'YELLOW', act: undefined });
  });

  it('asks nobody to act on a ceiling that somebody has just set', () => {
    const news = newsOf(change({ ...decision('MaxWeight'), weight: 10 }));
    expect(news).to.deep.include({ events: ['reduction'], light: 'YELLOW', act: undefined });
  });

  it('tells of a P3 once a step, however often the rate crosses its limit', () => {
    const { after } = CHANGES.P3;
    const told = { reason: 'SeverityP3', decision: 'hold', message: 'm' } as const;
    const again = (when: string) =>
      change({ severity: 'P3', lastCheck: after.lastCheck }, { ...RUNNING, history: [{ ...told, at: when }] });
    expect(eventsOf(again(at(-300)))).to.deep.equal([]);
    expect(eventsOf(again(at(-900)))).to.deep.equal(['hold']);
  });

  it('tells of an alert that holds the step, once a step', () => {
    const firing = change({ ...decision('AlertFiring'), severity: 'P2' });
    expect(newsOf(firing)).to.deep.include({ events: ['hold'], severity: 'P2' });
    expect(eventsOf(change({}, firing.after))).to.deep.equal([]);
    const told = { reason: 'AlertFiring', decision: 'hold', message: 'm', at: at(-300) } as const;
    expect(eventsOf(change(decision('AlertFiring'), { ...RUNNING, history: [told] }))).to.deep.equal([]);
  });

  it('tells of blindness with the first check after a minute of it, once', () => {
    const blind = (since: number, last: number) =>
      eventsOf(
        change(
          { blindSince: at(since), lastCheck: { at: at(0), results: [] } },
          { ...RUNNING, blindSince: at(since), lastCheck: { at: at(last), results: [] } },
        ),
      );
    expect(blind(-30, -15)).to.deep.equal([]);
    expect(blind(-60, -15)).to.deep.equal(['hold']);
    expect(blind(-90, -15)).to.deep.equal([]);
    expect(blind(-90, -60)).to.deep.equal(['hold']);
  });

  it('tells of too little traffic ten minutes after the hold was over, once', () => {
    const thin = (started: number, last: number) =>
      eventsOf(
        change(
          { ...decision('TooLittleTraffic'), lastCheck: { at: at(0), results: [] } },
          { ...RUNNING, stepStartedAt: at(started), lastCheck: { at: at(last), results: [] } },
        ),
      );
    expect(thin(-3_600 - 599, -15)).to.deep.equal([]);
    expect(thin(-3_600 - 600, -15)).to.deep.equal(['hold']);
    expect(thin(-3_600 - 616, -15)).to.deep.equal([]);
  });

  it('tells of what only a person can mend when it begins, and again when it is something else', () => {
    const missing = change({ ...decision('RouteNotFound'), conditions: stalled('RouteNotFound') });
    expect(eventsOf(missing)).to.deep.equal(['hold']);
    expect(eventsOf(change({}, missing.after))).to.deep.equal([]);
    expect(eventsOf(change({ conditions: stalled('InvalidSpec') }, missing.after))).to.deep.equal(['hold']);
    expect(eventsOf(change({ conditions: stalled('ApprovalNeeded') }, missing.after))).to.deep.equal([]);
  });

  it('wants a new approval told although nothing moved', () => {
    const need = change({
      ...decision('SeverityP2'),
      severity: 'P2',
      approvalNeeded: { role: 'team-lead', stepIndex: 2, since: at(0) },
    });
    expect(newsOf(need)).to.deep.include({ events: ['approval'], severity: 'P2' });
  });
});
