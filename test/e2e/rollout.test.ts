// Issue, "What must be shown" 3: adoption, promotion and `helm upgrade` cost no client a failed request or a session.
import { expect } from 'chai';
import { images } from '../../k8s/demo/images.ts';
import { prepareApi, removeNamespace, upgradeApi } from '../../k8s/demo/install.ts';
import { startRecorder } from '../../k8s/demo/record.ts';
import { climb } from '../../k8s/demo/report.ts';
import { untilServing } from '../../k8s/demo/traffic.ts';
import { markTraffic } from '../support/traffic.ts';
import {
  apiValuesFor,
  freshImage,
  isPromoted,
  namespace,
  onlyTraffic,
  quickSchedule,
  recordedIn,
  rolloutDeadlineMs,
  runsAt25,
  untilPromoted,
  upgradeTo,
  useInstallation,
} from './installation.ts';

const adoptNamespace = 'lk-adopt';
const adoptHost = 'adopt.latchkey.test';

/** Time at 25 % for an upgrade: Helm refuses one that the operator's next write overtakes (docs/adr/0006). */
const schedule = quickSchedule.map((step) => (step.weight === 25 ? { ...step, hold: '12s' } : step));

describe('a healthy rollout', function () {
  this.timeout(rolloutDeadlineMs * 2);
  const installation = useInstallation();

  it('climbs each step and is promoted without a failed request or a lost session, and helm upgrade in its middle moves nothing', async () => {
    const { recorder, traffic, place } = installation();
    const mark = markTraffic(traffic);
    const from = recorder.record.weights.length;
    const isAt25 = runsAt25(recorder);
    const version = await upgradeTo(installation(), { content: 'sound', schedule });
    const promotion = untilPromoted(installation(), version);
    await recorder.until('25 %', { deadlineMs: rolloutDeadlineMs }, isAt25);
    const sameImage = { repository: images.first.repository, tag: version };
    await upgradeApi(place, sameImage, { route: { annotations: { 'e2e.latchkey.dev/note': version } } }, namespace);
    await promotion;
    expect(climb(recorder.record.weights.slice(from))).to.deep.equal(schedule.map(({ weight }) => weight));
    expect(await mark.failures()).to.deep.equal([]);
    expect((await mark.counts()).requests).to.be.greaterThan(1000);
    expect(await mark.lostSessions()).to.deep.equal([]);
  });
});

describe('an adoption', function () {
  this.timeout(rolloutDeadlineMs * 2);
  const installation = useInstallation();

  it('fails no request', async () => {
    const { place, cluster } = installation();
    await removeNamespace(place, adoptNamespace);
    await prepareApi(place, adoptNamespace);
    const image = await freshImage(cluster, 'sound');
    const values = apiValuesFor(place, adoptHost);
    await upgradeApi(place, image, { ...values, rollout: { ...values.rollout, enabled: false } }, adoptNamespace);
    await untilServing(place.gatewayUrl, { host: adoptHost });
    const traffic = await onlyTraffic(place, adoptHost, { requestsPerSecond: 60, loginsPerSecond: 10 });
    const recorder = startRecorder(place.kubectl, recordedIn(adoptNamespace));
    try {
      const mark = markTraffic(traffic);
      await upgradeApi(place, image, { rollout: { enabled: true } }, adoptNamespace);
      await recorder.until('The adoption', { deadlineMs: rolloutDeadlineMs }, isPromoted);
      expect(await mark.failures()).to.deep.equal([]);
      expect(await mark.lostSessions()).to.deep.equal([]);
    } finally {
      recorder.stop();
      await traffic.stop();
      await removeNamespace(place, adoptNamespace);
    }
  });
});
