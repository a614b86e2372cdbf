/** `latchkey monitor --prometheus`: what Prometheus makes of the service's metrics is what the figures are made of. */
import { expect } from 'chai';
import { runLatchkey } from '../../support/command-line.ts';
import { PastPrometheus } from '../../support/prometheus.ts';

const SCRAPE_MS = 15_000;
const POD = 'job="auth-api",pod="one"';

interface FigureSaid {
  readonly id: string;
  readonly value: number | null;
  readonly state: string;
}

describe('latchkey monitor with Prometheus', function () {
  this.timeout(120_000);
  let prometheus: PastPrometheus;

  before(async () => {
    const nowMs = Math.floor(Date.now() / SCRAPE_MS) * SCRAPE_MS;
    const times = Array.from({ length: 41 }, (_, i) => nowMs - (40 - i) * SCRAPE_MS);
    const growing = (series: string, each: number) => ({
      series,
      samples: times.map((atMs, i) => ({ atMs, value: i * each })),
    });
    prometheus = await PastPrometheus.start([
      growing(`http_requests_total{${POD},route="/api/v1/auth/me",status="200"}`, 97),
      growing(`http_requests_total{${POD},route="/api/v1/auth/me",status="500"}`, 3),
      ...['0.1', '0.2', '0.3', '+Inf'].map((le) =>
        growing(`http_request_duration_seconds_bucket{${POD},le="${le}"}`, le === '0.1' ? 0 : 100),
      ),
      growing(`process_start_time_seconds{${POD}}`, 0),
      growing(`auth_redis_up{${POD}}`, 0),
    ]);
  });
  after(() => prometheus?.stop());

  it('reads shares, quantiles and gauges of its window, and crosses the same limits', async () => {
    const { code, out, err } = await runLatchkey([
      'monitor',
      '--once',
      '--prometheus',
      prometheus.address,
      '-o',
      'json',
    ]);
    expect(code, err).to.equal(1);
    const { figures } = JSON.parse(out) as { readonly figures: readonly FigureSaid[] };
    const found = new Map(figures.map((figure) => [figure.id, figure]));
    expect(found.get('error-rate')?.value).to.be.closeTo(3, 0.01);
    expect(found.get('error-rate')?.state).to.equal('P1');
    expect(found.get('latency-p95')?.value).to.be.closeTo(195, 0.5);
    expect(found.get('redis')?.state).to.equal('P2');
    expect(found.get('service')?.value).to.equal(1);
  });

  it('says that nobody can be asked where the selector fits nothing, exit 3', async () => {
    const args = ['monitor', '--once', '--prometheus', prometheus.address, '--selector', 'job="nobody"'];
    const { code, err } = await runLatchkey(args);
    expect([code, err]).to.deep.equal([3, 'monitor: Prometheus has no metrics of this service with {job="nobody"}\n']);
  });

  it('says in Prometheus’ own words what is wrong with a selector', async () => {
    const { code, err } = await runLatchkey([
      'monitor',
      '--once',
      '--prometheus',
      prometheus.address,
      '--selector',
      '{{',
    ]);
    expect([code, err.includes('parse error')], err).to.deep.equal([3, true]);
  });
});
