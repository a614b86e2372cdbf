import http from 'node:http';
import { expect } from 'chai';
import { stepQueries } from '../../../operator/src/api-metrics.ts';
import { askPrometheus } from '../../../operator/src/clients/prometheus.ts';

const CASES: readonly { answer: string; status?: number; expected: object }[] = [
  { answer: vector([[1, '0.25']]), expected: { kind: 'value', value: 0.25 } },
  {
    answer: JSON.stringify({ status: 'success', data: { resultType: 'scalar', result: [1, '7'] } }),
    expected: { kind: 'value', value: 7 },
  },
  { answer: vector([]), expected: { kind: 'unknown', why: 'NoData' } },
  { answer: vector([[1, 'NaN']]), expected: { kind: 'unknown', why: 'NotANumber' } },
  { answer: vector([[1, '+Inf']]), expected: { kind: 'unknown', why: 'NotANumber' } },
  {
    answer: vector([
      [1, '1'],
      [1, '2'],
    ]),
    expected: { kind: 'unknown', why: 'SeveralSeries' },
  },
  { answer: '<html>', expected: { kind: 'unknown', why: 'PrometheusError' } },
  { answer: '{}', status: 503, expected: { kind: 'unknown', why: 'PrometheusError' } },
  {
    answer: JSON.stringify({ status: 'error', error: 'bad query' }),
    expected: { kind: 'unknown', why: 'PrometheusError' },
  },
  { answer: 'x'.repeat(100_000), expected: { kind: 'unknown', why: 'PrometheusError' } },
];

function vector(values: readonly (readonly [number, string])[]): string {
  return JSON.stringify({
    status: 'success',
    data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value })) },
  });
}

describe('prometheus', () => {
  let server: http.Server;
  let address = '';
  let answer = '';
  let status = 200;
  let isHanging = false;

  before(async () => {
    server = http.createServer((_request, response) => {
      if (!isHanging) response.writeHead(status).end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = server.address();
    address = `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  afterEach(() => {
    isHanging = false;
    status = 200;
  });

  for (const one of CASES) {
    it(`makes ${JSON.stringify(one.expected)} of ${one.status ?? 200} ${one.answer.slice(0, 90)}`, async () => {
      answer = one.answer;
      status = one.status ?? 200;
      expect(await askPrometheus({ address, query: 'up', deadlineMs: 2_000 })).to.deep.equal(one.expected);
    });
  }

  it('calls silence a timeout and a closed port unreachable', async () => {
    isHanging = true;
    expect(await askPrometheus({ address, query: 'up', deadlineMs: 30 })).to.deep.equal({
      kind: 'unknown',
      why: 'Timeout',
    });
    const nobody = { address: 'http://127.0.0.1:1', query: 'up', deadlineMs: 2_000 };
    expect(await askPrometheus(nobody)).to.deep.equal({ kind: 'unknown', why: 'PrometheusUnreachable' });
  });

  it('lets the caller abort a question that hangs', async () => {
    isHanging = true;
    const abort = new AbortController();
    const asked = askPrometheus({ address, query: 'up', deadlineMs: 60_000, signal: abort.signal });
    abort.abort();
    expect(await asked.catch((error: unknown) => error)).to.be.instanceOf(Error);
  });

  it('escapes what it puts into a query and matches only the pods of the one Deployment', () => {
    const windows = { windowMs: 60_000, databaseWindowMs: 60_000, complaintsWindowMs: 300_000 };
    const { logins, slowerThan } = stepQueries(
      { namespace: 'a"b\\c', deployment: 'auth.api', replicaSets: [] },
      windows,
    );
    expect(logins).to.equal(
      'sum(increase(auth_login_attempts_total{namespace="a\\"b\\\\c",pod=~"auth\\\\.api-[^-]+-[^-]+"}[60000ms]))',
    );
    expect(slowerThan(1_000)).to.contain('le=~"1([.]0)?"');
    expect(slowerThan(500)).to.contain('le=~"0[.]5"');
  });

  it('asks about the pods of the living ReplicaSets alone, where they are known', () => {
    const windows = { windowMs: 60_000, databaseWindowMs: 60_000, complaintsWindowMs: 300_000 };
    const replicaSets = ['auth.api-7d', 'auth.api-8e'];
    const { complaints, dataLoss } = stepQueries({ namespace: 'auth', deployment: 'auth.api', replicaSets }, windows);
    const pods = 'pod=~"(auth\\\\.api-7d|auth\\\\.api-8e)-[^-]+"';
    expect(complaints).to.contain(pods);
    expect(dataLoss).to.contain(pods);
  });

  it('counts a canary that nobody asked yet as quiet: what has no series is 0 while the pod is seen', () => {
    const windows = { windowMs: 60_000, databaseWindowMs: 60_000, complaintsWindowMs: 300_000 };
    const queries = stepQueries({ namespace: 'auth', deployment: 'auth-api', replicaSets: [] }, windows);
    const seen = ` or (0 * ${queries.logins})`;
    for (const query of [queries.requests, queries.serverErrors, queries.slowerThan(500)])
      expect(query.endsWith(seen), query).to.equal(true);
  });
});
