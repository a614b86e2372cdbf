/** What the sentinel makes of the counts of the last seconds: which span speaks, whose proof holds, and what is left to the checks of the step. */
import { expect } from 'chai';
import type { CheckResult } from '../../../../operator/src/core/checks.ts';
import { type Judged, judge, judgeSentinel, type SentinelContext } from '../../../../operator/src/core/judge.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import type { CheckName } from '../../../../operator/src/core/status.ts';
import type { Evidence } from '../../../../operator/src/core/trial.ts';
import type { Counts, SentinelView, SpanView } from '../../../../operator/src/core/window.ts';
import { CERTAIN, NOTHING, NOW_MS, proven, span, viewOf } from '../../../support/operator-core/counting.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { specManifest } from '../../../support/operator-core/world.ts';

const reading = parseSpec(specManifest());
if (reading.kind === 'invalid') throw new Error('spec');
const { matrix } = reading.spec;

const look = (view: SentinelView | undefined, times: Partial<SentinelContext> = {}): Judged =>
  judgeSentinel(view, matrix, { nowMs: NOW_MS, sinceMs: undefined, silentSinceMs: undefined, ...times });

const word = ({ verdict }: Pick<CheckResult, 'verdict'>): string =>
  verdict.kind === 'fail' ? verdict.severity : verdict.kind === 'unknown' ? verdict.why : verdict.kind;
const found = (judged: Judged, check: CheckName): string => {
  const result = judged.results.find((one) => one.check === check);
  return result === undefined ? 'none' : `${word(result)} ${result.value}`;
};

describe('the sentinel', () => {
  it('says of each check what it saw, as its own figure over its own window', () => {
    const judged = look(
      viewOf([span(1_000, { requests: 100, logins: 20, fasterThan: { '200ms': 100, '300ms': 100, '500ms': 100 } })]),
    );
    expect(judged.results.map(({ check }) => check)).to.deep.equal([
      'serviceDown',
      'dataLoss',
      'errorRate',
      'latencyP95',
      'authFailureRate',
      'databaseErrors',
      'complaints',
    ]);
    expect(judged.results.every(({ source, windowMs }) => source === 'sentinel' && windowMs === 3_000)).to.equal(true);
    expect(judged.verdict).to.deep.equal({ kind: 'pass' });
  });

  it('has no opinion where nobody looks, but knows what people reported', () => {
    const blind = look(undefined);
    expect(blind.results).to.deep.equal([
      {
        check: 'serviceDown',
        verdict: { kind: 'unknown', why: 'NoSentinel' },
        value: undefined,
        threshold: undefined,
        requests: undefined,
        source: 'sentinel',
        windowMs: 0,
      },
    ]);
    const told = look(undefined, { reported: 5 });
    expect([found(told, 'serviceDown'), found(told, 'complaints'), word(told)]).to.deep.equal([
      'NoSentinel undefined',
      'P1 5',
      'P1',
    ]);
  });

  it('judges by the first batch alone: a pod that loses data, and no rate', () => {
    const judged = look(viewOf([], { dataLoss: 1 }));
    expect(judged.results.map(({ check }) => check)).to.deep.equal(['serviceDown', 'dataLoss']);
    expect(word(judged)).to.equal('P0');
  });

  it('sees P2 and P3 as health, which the checks of the step judge, and P1 as what it is', () => {
    const errors = (serverErrors: number): string =>
      found(
        look(
          viewOf([span(1_000, { requests: 1_000, serverErrors })], {
            evidence: proven({ errorRate: { over: NOTHING, worse: CERTAIN } }),
          }),
        ),
        'errorRate',
      );
    expect([errors(2), errors(7), errors(10), errors(51)]).to.deep.equal([
      'pass 0.2%',
      'pass 0.7%',
      'P1 1%',
      'P0 5.1%',
    ]);
  });

  it('takes little traffic and few logins for health, and silence for what it is', () => {
    const thin = look(viewOf([span(1_000, { requests: 4, serverErrors: 1, fasterThan: { '500ms': 3 }, logins: 4 })]));
    expect([found(thin, 'errorRate'), found(thin, 'latencyP95'), found(thin, 'authFailureRate')]).to.deep.equal([
      'pass 25%',
      'pass 0% slower',
      'pass 0%',
    ]);
    const silent = look(viewOf([span(1_000)], { silentSinceMs: NOW_MS - 1_000 }));
    expect([found(silent, 'serviceDown'), word(silent)]).to.deep.equal(['NoAnswer undefined', 'NoAnswer']);
  });
});

describe('what the trial has proven', () => {
  const logins = { requests: 1_000, logins: 100, loginFailures: 30 };
  const storm = { logins: 1_000, loginFailures: 300 };
  const over = proven({ authFailureRate: { over: CERTAIN, worse: NOTHING } });

  it('is that a rate is over its limit of P1, and nothing of a limit that a storm at stable has raised', () => {
    expect(found(look(viewOf([span(1_000, logins)], { evidence: over })), 'authFailureRate')).to.equal('P1 30%');
    expect(found(look(viewOf([span(1_000, logins, storm)], { evidence: over })), 'authFailureRate')).to.equal(
      'pass 30%',
    );
  });

  it('is that a canary is worse than stable, whatever storm both have', () => {
    const evidence = proven({ authFailureRate: { over: NOTHING, worse: CERTAIN } });
    expect(found(look(viewOf([span(1_000, logins, storm)], { evidence })), 'authFailureRate')).to.equal('P1 30%');
  });

  it('is proof of its own check and of no other', () => {
    const spans = [
      span(1_000, { ...logins, serverErrors: 200, fasterThan: { '200ms': 500, '300ms': 500, '500ms': 500 } }),
    ];
    const said = (change: Partial<Evidence>): readonly string[] => {
      const judged = look(viewOf(spans, { evidence: proven(change) }));
      return (['errorRate', 'latencyP95', 'authFailureRate'] as const).map((check) => found(judged, check));
    };
    const [errors, slow, failures] = ['pass 20%', 'pass 50% slower', 'pass 30%'];
    expect(said({})).to.deep.equal([errors, slow, failures]);
    expect(said({ errorRate: { over: CERTAIN, worse: NOTHING } })).to.deep.equal(['P0 20%', slow, failures]);
    expect(said({ authFailureRate: { over: CERTAIN, worse: NOTHING } })).to.deep.equal([errors, slow, 'P1 30%']);
    expect(said({ latencyP95: { p1: CERTAIN, p2: CERTAIN } })).to.deep.equal([errors, 'P1 50% slower', failures]);
    expect(said({ latencyP95: { p1: NOTHING, p2: CERTAIN } })).to.deep.equal([errors, slow, failures]);
  });

  it('weighs a storm by the span in which most of stable’s logins failed, of those with enough of them', () => {
    const quiet = { logins: 1_000, loginFailures: 0 };
    const few = { logins: 9, loginFailures: 9 };
    const said = (...stable: readonly Partial<Counts>[]): string => {
      const spans = stable.map((at, index) => span(1_000 * (index + 1), logins, at));
      return found(look(viewOf(spans, { evidence: over })), 'authFailureRate');
    };
    expect(said(quiet, storm, quiet)).to.equal('pass 30%');
    expect(said(storm, quiet)).to.equal('pass 30%');
    expect(said({ logins: 10, loginFailures: 10 }, quiet)).to.equal('pass 30%');
    expect(said({ logins: 100, loginFailures: 90 }, { logins: 2_000, loginFailures: 120 })).to.equal('pass 30%');
    expect(said({ logins: 2_000, loginFailures: 120 }, { logins: 100, loginFailures: 90 })).to.equal('pass 30%');
    expect([said(few, quiet), said(few, storm)]).to.deep.equal(['P1 30%', 'pass 30%']);
  });
});

describe('the span that speaks', () => {
  const evidence = proven({ errorRate: { over: NOTHING, worse: CERTAIN } });
  const errorsIn = (spans: readonly SpanView[]): string => found(look(viewOf(spans, { evidence })), 'errorRate');

  it('is the one that stands out most: not the first second’s luck, and not the health before the fault', () => {
    const health = span(60_000, { requests: 60_000, serverErrors: 300 });
    expect(
      errorsIn([
        span(1_000, { requests: 20, serverErrors: 20 }),
        span(10_000, { requests: 1_000, serverErrors: 100 }),
        health,
      ]),
    ).to.equal('P0 10%');
  });

  it('is the one whose share stands out, though a longer one has more errors', () => {
    const [short, long] = [
      span(1_000, { requests: 20, serverErrors: 2 }),
      span(60_000, { requests: 1_000, serverErrors: 5 }),
    ];
    expect(errorsIn([short, long])).to.equal('P0 10%');
    const all = span(1_000, { requests: 20, serverErrors: 20 });
    expect(errorsIn([all, span(60_000, { requests: 10_000, serverErrors: 20 })])).to.equal('P0 100%');
  });

  it('is the longest where nothing stands out, for its figures', () => {
    expect(errorsIn([span(1_000, { requests: 10 }), span(60_000, { requests: 100_000, serverErrors: 1 })])).to.equal(
      'pass 0%',
    );
    const judged = look(viewOf([span(1_000, { requests: 40 }), span(60_000, { requests: 900 })]));
    expect(judged.results.find(({ check }) => check === 'errorRate')?.requests).to.equal(900);
  });

  it('is weighed against what stable has of it, so that a trouble of both stands out where the canary is worse', () => {
    const ill = { requests: 10_000, serverErrors: 1_000 };
    expect(
      errorsIn([
        span(1_000, { requests: 100, serverErrors: 60 }, { requests: 100, serverErrors: 10 }),
        span(60_000, { requests: 10_000, serverErrors: 1_100 }, ill),
      ]),
    ).to.equal('P0 60%');
  });

  it('is no span that began before the step, save the newest', () => {
    const sinceMs = NOW_MS - 10_000;
    const spans = [
      span(20_000, { requests: 100, complaints: 1 }),
      span(13_000, { requests: 100, complaints: 3 }),
      span(13_001, { requests: 100, complaints: 5 }),
    ];
    expect(found(look(viewOf(spans), { sinceMs }), 'complaints')).to.equal('pass 3');
    expect(found(look(viewOf(spans)), 'complaints')).to.equal('P1 5');
    const [newest, , oldest] = spans;
    expect(found(look(viewOf([newest, oldest].flatMap((one) => one ?? [])), { sinceMs }), 'complaints')).to.equal(
      'pass 1',
    );
  });

  it('is the one with the worst count of database errors and of complaints', () => {
    const judged = look(
      viewOf([
        span(1_000, { databaseErrors: 1 }),
        span(60_000, { databaseErrors: 11, complaints: 4 }),
        span(300_000, { databaseErrors: 11, complaints: 5 }),
      ]),
    );
    expect([found(judged, 'databaseErrors'), found(judged, 'complaints')]).to.deep.equal(['P1 11/min', 'P1 5']);
    const complaints = (...of: readonly number[]): string =>
      found(look(viewOf(of.map((count, index) => span(1_000 * (index + 1), { complaints: count })))), 'complaints');
    expect([complaints(1, 5, 3), complaints(3, 5, 1), complaints(5, 3, 6), complaints(1, 4, 3)]).to.deep.equal([
      'P1 5',
      'P1 5',
      'P1 5',
      'pass 4',
    ]);
    const calm = look(viewOf([span(1_000, { databaseErrors: 1 }), span(60_000, { databaseErrors: 2 })]));
    expect(found(calm, 'databaseErrors')).to.equal('pass 1/min');
  });
});

describe('complaints', () => {
  const said = (spans: readonly SpanView[], reported?: number): string =>
    found(look(viewOf(spans), reported === undefined ? {} : { reported }), 'complaints');

  it('are those that the pods counted and those that people reported, together', () => {
    expect(said([span(1_000, { complaints: 3 })], 2)).to.equal('P1 5');
    expect(said([span(1_000, { complaints: 3 })])).to.equal('pass 3');
  });

  it('count within their window and no longer', () => {
    expect(said([span(300_000, { complaints: 5 })])).to.equal('P1 5');
    expect(said([span(300_001, { complaints: 5 })])).to.equal('none');
    expect(said([span(300_001, { complaints: 5 })], 5)).to.equal('P1 5');
  });

  it('are no check where nobody could have counted one and nobody reported one', () => {
    expect(said([])).to.equal('none');
    expect(said([], 1)).to.equal('pass 1');
  });
});

describe('the silence of a canary', () => {
  const limitMs = matrix.serviceDown.p0Ms;
  const said = (silentSinceMs: number | undefined, times: Partial<SentinelContext> = {}): string =>
    found(look(viewOf([span(1_000)], { silentSinceMs }), times), 'serviceDown');

  it('is none while one pod answers, whatever was known before', () => {
    expect(said(undefined, { silentSinceMs: NOW_MS - 2 * limitMs })).to.equal('pass 0s');
  });

  it('is a P0 beyond the limit, counted from the step where it began before it', () => {
    expect([said(NOW_MS - limitMs), said(NOW_MS - limitMs - 1)]).to.deep.equal(['NoAnswer undefined', 'P0 > 5m']);
    expect(said(NOW_MS - 2 * limitMs, { sinceMs: NOW_MS - limitMs })).to.equal('NoAnswer undefined');
    expect(said(NOW_MS - 2 * limitMs, { sinceMs: NOW_MS - limitMs - 1 })).to.equal('P0 > 5m');
  });

  it('is as long as what was known of it before a restart', () => {
    expect(said(NOW_MS - 1_000, { silentSinceMs: NOW_MS - limitMs - 1 })).to.equal('P0 > 5m');
    expect(said(NOW_MS - limitMs - 1, { silentSinceMs: NOW_MS - 1_000 })).to.equal('P0 > 5m');
  });
});

describe('a pass', () => {
  it('hands the sentinel when its step began, and since when a silence was known', () => {
    const seen = observe(worldAt(25));
    const { sentinel, status, nowMs } = seen;
    const ill = span(60_000, { complaints: 5 });
    const view = sentinel && { ...sentinel, spans: [...sentinel.spans, ill] };
    const said = (stepStartedAtMs: number): string => {
      const stepStartedAt = new Date(stepStartedAtMs).toISOString();
      return found(judge({ ...seen, sentinel: view, status: { ...status, stepStartedAt } }).sentinel, 'complaints');
    };
    expect([said(nowMs - 60_000), said(nowMs - 10_000)]).to.deep.equal(['P1 5', 'pass 0']);
    const silent = { ...seen, sentinel: sentinel && { ...sentinel, silentSinceMs: nowMs - 1 } };
    const silentSince = new Date(nowMs - matrix.serviceDown.p0Ms - 1).toISOString();
    expect(found(judge({ ...silent, status: { ...status, silentSince } }).sentinel, 'serviceDown')).to.equal('P0 > 5m');
  });
});

describe('a manifest that nobody can read', () => {
  it('leaves the alerts to be judged, and nothing else', () => {
    const seen = observe({ ...worldAt(25), health: 'alertP0', spec: { ...specManifest(), targetRef: {} } });
    const judgement = judge({ ...seen, spec: { kind: 'invalid', violations: [], usable: undefined } });
    expect(judgement.sentinel).to.deep.equal({ verdict: { kind: 'pass' }, results: [] });
    expect(judgement.step).to.equal(undefined);
    expect(word(judgement.alerts)).to.equal('P0');
  });
});
