/**
 * Every alert of the operator's chart, as helm renders it, in a real Prometheus that scrapes real operators on the real apiserver: each where its
 * cause is injected, all of them beside each other, and beside them one that takes a release to its end.
 *
 * Only with TEST_LONG=1, as those of the API. Time passes thirty times as fast (test/support/alert-scale.ts): a minute of a window, of a `for`,
 * of the interval or of an age is two seconds here.
 * The operator's own times are not shortened, so the apiserver's bookmarks are played at the rhythm that the ages expect
 * (test/support/operator-alert-scenes.ts), and that a message is given up before its age counts is for the rules' unit tests to see.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { OPERATOR_SCENES, type StagedOperators } from '../../support/operator-alert-scenes.ts';
import { WatchingPrometheus } from '../../support/watching-prometheus.ts';

const scrapedPods = async (staged: ReadonlyMap<string, StagedOperators>) =>
  (
    await Promise.all(
      [...staged].map(([namespace, { operators }]) =>
        Promise.all(
          operators.map(async (operator, index) => ({
            namespace,
            pod: `latchkey-operator-6f-${index}`,
            address: new URL(await operator.address()).host,
          })),
        ),
      ),
    )
  ).flat();

const suite = process.env['TEST_LONG'] === '1' ? describe : () => undefined;

suite('the alerts of the operator, live', function () {
  this.timeout(240_000);
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-live-alerts-'));
  const staged = new Map<string, StagedOperators>();
  let prometheus: WatchingPrometheus | undefined;

  after(async () => {
    for (const { endings } of staged.values()) for (const end of endings) await end();
    await prometheus?.stop();
    rmSync(folder, { recursive: true });
  });

  /** One test: the processes that it starts end with it (operator.ts, rollout-scene.ts). */
  it('fire each when its cause is there, for no other cause, and none in a release that goes well', async () => {
    await Promise.all(OPERATOR_SCENES.map(async ({ name, stage }) => staged.set(name, await stage(folder))));
    const pods = await scrapedPods(staged);
    const watching = await WatchingPrometheus.start({ chart: 'latchkey-operator', metricsPath: '/metrics', pods });
    prometheus = watching;
    await watching.answers(`count(count_over_time(up[10m]) > 28) == ${pods.length}`);
    for (const { name, isBorn } of OPERATOR_SCENES)
      if (isBorn === undefined) expect(await watching.fired(name), `${name}, before its cause`).to.deep.equal([]);

    await Promise.all([...staged.values()].map(({ inject }) => inject()));
    for (const { name, fires } of OPERATOR_SCENES) await Promise.all(fires.map((alert) => watching.fires(alert, name)));

    for (const { name, fires } of OPERATOR_SCENES)
      expect(await watching.fired(name), name).to.deep.equal([...fires].toSorted());
    expect((await watching.fires('RolloutWatchDeaf', 'forbidden'))['resource']).to.equal('rolloutcomplaints');
    expect(new Set(OPERATOR_SCENES.flatMap(({ fires }) => fires))).to.deep.equal(new Set(watching.alerts));
  });
});
