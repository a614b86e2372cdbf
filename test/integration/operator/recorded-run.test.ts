/**
 * One promoted rollout and one that is taken back, for the pictures where no cluster can be had: the real API in the place of each pod, the real
 * operator, PostgreSQL, Redis, kube-apiserver and Prometheus; only kubelet, gateway and clients are played. Not a test of its own but a source:
 * runs with RECORD=1 alone, takes some two minutes and ends by `npm run pictures`. On a cluster: docs/dashboards.md.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { demoSchedule } from '../../../k8s/demo/schedule.ts';
import { eventually } from '../../support/eventually.ts';
import { LivePrometheus } from '../../support/live-prometheus.ts';
import { createTestDatabase } from '../../support/postgres.ts';
import { RealPods } from '../../support/real-pods.ts';
import { TestRedis } from '../../support/redis.ts';
import { Scene } from '../../support/rollout-scene.ts';

const suite = process.env['RECORD'] === '1' ? describe : () => undefined;
const COMMAND = fileURLToPath(new URL('../../../k8s/dashboards/record.ts', import.meta.url));
const SOURCE =
  'real API, operator, PostgreSQL, Redis, kube-apiserver and Prometheus, with kubelet, gateway and clients played (test/integration/operator/recorded-run.test.ts); two busy cores, an hour of the runbook in ten seconds';
const REQUESTS_PER_SECOND = 120;
/** What is seen before, between and after the two rollouts. */
const SHOWN_MS = { before: 12_000, between: 12_000, after: 21_000 };

suite('a recorded run', function () {
  this.timeout(600_000);

  it('fills every panel of the boards', async () => {
    const prometheus = await LivePrometheus.start();
    const redis = await TestRedis.start();
    const { url: databaseUrl } = await createTestDatabase();
    const spec = { metrics: { prometheus: { address: prometheus.address } } };
    const scene = await Scene.create({ schedule: demoSchedule(1), spec });
    scene.workloads.requestsPerSecond = REQUESTS_PER_SECOND;
    const operator = await scene.operator().address();
    const percentageUrl = `${operator}/rollouts/${scene.namespace}/auth-api/percentage`;
    // As the demo's sick version: sound until it carries a quarter of the traffic.
    const faults = { v3: { kind: 'error', ratio: 0.3, afterRps: 20 } } as const;
    const pods = new RealPods({ databaseUrl, redisUrl: redis.url, percentageUrl, faults });
    scene.workloads.onPod = (pod) => pods.attach(pod);
    const discovery = setInterval(() => void prometheus.scrape(targetsOf(scene, operator)), 500);
    try {
      await promoteAndTakeBack(scene);
      const args = [COMMAND, '--prometheus', prometheus.address, '--namespace', scene.namespace, '--source', SOURCE];
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
      console.log(stdout);
    } finally {
      clearInterval(discovery);
      await pods.stop();
      await prometheus.stop();
      await redis.drop();
    }
  });
});

const targetsOf = (scene: Scene, operator: string) => [
  ...[...scene.workloads.pods.values()].map(({ address, name }) => ({
    targets: [`${address}:3000`],
    labels: { __metrics_path__: '/api/metrics', job: 'latchkey', namespace: scene.namespace, pod: name },
  })),
  {
    targets: [new URL(operator).host],
    labels: { __metrics_path__: '/metrics', namespace: 'latchkey-system', pod: 'latchkey-operator' },
  },
];

async function promoteAndTakeBack(scene: Scene): Promise<void> {
  await scene.until('v1 is adopted', 120_000, ({ status }) => status.phase === 'Succeeded' && status.weight === 0);
  await pass(SHOWN_MS.before);
  const { revision } = (await scene.rollout()).status;
  await scene.release('v2');
  await scene.until('v2 is promoted', 300_000, ({ status }) => {
    return status.phase === 'Succeeded' && status.revision !== revision && status.weight === 0;
  });
  await pass(SHOWN_MS.between);
  await scene.release('v3');
  await scene.until('v3 is taken back', 200_000, ({ status }) => status.phase === 'RolledBack');
  await pass(SHOWN_MS.after);
}

/** Time that the picture shows: nothing is awaited, it passes. */
async function pass(forMs: number): Promise<void> {
  const untilMs = performance.now() + forMs;
  await eventually('the time has passed', forMs + 5_000, () => performance.now() >= untilMs);
}
