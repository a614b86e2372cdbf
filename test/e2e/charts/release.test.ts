/**
 * The life of a release of charts/latchkey on the real cluster, in a namespace that enforces the restricted Pod Security
 * level: install, helm test, rollback in the middle of a run, uninstall. What Helm and the operator write to the same
 * objects is tried in test/integration/charts; here it is seen from the outside.
 */
import { expect } from 'chai';
import { z } from 'zod';
import { withOwner } from '../../../api/src/db/migrate.ts';
import { type ImageName, names, prepareApi, upgradeApi } from '../../../k8s/demo/install.ts';
import { type Recorder, type RolloutRecord, startRecorder } from '../../../k8s/demo/record.ts';
import { untilServing } from '../../../k8s/demo/traffic.ts';
import { reasonOf } from '../../../k8s/local/failure.ts';
import { markTraffic } from '../../support/traffic.ts';
import {
  apiValuesFor,
  freshImage,
  isPromoted,
  lastingSchedule,
  onlyTraffic,
  recordedIn,
  rolloutDeadlineMs,
  useInstallation,
} from '../installation.ts';
import { untilTrue } from '../until.ts';

const namespace = 'lk-charts';
const host = 'charts.latchkey.test';
const bounds = { deadlineMs: rolloutDeadlineMs };
const failedMigrations = [
  'get',
  'pods',
  '-o',
  'jsonpath={.items[*].status.initContainerStatuses[?(@.lastState.terminated.exitCode==1)].name}',
];
const listShape = z.object({ items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })) });

describe('a release of the chart', function () {
  this.timeout(rolloutDeadlineMs * 2);
  const installation = useInstallation();
  let recorder: Recorder | undefined;
  let first: ImageName;
  const inNamespace = ['--namespace', namespace];
  const helm = (...args: string[]) => installation().place.helm([...args, ...inNamespace], { timeoutMs: 180_000 });
  const kubectl = (...args: string[]) => installation().place.kubectl.run([...args, ...inNamespace]);

  const recorded = (): Recorder => {
    if (recorder === undefined) throw new Error('Nothing is recorded before the first release.');
    return recorder;
  };

  /** The long hold: Helm refuses an upgrade that a write of the operator overtakes (docs/adr/0006-helm-and-the-route.md). */
  const untilQuiet = () => recorded().until('The long hold', bounds, ({ weight }) => weight === 25);

  const runsOf =
    (before: string | undefined) =>
    ({ status }: RolloutRecord): boolean =>
      status?.phase === 'Progressing' && status.revision !== before;

  /** What the runner holds its files against; returns what stood there. */
  async function setChecksum(checksum: string): Promise<string> {
    const url = new URL(installation().place.postgresUrl);
    url.pathname = `/latchkey_${namespace.replaceAll('-', '_')}`;
    return await withOwner(url.href, async (client) => {
      const { rows } = await client.query<{ checksum: string }>(
        'SELECT checksum FROM latchkey.migration WHERE version = 21',
      );
      await client.query('UPDATE latchkey.migration SET checksum = $1 WHERE version = 21', [checksum]);
      return String(rows[0]?.checksum);
    });
  }

  async function objectsOfRelease(): Promise<readonly string[]> {
    const kinds = 'deployments,services,pods,httproutes,authrollouts,poddisruptionbudgets,serviceaccounts';
    const labelled = ['--selector', `app.kubernetes.io/instance=${names.release}`];
    const { items } = listShape.parse(JSON.parse(await kubectl('get', kinds, ...labelled, '--output', 'json')));
    return items.map(({ metadata }) => metadata.name);
  }

  before('a namespace that enforces the restricted level, and the first release', async () => {
    const { place, cluster } = installation();
    await prepareApi(place, namespace);
    const level = 'pod-security.kubernetes.io/enforce=restricted';
    await place.kubectl.run(['label', 'namespace', namespace, level, '--overwrite']);
    const values = apiValuesFor(place, host);
    recorder = startRecorder(place.kubectl, recordedIn(namespace));
    first = await freshImage(cluster, 'sound');
    await upgradeApi(place, first, { ...values, rollout: { ...values.rollout, schedule: lastingSchedule } }, namespace);
    await recorded().until('The first installation', bounds, isPromoted);
    await untilServing(place.gatewayUrl, { host });
  });

  after('the namespace goes', async () => {
    if (recorder === undefined) return;
    recorder.stop();
    const { kubectl: asAdmin } = installation().place;
    await asAdmin.run(['delete', 'authrollout', '--all', ...inNamespace]);
    await asAdmin.run(['delete', 'namespace', namespace, '--wait=false']);
  });

  it('passes helm test: a new user registers, logs in, refreshes and logs out', async () => {
    const said = await helm('test', names.release, '--logs');
    for (const step of ['register', 'login', 'refresh', 'me after the refresh', 'logout']) {
      expect(said).to.include(`ok   ${step}`);
    }
  });

  it('takes a newer image in the middle of a run, which begins again', async () => {
    const { place, cluster } = installation();
    await upgradeApi(place, await freshImage(cluster, 'sound'), {}, namespace);
    // Nobody calls this release yet, so it stays at its first step.
    await recorded().until('A share for the canary', bounds, ({ weight }) => weight !== undefined && weight > 0);
    const before = recorded().record.status?.revision;
    await upgradeApi(place, await freshImage(cluster, 'sound'), {}, namespace);
    await recorded().until('A new run', bounds, ({ status }) => status !== undefined && status.revision !== before);
    expect(recorded().record.status).to.include({ phase: 'Progressing', stepIndex: 0 });
  });

  it('rolled back in the middle of a run fails no request and ends the run, and the old values finish the way back', async () => {
    const { place, cluster } = installation();
    const traffic = await onlyTraffic(place, host, { requestsPerSecond: 40, loginsPerSecond: 4 });
    try {
      await untilQuiet();
      const mark = markTraffic(traffic);
      const before = recorded().record.status?.revision;
      await upgradeApi(place, await freshImage(cluster, 'sound'), {}, namespace);
      const isNew = runsOf(before);
      await recorded().until('A share for the canary', bounds, (record) => isNew(record) && (record.weight ?? 0) > 0);
      const refused = await helm('rollback', names.release, '1').catch(reasonOf);
      expect(refused).to.include('conflict with "latchkey-operator"');
      await recorded().until('The end of the run', bounds, isPromoted);
      await upgradeApi(place, first, {}, namespace);
      expect(recorded().record.weight).to.equal(0);
      expect(await mark.failures()).to.deep.equal([]);
      expect(await mark.lostSessions()).to.deep.equal([]);
    } finally {
      await traffic.stop();
    }
  });

  it('goes on serving the old version when a migration fails in the pods, and when it fails as a job, and the next upgrade goes through', async () => {
    const { place, cluster } = installation();
    const traffic = await onlyTraffic(place, host, { requestsPerSecond: 40, loginsPerSecond: 4 });
    const sound = await setChecksum('broken by the test');
    try {
      const mark = markTraffic(traffic);
      const before = recorded().record.status?.revision;
      await upgradeApi(place, await freshImage(cluster, 'sound'), {}, namespace);
      await recorded().until('The new revision', bounds, ({ status }) => status?.revision !== before);
      await untilTrue('a pod whose migration failed', 60_000, async () => (await kubectl(...failedMigrations)) !== '');
      expect(recorded().record.weight).to.equal(0);
      await upgradeApi(place, first, {}, namespace);
      await recorded().until('The end of the run', bounds, isPromoted);

      const next = await freshImage(cluster, 'sound');
      const asJob = { migrate: { asJob: true, timeoutSeconds: 60 } };
      const refused = await upgradeApi(place, next, asJob, namespace).then(() => 'upgraded', reasonOf);
      expect(refused).to.include('pre-upgrade hooks failed');
      expect((await mark.counts()).requests).to.be.above(100);
      await setChecksum(sound);
      await upgradeApi(place, next, asJob, namespace);
      await untilQuiet();
      await upgradeApi(place, first, { migrate: { asJob: false } }, namespace);
      await recorded().until('The way back', bounds, isPromoted);
      expect(await mark.failures()).to.deep.equal([]);
      expect(await mark.lostSessions()).to.deep.equal([]);
    } finally {
      await setChecksum(sound);
      await traffic.stop();
    }
  });

  it('leaves nothing behind when it is uninstalled', async () => {
    await helm('uninstall', names.release);
    await untilTrue('no object of the release', 90_000, async () => (await objectsOfRelease()).length === 0);
  });
});
