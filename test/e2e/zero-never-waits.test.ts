// Issue, "What must be shown" 6: stable pods unready, node pressure, a paused rollout, a missing approval: none of them
// delays weight 0.
import { expect } from 'chai';
import { images } from '../../k8s/demo/images.ts';
import { decisionsOf } from '../../k8s/demo/report.ts';
import { markTraffic } from '../support/traffic.ts';
import { breakCanary, canarySelector, halfOfAllFails, stableSelector } from './faulty-pods.ts';
import {
  canaryAt25,
  exposureLoad,
  namespace,
  patchRollout,
  rolloutDeadlineMs,
  untilOver,
  useInstallation,
} from './installation.ts';
import { podsOf, signalPod } from './pod-process.ts';
import { untilTrue } from './until.ts';

const exposureLimitMs = 3_000;
const apiProcess = 'main.ts';

describe('weight 0', function () {
  this.timeout(rolloutDeadlineMs * 2);
  const installation = useInstallation(exposureLoad);

  /** Breaks the canary and returns how long it went on answering after its first fault. */
  async function exposureOfBreak(version: string): Promise<number> {
    const { recorder, place, traffic } = installation();
    const mark = markTraffic(traffic);
    await breakCanary(place, halfOfAllFails);
    await recorder.until('Weight 0', { deadlineMs: 30_000 }, ({ weight }) => weight === 0);
    await untilOver(recorder, ({ status }) => status?.phase === 'RolledBack');
    const exposure = await mark.exposure(version);
    console.log(`      exposure ${exposure?.exposureMs} ms at ${exposure?.requestsPerSecond}/s`);
    return exposure?.exposureMs ?? Number.NaN;
  }

  it('comes in time while the rollout is paused', async () => {
    const version = await canaryAt25(installation());
    await patchRollout(installation(), { paused: true });
    try {
      const { recorder } = installation();
      await recorder.until('Paused', { deadlineMs: 30_000 }, ({ status }) =>
        hasCondition(status?.conditions, 'Paused'),
      );
      expect(await exposureOfBreak(version)).to.be.at.most(exposureLimitMs);
    } finally {
      await patchRollout(installation(), { paused: false });
    }
  });

  it('comes in time while an approval is missing', async () => {
    const { recorder, place } = installation();
    const version = await canaryAt25(installation());
    await breakCanary(place, { kind: 'latency', ratio: 0.3, delayMs: 350 });
    await recorder.until('The wait for an approval', { deadlineMs: 90_000 }, ({ status, weight }) => {
      return status?.approvalNeeded !== undefined && weight !== undefined && weight < 25;
    });
    // At half the weight the canary has about 20 requests a second: the evidence takes longer, the decision does not.
    expect(await exposureOfBreak(version)).to.be.at.most(exposureLimitMs + 1_000);
  });

  it('comes in time while no pod of stable is ready', async () => {
    const { place } = installation();
    const version = await canaryAt25(installation());
    const frozen = await podsOf(place.kubectl, namespace, stableSelector);
    expect(frozen.length).to.be.greaterThan(0);
    try {
      for (const pod of frozen) signalPod(pod, apiProcess, 'SIGSTOP');
      await untilTrue('stable is unready', 60_000, async () => {
        const pods = await podsOf(place.kubectl, namespace, stableSelector);
        return pods.every(({ isReady }) => !isReady);
      });
      expect(await exposureOfBreak(version)).to.be.at.most(exposureLimitMs);
    } finally {
      for (const pod of frozen) signalPod(pod, apiProcess, 'SIGCONT');
    }
    await untilTrue('stable is ready again', 60_000, async () => {
      const pods = await podsOf(place.kubectl, namespace, stableSelector);
      return pods.length > 0 && pods.every(({ isReady }) => isReady);
    });
  });

  it('comes when the canary’s processes die, and the climb begins again with the first step', async () => {
    const { recorder, place } = installation();
    await canaryAt25(installation());
    const from = recorder.record.weights.length;
    const pods = await podsOf(place.kubectl, namespace, canarySelector);
    const killedAt = Date.now();
    for (const pod of pods) signalPod(pod, apiProcess, 'SIGKILL');
    await recorder.until('Weight 0', { deadlineMs: 30_000 }, ({ weight }) => weight === 0);
    const tookMs = Date.now() - killedAt;
    console.log(`      ${tookMs} ms from the kill to weight 0`);
    expect(tookMs).to.be.at.most(exposureLimitMs);
    await recorder.until('25 % again', { deadlineMs: rolloutDeadlineMs }, ({ weight }) => weight === 25);
    expect(recorder.record.weights.slice(from).map(({ weight }) => weight)).to.deep.equal([0, 10, 25]);
    expect(decisionsOf(recorder.record).map(({ message }) => message)).to.satisfy((messages: readonly string[]) =>
      messages.some((message) => /^none of \d canary pods is ready/.test(message)),
    );
  });

  it('comes in time while other pods want every core of the node', async () => {
    const { place } = installation();
    const version = await canaryAt25(installation());
    const image = `${images.first.repository}:${images.first.tag}`;
    const greedy = ['--restart=Never', `--image=${image}`, '--image-pull-policy=IfNotPresent', '--command', '--'];
    const pods = ['greedy-1', 'greedy-2'];
    try {
      for (const pod of pods) {
        await place.kubectl.run(['run', pod, '-n', namespace, ...greedy, 'node', '-e', 'for (;;);']);
      }
      await place.kubectl.run(['wait', ...pods.map((pod) => `pod/${pod}`), '-n', namespace, '--for=condition=Ready']);
      expect(await exposureOfBreak(version)).to.be.at.most(exposureLimitMs);
    } finally {
      await place.kubectl.run([
        'delete',
        'pod',
        ...pods,
        '-n',
        namespace,
        '--ignore-not-found',
        '--grace-period=0',
        '--force',
      ]);
    }
  });
});

interface ConditionSeen {
  readonly type: string;
  readonly status: string;
}

function hasCondition(conditions: readonly ConditionSeen[] | undefined, type: string): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}
