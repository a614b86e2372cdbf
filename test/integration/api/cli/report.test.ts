/** `latchkey report`: a deployment is verified as its users and operators see it; what fails is named with a remedy; secrets stay out. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { freePort } from '../../../../api/src/embedded/free-port.ts';
import { Api, PASSWORD } from '../../../support/api.ts';
import { runLatchkey, type Said } from '../../../support/command-line.ts';
import { MetricsServer } from '../../../support/metrics-server.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres.ts';

const GOLDEN = new URL('./report.golden.md', import.meta.url);

interface StepSaid {
  readonly section: string;
  readonly name: string;
  readonly verdict: string;
  readonly finding: string;
  readonly remedy?: string;
}

const stepsIn = ({ out }: Said): readonly StepSaid[] =>
  (JSON.parse(out) as { readonly steps: readonly StepSaid[] }).steps;
const notOk = (said: Said): readonly string[] =>
  stepsIn(said)
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ verdict, name }) => `${verdict} ${name}`);

describe('latchkey report', () => {
  let database: TestDatabase;
  let api: Api;
  let pod: MetricsServer;
  let email: string;

  before(async () => {
    database = await createTestDatabase();
    pod = await MetricsServer.start();
    api = await Api.start({
      databaseUrl: database.url,
      env: { PUBLIC_URL: 'https://auth.example.com', EXPOSE_VERSION: 'true', APP_VERSION: '1.2.3' },
    });
    email = await api.register();
    // Its figures stand still: how fast this machine is today is not what is tested.
    pod.frozen = (await api.get('/api/metrics')).text;
  });
  after(async () => {
    await pod?.stop();
    await api?.stop();
    await database?.drop();
  });

  const address = (): string => `http://127.0.0.1:${api.port}`;
  const account = () => ({ LATCHKEY_PROBE_EMAIL: email, LATCHKEY_PROBE_PASSWORD: PASSWORD });
  const report = (args: readonly string[] = [], env: Readonly<Record<string, string>> = account()): Promise<Said> =>
    runLatchkey(['report', address(), '--measure', '100ms', '--metrics', pod.address, ...args], {
      env,
      nowMs: () => Date.UTC(2026, 2, 4, 12),
    });

  it('walks the whole way of a user and of a browser, and fails nothing on a healthy deployment, exit 0', async () => {
    const said = await report(['-o', 'json', '--expect-version', '1.2.3']);
    expect(said.code, said.out).to.equal(0);
    expect(notOk(said)).to.deep.equal(['warn transport', 'skipped doctor']);
    const names = stepsIn(said).map(({ name }) => name);
    expect(names).to.include.members(['ready', 'version', 'login', 'me', 'refresh', 'logout', 'cookies', 'metrics']);
    expect(names).to.include.members(['me after the logout is refused', 'no CSRF token, no effect', 'limits']);
    expect(JSON.parse(said.out)).to.deep.include({ status: 'passed with warnings', version: '1.2.3' });
  });

  it('leaves no session behind', async () => {
    await report();
    const [row] = await database.query("SELECT count(*)::int AS n FROM auth.user_sessions WHERE status = 'active'");
    expect(row).to.deep.equal({ n: 0 });
  });

  it('writes every part of the report, and leaves to people what only they know', async () => {
    const { out } = await report(['--began', '2026-03-04T09:45:00Z', '--expect-version', '1.2.4']);
    const steady = out
      .replaceAll(address(), 'ADDRESS')
      .replaceAll(/in \d+ ms/g, 'in N ms')
      .replaceAll(/Over \d+ s/g, 'Over N s')
      .replace(/(audit unsealed \| )[\d.]+ s/, '$1N s');
    if (process.env['GOLDEN'] === 'write') writeFileSync(GOLDEN, steady);
    expect(steady).to.equal(readFileSync(GOLDEN, 'utf8'));
  });

  for (const [title, args, env, verdict] of [
    ['another version', ['--expect-version', '9.9.9'], {}, 'fail version'],
    ['a test account that cannot log in', [], { LATCHKEY_PROBE_PASSWORD: 'Wrong-Password-1' }, 'fail login'],
    [
      'no test account',
      [],
      { LATCHKEY_PROBE_EMAIL: '', LATCHKEY_PROBE_PASSWORD: '' },
      'skipped login, me, refresh, logout',
    ],
  ] as const) {
    it(`says ${title}`, async () => {
      const said = await report(['-o', 'json', ...args], { ...account(), ...env });
      expect(notOk(said)).to.include(verdict);
      expect(said.code).to.equal(verdict.startsWith('fail') ? 1 : 0);
      for (const { verdict: each, remedy = '' } of stepsIn(said))
        expect(remedy !== '').to.equal(each === 'fail' || each === 'warn');
    });
  }

  it('says what a proxy before the service takes away: headers, and what keeps cookies safe', async () => {
    const proxy = createServer((request, response) => {
      const options = { port: api.port, method: request.method, path: request.url, headers: request.headers };
      const onward = httpRequest({ host: '127.0.0.1', ...options }, (answer) => {
        const headers = { ...answer.headers };
        delete headers['strict-transport-security'];
        if (headers['set-cookie'] !== undefined)
          headers['set-cookie'] = headers['set-cookie'].map((text) => text.replace(/; (Secure|HttpOnly)/g, ''));
        response.writeHead(answer.statusCode ?? 502, headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const args = ['report', `http://127.0.0.1:${port}`, '--measure', '100ms', '-o', 'json', '--metrics', pod.address];
    const said = await runLatchkey(args, { env: account() });
    proxy.close();
    proxy.closeAllConnections();
    expect(notOk(said)).to.include.members(['fail strict transport security', 'fail cookies']);
    expect(stepsIn(said).find(({ name }) => name === 'cookies')?.finding)
      .to.include('__Host-latchkey is not Secure and SameSite=Strict')
      .and.to.include('__Host-latchkey can be read by scripts');
    expect(said.code).to.equal(1);
  });

  it('fails on limits that are crossed, and on metrics that are missing', async () => {
    const sick = await MetricsServer.start();
    let looks = 0;
    sick.beforeAnswer = () => {
      looks += 1;
      if (looks > 1) sick.requests(1_000, { failed: 60 });
    };
    const said = await report(['-o', 'json', '--metrics', sick.address]);
    await sick.stop();
    expect(said.code).to.equal(1);
    expect(notOk(said)).to.include.members(['fail error rate', 'fail metrics']);
  });

  it('takes the findings of doctor in where it has the service’s environment', async () => {
    const said = await report(['-o', 'json'], { ...account(), DATABASE_URL: database.url, APP_ENV: 'development' });
    const doctor = stepsIn(said).filter(({ section }) => section.startsWith('Installation'));
    expect(doctor.map(({ name }) => name)).to.include.members(['database', 'migrations', 'row-level-security']);
    expect(doctor.filter(({ verdict }) => verdict === 'fail').map(({ name }) => name)).to.include('configuration');
    expect(said.code).to.equal(1);
  });

  it('shows neither the password nor a token, and takes the account from standard input', async () => {
    const input = JSON.stringify({ email, password: PASSWORD });
    const args = ['report', address(), '--measure', '100ms', '--metrics', pod.address, '--credentials-stdin'];
    for (const format of ['markdown', 'json']) {
      const { out, err } = await runLatchkey([...args, '-o', format], { input });
      expect(out).to.include('logout');
      for (const secret of [PASSWORD, email, 'eyJ', 'lkr1.']) expect(out + err).not.to.include(secret);
    }
    const bad = await runLatchkey(args, { input: '{"email": "x", "passwort": "a-Secret"}' });
    expect([bad.code, bad.err.includes('a-Secret')]).to.deep.equal([2, false]);
  });

  it('exits 3 where nobody answers and 2 where it is not understood', async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    const said = await runLatchkey(['report', away]);
    expect([said.code, said.err]).to.deep.equal([
      3,
      `report: ${away} does not answer /api/health/live (ECONNREFUSED)\n`,
    ]);
    for (const args of [[], ['ftp://x'], [away, 'b'], [away, '--began', 'noon'], [away, '--pods', '0']])
      expect((await runLatchkey(['report', ...args])).code, args.join(' ')).to.equal(2);
  });
});
