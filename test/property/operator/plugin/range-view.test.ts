/** What a replay over a range draws, held against a capture, and what it takes for the run that really was. */
import { expect } from 'chai';
import { readPolicy } from '../../../../operator/src/core/policy.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import { piecesOf } from '../../../../operator/src/plugin/prometheus-range.ts';
import { byFigure, type FigureName } from '../../../../operator/src/plugin/range-figures.ts';
import { runOver } from '../../../../operator/src/plugin/range-run.ts';
import { drawRange, partedAt, type RangeReplay } from '../../../../operator/src/plugin/range-view.ts';
import {
  newestSpan,
  type RealDecision,
  type RealRun,
  realRun,
} from '../../../../operator/src/plugin/real-decisions.ts';
import { recordsInText } from '../../../../operator/src/plugin/records.ts';
import { GENESIS, seal } from '../../../../operator/src/record-chain.ts';

const FROM_MS = Date.parse('2026-03-04T12:00:00Z');
const MINUTE = 60_000;
const canvas = { nowMs: FROM_MS, columns: 150, hasColour: false };

const decided = (minute: number, kind: string, reason: string, weight: number | undefined): RealDecision => ({
  atMs: FROM_MS + minute * MINUTE,
  kind,
  reason,
  message: `${kind} it was`,
  weight,
  isStart: minute === 0,
});

/** A gap from the 4th to the 6th minute, three of a hundred answers failing from the 40th on. */
function sickRun(policy: object) {
  const reading = readPolicy(policy);
  const spec = parseSpec({
    targetRef: { name: 'auth-api' },
    route: { httpRoute: 'auth-api', rule: 'api' },
    metrics: { prometheus: { address: 'http://prometheus:9090' } },
    schedule: [10, 50, 100].map((weight) => ({ weight, hold: '20m', checkEvery: '2m' })),
  });
  if (spec.kind !== 'valid' || reading.kind !== 'policy') throw new Error('no policy');
  const healthy: Partial<Record<FigureName, number>> = { requests: 1_200, logins: 60, stableRequests: 12_000 };
  const series = byFigure((name) =>
    Array.from({ length: 60 }, (_, index) => {
      if (index === 4 || index === 5) return { kind: 'unknown', why: 'NoData' } as const;
      const value = name === 'serverErrors' && index >= 40 ? 36 : (healthy[name] ?? 0);
      return { kind: 'value', value } as const;
    }),
  );
  const figures = { fromMs: FROM_MS, tileMs: MINUTE, count: 60, series };
  return runOver({ ...spec.spec, ...reading.named }, figures, 'bbbbbbbbbb');
}

const replayOf = (really: RealRun, policy: object = { matrix: {} }): RangeReplay => {
  const would = sickRun(policy);
  return {
    rollout: 'auth/auth-api',
    fromMs: FROM_MS,
    toMs: FROM_MS + 60 * MINUTE,
    tileMs: MINUTE,
    scrapeMs: 15_000,
    way: { kind: 'proxy', namespace: 'monitoring', service: 'http:prometheus:9090', path: '' },
    would,
    really,
    partedMs: partedAt(would, really, MINUTE),
  };
};

describe('the view of a replay over a range', () => {
  it('shows what would have been decided beside what was, and what a range does not tell', () => {
    const decisions = [
      decided(0, 'advance', 'Advanced', 10),
      decided(20.2, 'advance', 'Advanced', 50),
      decided(41.1, 'zero', 'SeverityP1', 0),
    ];
    expect(drawRange(replayOf({ source: 'records', decisions, replicaSets: ['auth-api-abc'] }), canvas)).to.deep.equal([
      'auth/auth-api   2026-03-04 12:00:00 to 2026-03-04 13:00:00',
      '',
      '  looks      41, every 1m (a sample every 15s in Prometheus), 2 of them in gaps: unknown',
      "             through the API server's proxy, services/http:prometheus:9090 in monitoring",
      '',
      '  2026-03-04 12:00:00  would   advance Advanced         → 10 %  from 0% to 10% (step 1 of 3)',
      '  2026-03-04 12:00:00  really  advance Advanced         → 10 %  advance it was',
      '  2026-03-04 12:06:00  would   hold Holding                     step 0 at 10% until 2026-03-04T12:20:00.000Z; 6 checks NoData',
      '  2026-03-04 12:07:00  would   hold Holding                     step 0 at 10% until 2026-03-04T12:20:00.000Z',
      '  2026-03-04 12:20:00  would   advance Advanced         → 50 %  from 10% to 50% (step 2 of 3)',
      '  2026-03-04 12:20:12  really  advance Advanced         → 50 %  advance it was',
      '  2026-03-04 12:40:00  would   advance Advanced         → 100 % from 50% to 100% (step 3 of 3)',
      '  2026-03-04 12:41:00  would   zero SeverityP1          → 0 %   P1 errorRate 3% (limit 1%, 1200 requests): weight 0, pods kept, approval…',
      '  2026-03-04 12:41:06  really  zero SeverityP1          → 0 %   zero it was',
      '',
      '  would      be taken to 0 % at 2026-03-04 12:41:00 and wait there for a person',
      '  really     zero SeverityP1 at 2026-03-04 12:41:06 was the last decision',
      '',
      '  unseen     the sentinel looks at the pods every second; here what it finds comes up to 1m later, or never where it cut it short between two scrapes',
      '             silent and unready pods, alerts, reported complaints, approvals and edits of the route are not in Prometheus',
      '             from 2026-03-04 12:40:00 on its weight would have been another: later counts are of the traffic that really flowed',
    ]);
  });

  it('says what it does not know of the real run, and how else it would have ended', () => {
    const lenient = { matrix: { errorRate: { p0: 0.5, p1: 0.4, p2: 0.3, p3: 0.2 } } };
    const unknown = drawRange(replayOf({ source: 'status', decisions: [], replicaSets: [] }, lenient), canvas).join(
      '\n',
    );
    expect(unknown)
      .to.include('would      be promoted at 2026-03-04 13:00:00')
      .and.to.include("really     unknown: neither records nor the status' history reach into this time")
      .and.to.include('no record names the ReplicaSets')
      .and.to.not.include('its weight would have been another');
    const few: RealRun = {
      source: 'status',
      decisions: [decided(20, 'rollback', 'SeverityP0', undefined)],
      replicaSets: [],
    };
    expect(drawRange(replayOf(few), canvas).join('\n')).to.include('the status keeps ten and no weights');
  });

  it('parts from the real run at the first write that only one of them made', () => {
    const would = sickRun({ matrix: {} });
    const same = [decided(0, 'advance', 'Advanced', 10), decided(20.5, 'advance', 'Advanced', 50)];
    const real = (decisions: readonly RealDecision[]): RealRun => ({ source: 'records', decisions, replicaSets: [] });
    const minuteOf = (atMs: number | undefined): number => ((atMs ?? 0) - FROM_MS) / MINUTE;
    expect(minuteOf(partedAt(would, real([decided(0, 'advance', 'Advanced', 5)]), MINUTE))).to.equal(0);
    expect(minuteOf(partedAt(would, real([...same, decided(22, 'reduce', 'SeverityP2', 25)]), MINUTE))).to.equal(22);
    expect(minuteOf(partedAt(would, real(same), MINUTE))).to.equal(40);
  });
});

describe('the run that really was', () => {
  const record = (minute: number, decision: object, revision = 'r2'): string => {
    const time = new Date(FROM_MS + minute * MINUTE).toISOString();
    const observation = { samples: { replicaSets: [`auth-api-${revision}`] } };
    const draft = {
      kind: 'decision-record',
      format: 1,
      time,
      rollout: { namespace: 'auth', name: 'auth-api', uid: 'u' },
    };
    const rest = { actor: { pod: 'p', version: '1', token: 1 }, revision, observation, judgement: {}, outcome: 'done' };
    return seal({ ...draft, ...rest, decision } as unknown as Parameters<typeof seal>[0], {
      sequence: 0,
      hash: GENESIS,
    }).line;
  };
  const advance = (weight: number, stepIndex: number): object => ({
    kind: 'advance',
    reason: 'Advanced',
    message: '',
    want: {},
    write: { weight, stepIndex },
  });

  it('is read from the records: weights, ReplicaSets of the revision, the newest run from its start to its end', () => {
    const text = [
      record(-60, advance(5, 0), 'r1'),
      record(
        -50,
        { kind: 'rollback', reason: 'SeverityP0', message: '', want: {}, write: { weight: 0, stepIndex: 0 } },
        'r1',
      ),
      record(0, advance(5, 0)),
      record(30, advance(10, 1)),
      record(40, { kind: 'zero', reason: 'SeverityP1', message: '', want: {}, write: { weight: 0, stepIndex: 1 } }),
      record(41, { kind: 'hold', reason: 'ProvingZero', message: '', want: {} }),
    ].join('\n');
    const run = realRun(recordsInText(text)[0], { revision: 'r2' });
    expect(run.source).to.equal('records');
    expect(run.replicaSets).to.deep.equal(['auth-api-r2']);
    expect(run.decisions.map(({ weight }) => weight)).to.deep.equal([5, 0, 5, 10, 0, undefined]);
    const nowMs = FROM_MS + 90 * MINUTE;
    expect(newestSpan(run, nowMs)).to.deep.equal({ fromMs: FROM_MS, toMs: FROM_MS + 42 * MINUTE });
    const running = { ...run, decisions: run.decisions.slice(0, 4) };
    expect(newestSpan(running, nowMs)).to.deep.equal({ fromMs: FROM_MS, toMs: nowMs });
    expect(newestSpan({ ...run, decisions: run.decisions.slice(3) }, nowMs)).to.equal(undefined);
  });
});

describe('a question over a range', () => {
  it('is asked in pieces of at most 10,000 points that leave none out', () => {
    const pieces = piecesOf({ firstMs: 1_000, stepMs: 500, count: 25_000 });
    expect(pieces.map(({ count }) => count)).to.deep.equal([10_000, 10_000, 5_000]);
    expect(pieces.map(({ firstMs }) => firstMs)).to.deep.equal([1_000, 5_001_000, 10_001_000]);
  });
});
