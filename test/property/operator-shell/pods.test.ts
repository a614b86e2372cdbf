import http from 'node:http';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { countersOf, FAMILIES } from '../../../operator/src/api-metrics.ts';
import { parseExposition, scrapePods } from '../../../operator/src/clients/pods.ts';

async function serve(handle: http.RequestListener): Promise<{ url: string; close: () => Promise<void> }> {
  const server = http.createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}/api/metrics`, close };
}

describe('pod metrics', () => {
  it('keeps the families that were asked for, with labels in any order and escaped values', () => {
    const text = [
      '# HELP a help with {braces} 1',
      'http_requests_total{route="/a b",status="500",method="GET"} 3 1700000000',
      'http_requests_total{status="200",route="quote \\" comma , brace } end"} 4',
      'other_total 9',
      'auth_data_loss_signals_total 2',
    ].join('\n');
    expect(parseExposition(text, FAMILIES)).to.deep.equal([
      { name: 'http_requests_total', labels: { route: '/a b', status: '500', method: 'GET' }, value: 3 },
      { name: 'http_requests_total', labels: { status: '200', route: 'quote " comma , brace } end' }, value: 4 },
      { name: 'auth_data_loss_signals_total', labels: {}, value: 2 },
    ]);
  });

  it('skips a line that makes no sense and never throws on any text', () => {
    expect(
      parseExposition('http_requests_total{ 3\nhttp_requests_total NaN\nhttp_requests_total', FAMILIES),
    ).to.deep.equal([]);
    fc.assert(
      fc.property(fc.string(), (text) => Array.isArray(parseExposition(`http_requests_total${text}`, FAMILIES))),
    );
  });

  it('counts 5xx as server errors and turns bucket bounds into milliseconds', () => {
    const counters = countersOf(
      parseExposition(
        [
          'http_requests_total{status="200"} 10',
          'http_requests_total{status="503"} 2',
          'http_request_duration_seconds_bucket{le="0.3",status_class="2xx"} 7',
          'http_request_duration_seconds_bucket{le="0.3",status_class="5xx"} 1',
          'http_request_duration_seconds_bucket{le="+Inf",status_class="2xx"} 10',
          'auth_db_query_errors_total 1',
          'auth_db_connection_errors_total 2',
        ].join('\n'),
        FAMILIES,
      ),
    );
    expect(counters).to.include({ requests: 12, serverErrors: 2, databaseErrors: 3, logins: 0, dataLoss: 0 });
    expect(counters.fasterThan).to.deep.equal({ '300ms': 8 });
  });

  it('answers within its deadline whatever a pod does, one result a pod in order', async () => {
    const good = await serve((_request, response) => response.end('auth_data_loss_signals_total 1\n'));
    const hanging = await serve(() => undefined);
    const broken = await serve((_request, response) => response.writeHead(500).end('auth_data_loss_signals_total 1\n'));
    const endless = await serve((_request, response) => {
      const more = (): void => {
        while (response.write('x'.repeat(65_536)));
        response.once('drain', more);
      };
      more();
    });
    const servers = [good, hanging, broken, endless];
    const startedAt = performance.now();
    const targets = servers.map(({ url }, index) => ({ pod: `pod-${index}`, url }));
    const scrapes = await scrapePods([...targets, { pod: 'gone', url: 'http://127.0.0.1:1/' }], FAMILIES);
    expect(performance.now() - startedAt).to.be.below(1_000);
    expect(scrapes.map(({ pod, kind }) => `${pod} ${kind}`)).to.deep.equal([
      'pod-0 answered',
      'pod-1 silent',
      'pod-2 silent',
      'pod-3 silent',
      'gone silent',
    ]);
    await Promise.all(servers.map((server) => server.close()));
  });
});
