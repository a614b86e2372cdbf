// Issue, "the operator, whole", 1: every row of the decision matrix on the real cluster: the metric that crosses, the action, its time,
// who may continue. Rows of rates have figures further apart than the default's, so that the luck of one run names no neighbour of
// the row; which default belongs to which row is asserted by test/unit/operator/core/decision-table.test.ts. CI runs the rows
// that count facts, TEST_LONG=1 all.
import { expect } from 'chai';
import type { RolloutRecord } from '../../k8s/demo/record.ts';
import { decisionsOf } from '../../k8s/demo/report.ts';
import { APPROVER, MATRIX, type MatrixRow } from '../../operator/src/core/matrix.ts';
import { breakCanary, canarySelector } from './faulty-pods.ts';
import {
  canaryAt25,
  exposureLoad,
  namespace,
  patchRollout,
  rolloutDeadlineMs,
  useInstallation,
} from './installation.ts';
import { podsOf, signalPod } from './pod-process.ts';

interface Crossing {
  /** What the canary begins to do; 'frozen': its processes stand still. */
  readonly fault: Readonly<Record<string, unknown>> | 'frozen';
  /** From the fault to the answer. */
  readonly withinSeconds: number;
}

const errors = (ratio: number) => ({ kind: 'error', ratio });
const slow = (delayMs: number) => ({ kind: 'latency', ratio: 0.3, delayMs });
const signal = (name: string, count: number) => ({ kind: 'signal', signal: name, count });

/** Set for these tests: error rates a factor apart, and a canary that is down after 10 s instead of 5 min. */
const matrix = { serviceDown: { p0: '10s' }, errorRate: { p0: 0.5, p1: 0.2, p2: 0.05, p3: 0.01 } };

const CROSSINGS: Readonly<Record<string, Crossing>> = {
  // A pod of the revision before may answer until its grace is over.
  'P0 serviceDown': { fault: 'frozen', withinSeconds: 60 },
  'P0 errorRate': { fault: errors(0.9), withinSeconds: 15 },
  'P0 dataLoss': { fault: signal('dataLoss', 1), withinSeconds: 15 },
  'P1 errorRate': { fault: errors(0.33), withinSeconds: 30 },
  'P1 latencyP95': { fault: slow(700), withinSeconds: 90 },
  'P1 authFailureRate': { fault: { kind: 'login-error', ratio: 0.5 }, withinSeconds: 60 },
  'P1 databaseErrors': { fault: signal('databaseErrors', 30), withinSeconds: 15 },
  'P1 complaints': { fault: signal('complaints', 5), withinSeconds: 15 },
  'P2 errorRate': { fault: errors(0.11), withinSeconds: 60 },
  'P2 latencyP95': { fault: slow(350), withinSeconds: 90 },
  'P2 complaints': { fault: signal('complaints', 3), withinSeconds: 30 },
  'P3 errorRate': { fault: errors(0.025), withinSeconds: 60 },
  'P3 latencyP95': { fault: slow(230), withinSeconds: 60 },
};

const nameOf = ({ severity, check }: MatrixRow): string => `${severity} ${check}`;
const rows = MATRIX.filter((row) => process.env['TEST_LONG'] === '1' || row.proof === 'fact').filter(
  (row) => nameOf(row) in CROSSINGS,
);
const weightAfter = { rollback: 0, zero: 0, reduce: 12, hold: 25 } as const;

describe('a row of the decision matrix', function () {
  this.timeout(rolloutDeadlineMs * 2);
  const installation = useInstallation(exposureLoad);

  // Only now: by the default figures the last row's canary would lose its traffic in the moment of the next upgrade.
  after('the default figures come back', async () => await patchRollout(installation(), { matrix: null }));

  /** Returns the way back: a canary that kept some traffic and its fault would move the weight again under the next upgrade (ADR 6). */
  async function begin({ response }: MatrixRow, { fault }: Crossing): Promise<() => Promise<void>> {
    const { place } = installation();
    if (fault !== 'frozen') {
      await breakCanary(place, fault);
      return async () => (weightAfter[response] > 0 ? await breakCanary(place, { kind: 'none' }) : undefined);
    }
    const pods = await podsOf(place.kubectl, namespace, canarySelector);
    for (const pod of pods) signalPod(pod, 'main.ts', 'SIGSTOP');
    return async () => {
      for (const pod of pods) signalPod(pod, 'main.ts', 'SIGCONT');
    };
  }

  for (const row of rows) {
    const crossing = CROSSINGS[nameOf(row)] ?? { fault: 'frozen', withinSeconds: 0 };
    it(`${nameOf(row)} is answered with ${row.response} within ${crossing.withinSeconds} s`, async () => {
      const { recorder } = installation();
      await canaryAt25(installation(), () => patchRollout(installation(), { matrix }));
      const brokenAt = Date.now();
      const mend = await begin(row, crossing);
      const reason = `Severity${row.severity}`;
      const answerIn = (record: RolloutRecord) =>
        decisionsOf(record).find(({ reason: word, at }) => word === reason && Date.parse(at) >= brokenAt);
      const isAnswered = (record: RolloutRecord): boolean =>
        record.weight === weightAfter[row.response] && answerIn(record) !== undefined;
      try {
        await recorder.until(`The ${row.response}`, { deadlineMs: crossing.withinSeconds * 1_000 }, isAnswered);
      } finally {
        await mend();
      }
      const { status } = recorder.record;
      const answer = answerIn(recorder.record);
      const seconds = (Date.parse(answer?.at ?? '') - brokenAt) / 1_000;
      console.log(`      after ${seconds.toFixed(1)} s: ${answer?.decision}: ${answer?.message}`);
      expect(answer?.message).to.include(nameOf(row));
      expect(status?.approvalNeeded?.role).to.equal(APPROVER[row.severity]);
      expect(status?.condemned.some(({ revision }) => revision === status.revision) ?? false).to.equal(
        row.severity === 'P0',
      );
    });
  }
});
