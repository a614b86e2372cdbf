import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { decide } from '../../../../operator/src/core/decide.ts';
import { judge } from '../../../../operator/src/core/judge.ts';
import { MATRIX, type MatrixRow, type Severity } from '../../../../operator/src/core/matrix.ts';
import type { Observation, StepSamples } from '../../../../operator/src/core/observation.ts';
import { plan } from '../../../../operator/src/core/plan.ts';
import { nextStatus } from '../../../../operator/src/core/status-from.ts';
import type { Evidence } from '../../../../operator/src/core/trial.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later } from '../../../support/operator-core/situations.ts';

const value = (number: number) => ({ kind: 'value', value: number }) as const;
const CERTAIN = 1e9;

interface Crossing {
  readonly samples?: Partial<StepSamples>;
  readonly evidence?: Partial<Evidence>;
  /** Since when no canary pod answers. */
  readonly silentMs?: number;
  readonly alert?: Severity;
}

/** Just beyond the row's figure, among 10 000 requests and 1 000 logins. */
const CROSSINGS: Readonly<Record<string, Crossing>> = {
  'P0 serviceDown': { silentMs: 300_001 },
  'P0 errorRate': { samples: { serverErrors: value(501) }, evidence: { errorRate: { over: CERTAIN, worse: CERTAIN } } },
  'P0 dataLoss': { samples: { dataLoss: value(1) } },
  'P1 errorRate': { samples: { serverErrors: value(100) }, evidence: { errorRate: { over: 1, worse: CERTAIN } } },
  'P1 latencyP95': {
    samples: { slow: { p1: value(501), p2: value(501), p3: value(501) } },
    evidence: { latencyP95: { p1: CERTAIN, p2: CERTAIN } },
  },
  'P1 authFailureRate': {
    samples: { loginFailures: value(51) },
    evidence: { authFailureRate: { over: 1, worse: CERTAIN } },
  },
  'P1 databaseErrors': { samples: { databaseErrors: value(11) } },
  'P1 complaints': { samples: { complaints: value(5) } },
  'P2 errorRate': { samples: { serverErrors: value(50) }, evidence: { errorRate: { over: 1, worse: CERTAIN } } },
  'P2 latencyP95': {
    samples: { slow: { p1: value(500), p2: value(501), p3: value(501) } },
    evidence: { latencyP95: { p1: 1, p2: CERTAIN } },
  },
  'P2 complaints': { samples: { complaints: value(3) } },
  'P3 errorRate': { samples: { serverErrors: value(10) } },
  'P3 latencyP95': { samples: { slow: { p1: value(0), p2: value(500), p3: value(501) } } },
  'P0 alerts': { alert: 'P0' },
  'P1 alerts': { alert: 'P1' },
  'P2 alerts': { alert: 'P2' },
  'P3 alerts': { alert: 'P3' },
};

/** A rollout that holds at 25 %, with its checks due. */
function seeing({ samples, evidence, silentMs, alert }: Crossing): Observation {
  const seen = observe(later(worldAt(25), 11_000));
  if (seen.samples === undefined || seen.sentinel === undefined) throw new Error('the checks were not due');
  const sentinel = { ...seen.sentinel, evidence: { ...seen.sentinel.evidence, ...evidence } };
  const silent = silentMs === undefined ? {} : { canaryPodsAnswering: 0, silentSinceMs: seen.nowMs - silentMs };
  const since = silentMs === undefined ? {} : { stepStartedAt: new Date(seen.nowMs - silentMs).toISOString() };
  return {
    ...seen,
    status: { ...seen.status, ...since },
    samples: { ...seen.samples, ...samples },
    sentinel: { ...sentinel, ...silent },
    signals: alert === undefined ? [] : [{ name: 'Alert', severity: alert, sinceMs: seen.nowMs }],
  };
}

const nameOf = ({ severity, check }: MatrixRow): string => `${severity} ${check}`;

describe('the decision table', () => {
  const page = readFileSync(new URL('../../../../docs/decision-table.md', import.meta.url), 'utf8');
  const lines = page.split('\n').filter((line) => line.startsWith('| `'));

  it('has a line for each row of the matrix and no other', () => {
    expect(lines.map((line) => line.split(' | ').slice(0, 2).join(' '))).to.deep.equal(
      MATRIX.map(({ check, severity }) => `| \`${check}\` ${severity}`),
    );
  });

  for (const [index, row] of MATRIX.entries()) {
    it(`says of ${nameOf(row)} what is done`, () => {
      const observation = seeing(CROSSINGS[nameOf(row)] ?? {});
      const judgement = judge(observation);
      const { sentinel, step, alerts } = judgement;
      const failures = [...sentinel.results, ...(step?.results ?? []), ...alerts.results].flatMap(
        ({ check, verdict }) => (verdict.kind === 'fail' ? [`${verdict.severity} ${check}`] : []),
      );
      expect(new Set(failures)).to.deep.equal(new Set([nameOf(row)]));
      const decision = decide(observation, judgement);
      const done = plan(observation, decision).length;
      const status = nextStatus(observation, judgement, decision, { kind: 'done' });
      const line = lines[index] ?? '';
      expect(line).to.include(`\`${decision.kind}\``);
      expect(decision.severity).to.equal(row.severity);
      expect(done, 'writes').to.be.at.least(decision.kind === 'hold' ? 0 : 1);
      expect(status.weight).to.equal({ rollback: 0, zero: 0, reduce: 12, hold: 25 }[row.response]);
      const condemned = (status.condemned ?? []).map(({ revision }) => revision);
      const wanted = status.approvalNeeded?.role;
      const goesOn =
        wanted !== undefined
          ? `an approval of \`${wanted}\``
          : condemned.includes(status.revision ?? '')
            ? 'a new revision only'
            : 'nobody is asked: by itself when healthy';
      expect(line.endsWith(` ${goesOn} |`), line).to.equal(true);
    });
  }
});
