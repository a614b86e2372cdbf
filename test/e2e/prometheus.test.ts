// Issue, "What must be shown" 5: Prometheus killed in the middle of a step: the weight holds, then steps down after the
// bound; it never advances; it goes on when Prometheus is back.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { names } from '../../k8s/demo/install.ts';
import type { Kubectl } from '../../k8s/demo/kubectl.ts';
import type { ScheduleStep } from '../../k8s/demo/record.ts';
import { readCluster } from '../../k8s/local/cluster.ts';
import { startProcess, stopProcess } from '../../k8s/local/processes.ts';
import { namespace, rolloutDeadlineMs, runsAt25, upgradeTo, useInstallation, withdraw } from './installation.ts';
import { untilTrue } from './until.ts';

const blindLimitMs = 8_000;
/** Its second step would be over long before the blind limit, so that only blindness can keep the weight there. */
const schedule: readonly ScheduleStep[] = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 25, hold: '4s', checkEvery: '1s' },
  { weight: 50, hold: '10m', checkEvery: '1s' },
  { weight: 100, hold: '10m', checkEvery: '1s' },
];

describe('a rollout without Prometheus', function () {
  this.timeout(rolloutDeadlineMs * 2);
  const installation = useInstallation();

  it('holds, steps down after the blind limit, never advances, and goes on when Prometheus is back', async () => {
    const { recorder, place } = installation();
    const isAt25 = runsAt25(recorder);
    await upgradeTo(installation(), { content: 'sound', schedule });
    await setBlindLimit(place.kubectl, `${blindLimitMs / 1000}s`);
    await recorder.until('25 %', { deadlineMs: rolloutDeadlineMs }, isAt25);

    const restart = killPrometheus();
    const killedAtMs = Date.now();
    const from = recorder.record.weights.length;
    try {
      await recorder.until('The step down', { deadlineMs: blindLimitMs * 4 }, ({ weight }) => weight === 10);
      const heldMs = Date.now() - killedAtMs;
      expect(heldMs).to.be.within(blindLimitMs - 3_000, blindLimitMs * 2.5);
      expect(recorder.record.status?.conditions.find(({ type }) => type === 'MetricsAvailable')?.status).to.equal(
        'False',
      );
    } finally {
      await restart();
      await setBlindLimit(place.kubectl, '5m');
    }
    await recorder.until('The way up again', { deadlineMs: rolloutDeadlineMs }, ({ weight }) => weight === 50);
    const blindWeights = recorder.record.weights.slice(from).map(({ weight }) => weight);
    expect(blindWeights[0]).to.equal(10);
    await withdraw(installation());
  });
});

async function setBlindLimit(kubectl: Kubectl, blindLimit: string): Promise<void> {
  const patch = JSON.stringify({ spec: { metrics: { blindLimit } } });
  await kubectl.run(['patch', 'aroll', names.release, '-n', namespace, '--type=merge', '-p', patch]);
}

/** Ends Prometheus as the kernel would; the returned function starts it again with the same command line. */
function killPrometheus(): () => Promise<void> {
  const cluster = readCluster();
  const pid = cluster?.pids['prometheus'];
  if (cluster === undefined || pid === undefined) throw new Error('Prometheus does not run.');
  const [command = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  process.kill(pid, 'SIGKILL');
  return async () => {
    await stopProcess('prometheus');
    await startProcess({ name: 'prometheus', command, args });
    await untilTrue('Prometheus is back', 60_000, async () => {
      return (await fetch(`${cluster.prometheusUrl}/-/ready`, { signal: AbortSignal.timeout(2_000) })).ok;
    });
  };
}
