/** `latchkey monitor`: figures against limits from running processes, their rates across restarts, its picture, its lines and its exit codes. */
import { expect } from 'chai';
import { freePort } from '../../../../api/src/embedded/free-port.ts';
import { Api } from '../../../support/api.ts';
import { runLatchkey, type Said } from '../../../support/command-line.ts';
import { eventually } from '../../../support/eventually.ts';
import { MetricsServer } from '../../../support/metrics-server.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres.ts';

interface FigureSaid {
  readonly id: string;
  readonly value: number | null;
  readonly state: string;
}

const figuresIn = (text: string): ReadonlyMap<string, FigureSaid> => {
  const { figures } = JSON.parse(text) as { readonly figures: readonly FigureSaid[] };
  return new Map(figures.map((figure) => [figure.id, figure]));
};

describe('latchkey monitor', () => {
  let pod: MetricsServer;

  beforeEach(async () => {
    pod = await MetricsServer.start();
    pod.requests(1_000_000, { failed: 500_000 }); // before anybody looked: says nothing
  });
  afterEach(() => pod?.stop());

  const once = (...args: readonly string[]): Promise<Said> =>
    runLatchkey(['monitor', pod.address, '--once', '--interval', '100ms', '-o', 'json', ...args]);
  /** What the process counts between the first look and the second. */
  const meanwhile = (work: () => void): void => {
    let looks = 0;
    pod.beforeAnswer = () => {
      looks += 1;
      if (looks === 2) work();
    };
  };
  const stateOf = async (id: string, work: () => void): Promise<readonly [number, string | undefined]> => {
    meanwhile(work);
    const { code, out } = await once();
    return [code, figuresIn(out).get(id)?.state];
  };

  it('exits 0 while no limit is crossed, and says each figure', async () => {
    meanwhile(() => pod.requests(1_000));
    const { code, out } = await once();
    const figures = figuresIn(out);
    expect(figures.get('error-rate')).to.deep.include({ value: 0, state: 'ok' });
    expect(figures.get('latency-p95')?.value).to.be.closeTo(95, 0.001);
    expect(figures.get('latency-p99')?.value).to.be.closeTo(99, 0.001);
    expect(figures.get('requests')?.value).to.be.above(0);
    expect(code).to.equal(0);
  });

  for (const [title, id, state, work] of [
    ['0.1 % of errors', 'error-rate', 'P3', () => pod.requests(1_000, { failed: 1 })],
    ['0.5 % of errors', 'error-rate', 'P2', () => pod.requests(1_000, { failed: 5 })],
    ['1 % of errors', 'error-rate', 'P1', () => pod.requests(1_000, { failed: 10 })],
    ['5 % of errors, which is not over 5 %', 'error-rate', 'P1', () => pod.requests(1_000, { failed: 50 })],
    ['more than 5 % of errors', 'error-rate', 'P0', () => pod.requests(1_000, { failed: 51 })],
    ['a p95 between 200 and 300 ms', 'latency-p95', 'P3', () => pod.requests(100, { le: 0.3 })],
    ['a p95 between 300 and 500 ms', 'latency-p95', 'P2', () => pod.requests(100, { le: 0.5 })],
    ['a p95 over 500 ms', 'latency-p95', 'P1', () => pod.requests(100, { le: 1 })],
    ['a forgotten session', 'data-loss', 'P0', () => pod.add('auth_data_loss_signals_total', 1)],
    ['three complaints', 'complaints', 'P2', () => pod.add('auth_user_complaints_total', 3)],
    ['five complaints', 'complaints', 'P1', () => pod.add('auth_user_complaints_total', 5)],
    ['a Redis that is away', 'redis', 'P2', () => pod.series.set('auth_redis_up', 0)],
    ['an open breaker', 'breaker', 'P1', () => pod.series.set('auth_db_breaker_state', 2)],
    ['database errors', 'database-errors', 'P1', () => pod.add('auth_db_query_errors_total', 1_000)],
    ['unsealed audit rows', 'audit-unsealed', 'P1', () => pod.series.set('auth_audit_oldest_pending_seconds', 301)],
    ['a mail that was given up, and none sent', 'mails-given-up', 'P1', () => pod.add('auth_email_given_up_total', 1)],
    ['two mails given up beside nineteen sent', 'mails-given-up', 'P1', () => pod.mails({ sent: 19, givenUp: 2 })],
    ['requests refused for their number', 'rate-limited', 'P3', () => pod.add('auth_rate_limit_exceeded_total', 1_000)],
    [
      'refreshes of which one in fifty fails',
      'refresh-success',
      'P2',
      () => {
        pod.add('http_requests_total{route="/api/v1/auth/refresh",status="200"}', 98);
        pod.add('http_requests_total{route="/api/v1/auth/refresh",status="401"}', 2);
      },
    ],
  ] as const) {
    it(`exits 1 on ${title}: ${id} is ${state}`, async () => {
      expect(await stateOf(id, work)).to.deep.equal([1, state]);
    });
  }

  it('lets one mail be given up beside nineteen sent: an address that somebody misspelt', async () => {
    expect(await stateOf('mails-given-up', () => pod.mails({ sent: 19, givenUp: 1 }))).to.deep.equal([0, 'ok']);
  });

  it('leaves severities below --fail-on to others', async () => {
    meanwhile(() => pod.requests(1_000, { failed: 5 }));
    expect((await once('--fail-on', 'P1')).code).to.equal(0);
    meanwhile(() => pod.requests(1_000, { failed: 5 }));
    expect((await once('--fail-on', 'P2')).code).to.equal(1);
  });

  it('says unknown of too little traffic, which is a finding with --strict alone', async () => {
    expect(await stateOf('error-rate', () => pod.requests(19, { failed: 19 }))).to.deep.equal([0, 'unknown']);
    meanwhile(() => pod.requests(19, { failed: 19 }));
    expect((await once('--strict')).code).to.equal(1);
  });

  it('counts a process that began again from 0, even where its counters are higher than they were', async () => {
    const errors = 'http_requests_total{method="GET",route="/api/v1/auth/me",status="503"}';
    meanwhile(() => {
      pod.startedAt += 1;
      pod.series.clear();
      pod.requests(2_000_000, { failed: 600_000 });
    });
    const { out } = await once();
    expect(figuresIn(out).get('error-rate')?.value).to.be.closeTo(30, 0.001);
    expect(pod.series.get(errors)).to.equal(600_000);
  });

  it('adds several processes up, and says which one does not answer', async () => {
    const other = await MetricsServer.start();
    const away = `http://127.0.0.1:${await freePort()}`;
    meanwhile(() => {
      pod.requests(500, { failed: 10 });
      other.requests(500);
    });
    const said = await runLatchkey(
      ['monitor', pod.address, other.address, away, '--interval', '100ms', '--duration', '200ms'],
      { isInteractive: true, columns: 100 },
    );
    await other.stop();
    expect(said.out).to.include(`no answer from ${away}`);
    expect(said.out).to.match(/pods that answer +2 {2}≥ 3 +P3 +of 3/);
    expect(said.out).to.match(/error rate +\S+ +1\.00 % {2}< 1 % +P1 +1000 requests/);
  });

  it('exits 3 with a sentence where nobody answers, and 3 too where something else does', async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    for (const args of [['--once'], ['--interval', '100ms', '--duration', '100ms']]) {
      const { code, err } = await runLatchkey(['monitor', away, ...args]);
      expect([code, err]).to.deep.equal([3, `monitor: nobody answers at ${away}\n`]);
    }
    pod.series.clear();
    pod.startedAt = Number.NaN;
    expect((await runLatchkey(['monitor', away, '--prometheus', away])).code).to.equal(2);
    const asPrometheus = await runLatchkey(['monitor', '--once', '--prometheus', pod.address]);
    expect([asPrometheus.code, asPrometheus.err]).to.deep.equal([
      3,
      'monitor: answers 200, and not as Prometheus does\n',
    ]);
  });

  const GOLDEN = `ADDRESS   P1 is crossed
2026-03-04 12:00:00 UTC   for 0s   figures of 0s

traffic
  pods that answer                         1  ≥ 1          ok       of 1
  requests                            1000/s
  error rate          ██████████      2.00 %  < 1 %        P1       1000 reques…
  latency p50                          50 ms
  latency p95         █████░░░░░       95 ms  ≤ 200 ms     ok
  latency p99                          99 ms

authentication
  login success                            –  ≥ 95 %       unknown  no logins
  login p95                                –  ≤ 500 ms     unknown
  refresh success                          –  ≥ 99 %       unknown  no refreshes
  active sessions                       1247
  sessions run out                         –  ≤ 100/s      unknown
  lockouts                                 –
  rate limited                             –  ≤ 10/s       unknown
  complaints                               –  < 3          unknown
  data-loss signals                        –  ≤ 0          unknown

stores
  database errors                          –  ≤ 10/min     unknown
  database p95                             –  ≤ 100 ms     unknown
  wait for the pool                        –                        0 in use, 0…
  breaker                                  –  < 2          unknown  0 closed, 1…
  redis                                    –                        none is con…

background
  audit unsealed                           –  ≤ 300 s      unknown
  mails given up                           –  ≤ 0          unknown  0 wait, 0 w…
  rollout                                  –
`;

  it('draws a picture that fits into 80 columns', async () => {
    pod.series.set('auth_active_sessions_total', 1247);
    pod.series.set('auth_redis_up', -1);
    meanwhile(() => pod.requests(1_000, { failed: 20 }));
    const { out } = await runLatchkey(['monitor', pod.address, '--once', '--interval', '100ms'], {
      columns: 80,
      nowMs: () => Date.UTC(2026, 2, 4, 12),
    });
    const steady = out
      .replace(pod.address, 'ADDRESS')
      .replace(/ {2}[\d.]+\/s\n/, '  1000/s\n')
      .replace(/ +1000\/s/, '                            1000/s');
    expect(steady).to.equal(GOLDEN);
    expect(Math.max(...out.split('\n').map((line) => line.length))).to.be.at.most(80);
  });

  it('leaves out titles and what has no limit where the terminal is low', async () => {
    meanwhile(() => pod.requests(1_000));
    const said = await runLatchkey(['monitor', pod.address, '--once', '--interval', '100ms'], { rows: 24 });
    expect(said.out.trimEnd().split('\n').length).to.be.below(24);
    expect(said.out).to.include('error rate').and.not.to.include('latency p50');
  });

  it('uses colours where they are wanted alone, and clears the screen for a person alone', async () => {
    const live = ['monitor', pod.address, '--interval', '100ms', '--duration', '200ms'];
    const person = await runLatchkey(live, { isInteractive: true, hasColour: true });
    const plain = await runLatchkey(live, { isInteractive: true, hasColour: false });
    const pipe = await runLatchkey(live);
    expect(person.out).to.include('\u001B[H\u001B[J').and.to.include('\u001B[32m');
    expect(plain.out).to.include('\u001B[H\u001B[J').and.not.to.include('\u001B[3');
    expect(pipe.out).not.to.include('\u001B');
  });

  it('writes a line a turn into a pipe, as text or JSON, and remembers the worst turn to the end', async () => {
    meanwhile(() => pod.requests(1_000, { failed: 60 }));
    const live = ['monitor', pod.address, '--interval', '100ms', '--duration', '500ms', '--window', '100ms'];
    const text = await runLatchkey(live);
    expect(text.code).to.equal(1);
    const lines = text.out.trimEnd().split('\n');
    expect(lines[0]).to.match(/^\S+Z P0 error-rate=6\.00% latency-p95=95ms .* P0:error-rate=6\.00%\(≤5%\)$/);
    expect(lines.at(-1)).to.match(/^\S+Z ok error-rate=– /);
    const json = await runLatchkey([...live, '-o', 'json']);
    for (const line of json.out.trimEnd().split('\n')) expect(JSON.parse(line)).to.have.property('figures');
  });

  it('ends when it is told to, with the code of what it saw', async () => {
    const over = new AbortController();
    const said = await runLatchkey(['monitor', pod.address, '--interval', '100ms'], {
      over: over.signal,
      onWrite: () => over.abort(),
    });
    expect([said.code, said.out.trimEnd().split('\n').length]).to.deep.equal([0, 1]);
  });

  it('refuses what it does not understand with 2', async () => {
    for (const [args, sentence] of [
      [['not an address'], 'not an address is no address such as http://10.0.0.5:3000'],
      [['http://u:secret-Word@h'], 'an address with a password is no address'],
      [['--interval', '0s'], '--interval is a time such as 5s, 30m or 1h'],
      [['--duration', '1d'], '--duration is a time'],
      [['--fail-on', 'P9'], '--fail-on is one of P0, P1, P2, P3'],
    ] as const) {
      const { code, err } = await runLatchkey(['monitor', ...args]);
      expect([code, err.includes(sentence), err.includes('secret-Word')], err).to.deep.equal([2, true, false]);
    }
  });

  describe('of a running API', () => {
    let database: TestDatabase;
    let api: Api;

    before(async () => {
      database = await createTestDatabase();
      api = await Api.start({ databaseUrl: database.url, env: { LOCKOUT_FAILURES: '3' } });
    });
    after(async () => {
      await api?.stop();
      await database?.drop();
    });

    it('sees failed logins, lockouts and sessions, and nothing of them is unknown', async () => {
      const email = await api.register();
      const over = new AbortController();
      const lines: string[] = [];
      let linesAfter = 0;
      let isOver = false;
      const watching = runLatchkey(['monitor', '--interval', '200ms', '-o', 'json', '--fail-on', 'P1'], {
        env: { PORT: String(api.port) },
        over: over.signal,
        onWrite: (line) => {
          lines.push(line);
          linesAfter += isOver ? 1 : 0;
          if (linesAfter === 2) over.abort(); // the second one was asked for after the last request
        },
      });
      await eventually('the first line', 10_000, () => lines.length > 0);
      for (let n = 0; n < 20; n += 1) await api.post('/api/v1/auth/login', { email, password: `Wrong-Password-${n}` });
      await api.newSession();
      isOver = true;
      const { code } = await watching;
      const figures = figuresIn(lines.at(-1) ?? '');
      expect(code).to.equal(1);
      expect(figures.get('login-success')?.state).to.equal('P1');
      expect(figures.get('lockouts')?.value).to.be.at.least(1);
      const unknown = [...figures.values()].filter(({ state }) => state === 'unknown').map(({ id }) => id);
      expect(unknown).to.deep.equal(['refresh-success']);
    });
  });
});
