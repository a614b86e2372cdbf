/**
 * Every alert of the API's chart, as helm renders it, in a real Prometheus that scrapes real APIs: each in an installation to which its cause is
 * done, all of them beside each other, and beside them one that is well.
 *
 * Only with TEST_LONG=1: it takes both cores for a minute, and where they are busy a scrape that comes too late is an alert.
 * Time passes thirty times as fast (test/support/alert-scale.ts): a minute of a window, of a `for`, of the interval or of the age that
 * AuthAuditUnsealed looks at is two seconds here, and Prometheus scrapes twice a second. Rates a second, shares and times to answer are what
 * they are. The API's own times are not shortened: where a rule runs a race with one of them, only the figures of both can tell who wins.
 */
import { expect } from 'chai';
import type { Staged } from '../../support/alert-staging.ts';
import { API_SCENES } from '../../support/api-alert-scenes.ts';
import { WatchingPrometheus } from '../../support/watching-prometheus.ts';

/**
 * Pending for a moment even where all is well: nobody has answered before the first scrape, and on a machine that starts a dozen of servers at
 * once the first answers do take long.
 */
const MAY_BE_PENDING: readonly string[] = ['AuthServiceDown', 'AuthSlowAuthentication', 'AuthDatabaseSlowQueries'];

const suite = process.env['TEST_LONG'] === '1' ? describe : () => undefined;

suite('the alerts of the API, live', function () {
  this.timeout(180_000);
  const staged = new Map<string, Staged>();
  let prometheus: WatchingPrometheus;

  before(async () => {
    // One after the other: a dozen of servers that start at once have each other's first requests time out.
    for (const { name, stage } of API_SCENES) staged.set(name, await stage());
    const pods = [...staged].map(([namespace, { port }]) => ({
      namespace,
      pod: 'auth-api-stable-7d9-x2x',
      address: `127.0.0.1:${port}`,
    }));
    prometheus = await WatchingPrometheus.start({ chart: 'latchkey', metricsPath: '/api/metrics', pods });
    // Longer than the shortest windows and `for` together: an alert that fires without a cause has had time to.
    await prometheus.answers(`count(count_over_time(up[10m]) > 28) == ${API_SCENES.length}`);
  });
  after(async () => {
    await Promise.all([...staged.values()].map(({ stop }) => stop()));
    await prometheus?.stop();
  });

  it('are silent where nothing has happened yet', async () => {
    const seen = await prometheus.seen();
    const loud = seen.filter(
      ({ alertname = '', alertstate }) => alertstate !== 'pending' || !MAY_BE_PENDING.includes(alertname),
    );
    expect(loud).to.deep.equal([]);
  });

  describe('once their causes are there', () => {
    before(() => Promise.all([...staged.values()].map(({ inject }) => inject())));

    for (const { name, cause, fires } of API_SCENES)
      for (const alert of fires)
        it(`${alert} fires when ${cause}`, async () => {
          await prometheus.fires(alert, name);
        });

    it('no other fires, and none in a healthy installation', async () => {
      for (const { name, fires } of API_SCENES)
        expect(await prometheus.fired(name), name).to.deep.equal([...fires].toSorted());
    });
  });

  it('have all been seen', () => {
    expect(new Set(API_SCENES.flatMap(({ fires }) => fires))).to.deep.equal(new Set(prometheus.alerts));
  });
});
