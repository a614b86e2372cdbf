// Issue, "What must be shown" 2: from the first faulty answer to the last canary answer at the client; the time for a
// subtle fault is measured and printed with its evidence.
import { expect } from 'chai';
import type { Answer } from '../../k8s/demo/answers.ts';
import type { Recorder } from '../../k8s/demo/record.ts';
import { decisionsOf } from '../../k8s/demo/report.ts';
import { startTraffic } from '../../k8s/demo/traffic.ts';
import { verdictText } from '../../operator/src/plugin/drawing.ts';
import { markTraffic, percentile95 } from '../support/traffic.ts';
import {
  exposureLoad,
  host,
  lastingSchedule,
  quickSchedule,
  rolloutDeadlineMs,
  runsAndIs,
  trafficSettings,
  untilOver,
  upgradeTo,
  useInstallation,
} from './installation.ts';

/** The bound that is stated for 20 rollouts; two on a busy machine say less, and are held against the double. */
const isLong = process.env['TEST_LONG'] === '1';
const rollouts = isLong ? 20 : 2;
const exposureLimitMs = isLong ? 1_500 : 3_000;
/** What the bound is stated for, offered to the canary: the clients' whole rate by the weight, since a second of its answers is too few to count. */
const leastRequestsPerSecond = 40;

describe('a sick rollout', function () {
  this.timeout(rolloutDeadlineMs * rollouts);
  const installation = useInstallation(exposureLoad);

  it(`answers nobody later than ${exposureLimitMs / 1000} s after its first faulty answer, at p95 of ${rollouts} rollouts`, async () => {
    const { recorder, traffic } = installation();
    const exposuresMs: number[] = [];
    for (let index = 0; index < rollouts; index += 1) {
      const mark = markTraffic(traffic);
      const fault = { kind: 'error', ratio: 0.5, afterRps: 42 };
      const isRolledBack = runsAndIs(recorder, 'RolledBack');
      const version = await upgradeTo(installation(), { content: 'faulty', fault, schedule: quickSchedule });
      await untilOver(recorder, isRolledBack);
      const exposure = await mark.exposure(version);
      const counts = await mark.counts();
      const topWeight = Math.max(...recorder.record.weights.filter(isSince(mark.sinceMs)).map(({ weight }) => weight));
      const offered = (counts.requests / ((Date.now() - mark.sinceMs) / 1000)) * (topWeight / 100);
      console.log(
        `      exposure ${exposure?.exposureMs} ms at ${topWeight} %, ${offered.toFixed(0)} requests/s offered`,
      );
      expect(decisionSince(recorder, mark.sinceMs, 'rollback')?.reason).to.equal('SeverityP0');
      expect(offered).to.be.at.least(leastRequestsPerSecond);
      expect(Object.keys(counts.failedByVersion)).to.deep.equal([version]);
      expect(await mark.lostSessions()).to.deep.equal([]);
      exposuresMs.push(exposure?.exposureMs ?? Number.NaN);
    }
    console.log(`      p95 ${percentile95(exposuresMs)} ms`);
    expect(percentile95(exposuresMs)).to.be.at.most(exposureLimitMs);
  });
});

describe('a rollout that is a little sick', function () {
  this.timeout(rolloutDeadlineMs * 2);
  // Its logins are the load here; with the exposure's requests beside them two cores answer late, and the latency's P2 comes first.
  const installation = useInstallation();

  it('loses its traffic too when only a tenth of its logins fail, once the evidence is in', async () => {
    const { recorder, place } = installation();
    const load = { requestsPerSecond: 120, loginsPerSecond: 60 };
    const settings = { ...trafficSettings(host, load), USERS: '16', RETRY_SIGN_IN_MS: '0' };
    const traffic = await startTraffic({ k6: place.k6, baseUrl: place.gatewayUrl, settings });
    const sinceMs = Date.now();
    try {
      const isZeroed = runsAndIs(recorder, 'Zeroed');
      const fault = { kind: 'login-error', ratio: 0.1 };
      const version = await upgradeTo(installation(), { content: 'faulty', fault, schedule: lastingSchedule });
      await recorder.until(`The end of ${version}`, { deadlineMs: rolloutDeadlineMs }, isZeroed);
      await traffic.catchUp();
      const logins = traffic.answers.filter((answer) => answer.version === version && answer.route === 'login');
      console.log(`      ${delayText(logins)}`);
      const zeroed = decisionSince(recorder, sinceMs, 'zero');
      console.log(`      ${zeroed?.message}`);
      for (const result of recorder.record.status?.lastCheck?.results ?? []) {
        console.log(`      ${result.check} ${result.value} (threshold ${result.threshold}) ${verdictText(result)}`);
      }
      expect(zeroed?.reason).to.equal('SeverityP1');
      expect(recorder.record.weight).to.equal(0);
    } finally {
      await traffic.stop();
    }
  });
});

function isSince(sinceMs: number): (seen: { readonly atMs: number }) => boolean {
  return ({ atMs }) => atMs >= sinceMs;
}

/** The first decision of a kind; the last one may already be about the proof that no request arrives any more. */
function decisionSince({ record }: Recorder, sinceMs: number, kind: string) {
  const statuses = record.statuses.filter(({ atMs }) => atMs >= sinceMs);
  return decisionsOf({ statuses }).find(({ at, decision }) => Date.parse(at) >= sinceMs && decision === kind);
}

function delayText(logins: readonly Answer[]): string {
  const refused = logins.filter(({ status }) => status === 401);
  const first = refused[0]?.atMs ?? Number.NaN;
  const last = logins.at(-1)?.atMs ?? Number.NaN;
  const seconds = ((last - first) / 1000).toFixed(1);
  return `subtle fault: ${seconds} s from the first refused login to the last canary login, ${refused.length} of ${logins.length} refused`;
}
