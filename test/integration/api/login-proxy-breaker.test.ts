/** An auth service that is in trouble is left alone, found again, and explained to whoever operates this. */
import { expect } from 'chai';
import { eventually } from '../../support/eventually.ts';
import { type ProxyOptions, SERVICE_SECRET, startProxy, type TestProxy } from '../../support/login-proxy.ts';
import { answers, type Behaviour, MisbehavingUpstream } from '../../support/misbehaving-upstream.ts';

const ok = answers();
const says = (status: string): Behaviour => answers('{}', status);
const hangsUp: Behaviour = (socket) => void socket.destroy();

const LOGIN = { method: 'POST', path: '/api/auth/login', body: '{}' };
const times = <T>(count: number, work: () => Promise<T>): Promise<readonly T[]> =>
  Promise.all(Array.from({ length: count }, work));

describe('the breaker of the login proxy', function () {
  this.timeout(30_000);
  let upstream: MisbehavingUpstream;
  let proxy: TestProxy | undefined;

  beforeEach(async () => {
    upstream = await MisbehavingUpstream.start(ok);
  });
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
    await upstream.close();
  });
  const start = async (options: Partial<ProxyOptions> = {}): Promise<TestProxy> => {
    proxy = await startProxy({ upstreamUrl: `http://127.0.0.1:${upstream.port}`, ...options });
    return proxy;
  };
  const state = (own: TestProxy): Promise<number> => own.metric('auth_upstream_breaker_state');

  it('opens when it does not answer, refuses at once without asking, and closes as soon as it answers again', async () => {
    upstream.behave = hangsUp;
    const own = await start();
    await times(12, () => own.send(LOGIN));
    expect(await state(own)).to.equal(2);
    const refused = () => own.metric('auth_upstream_requests_total', 'category="breaker-open"');
    const [asked, refusedBefore] = [await own.metric('auth_upstream_attempts_total'), await refused()];
    const refusals = await times(30, () => own.send(LOGIN));
    expect(new Set(refusals.map(({ status, body }) => `${status} ${String(body['code'])}`))).to.deep.equal(
      new Set(['503 upstream-unavailable']),
    );
    expect(refusals.map(({ headers }) => headers['retry-after'])).to.include('5');
    expect(await own.metric('auth_upstream_attempts_total')).to.equal(asked);
    expect((await refused()) - refusedBefore).to.equal(30);
    upstream.behave = ok;
    await eventually('it is asked again', 5_000, async () => (await own.send(LOGIN)).status === 200);
    expect(await state(own)).to.equal(0);
  });

  it('stays open while it takes requests and says nothing, though it says that it is well', async () => {
    upstream.behave = (socket, request) => {
      if (request.startsWith('GET /api/health')) ok(socket, request);
    };
    const own = await start({ env: { AUTH_UPSTREAM_READ_TIMEOUT_MS: '400' } });
    const stop = own.proxy.start();
    await times(12, () => own.send(LOGIN));
    await eventually('its health was asked', 5_000, () => own.proxy.preflight.last().category === 'answered');
    expect(await state(own)).to.equal(2);
    expect(await own.metric('auth_upstream_up'), 'open is not up, whatever its health says').to.equal(0);
    expect((await own.send(LOGIN)).body['code']).to.equal('upstream-unavailable');
    stop();
  });

  for (const status of [
    '500 Internal Server Error',
    '503 Service Unavailable',
    '429 Too Many Requests',
    '403 Forbidden',
  ])
    it(`stays closed while it answers ${status}: one request that causes it must not shut out everybody`, async () => {
      upstream.behave = says(status);
      const own = await start();
      await times(30, () => own.send(LOGIN));
      expect(await state(own)).to.equal(0);
      expect(upstream.heard).to.have.length(30);
    });

  it('ends the attempts of a request: nothing is asked that is known to be away', async () => {
    upstream.behave = hangsUp;
    const own = await start({ appEnv: 'staging' });
    await times(30, () => own.send({ path: '/api/auth/me' }));
    expect(await own.metric('auth_upstream_attempts_total')).to.be.below(60);
  });
});

describe('the pre-flight of the login proxy', function () {
  this.timeout(30_000);
  let upstream: MisbehavingUpstream;
  let proxy: TestProxy;

  beforeEach(async () => {
    upstream = await MisbehavingUpstream.start(ok);
    proxy = await startProxy({ upstreamUrl: `http://127.0.0.1:${upstream.port}/api/v1/auth` });
  });
  afterEach(async () => {
    await proxy.close();
    await upstream.close();
  });
  const lines = (): readonly Readonly<Record<string, unknown>>[] =>
    proxy.logged.map((line) => JSON.parse(line) as Record<string, unknown>);

  it('knows nothing before it has asked, and says so', async () => {
    expect(await proxy.metric('auth_upstream_up')).to.equal(-1);
    expect(proxy.proxy.diagnose()).to.deep.include({ status: 'ok' });
    expect(proxy.proxy.diagnose().detail['preflight']).to.include({ category: 'unknown' });
  });

  it('asks for the health with the credentials of this service, and shares the answer with whoever asks meanwhile', async () => {
    expect(new Set(await times(10, () => proxy.proxy.preflight.check()))).to.deep.equal(new Set(['answered']));
    expect(upstream.healthHeard).to.have.length(1);
    expect(upstream.healthHeard[0])
      .to.match(/^GET \/api\/health\/ready HTTP/)
      .and.to.include(`x-service-secret: ${SERVICE_SECRET}`);
    expect(await proxy.metric('auth_upstream_up')).to.equal(1);
  });

  it('says what is wrong once a change, with what to look at, and that it is over', async () => {
    upstream.behave = says('403 Forbidden');
    for (let i = 0; i < 3; i += 1) expect(await proxy.proxy.preflight.check()).to.equal('service-refused');
    upstream.behave = says('404 Not Found');
    await proxy.proxy.preflight.check();
    upstream.behave = ok;
    await proxy.proxy.preflight.check();
    expect(lines().map(({ msg, category }) => `${String(category)}: ${String(msg)}`)).to.deep.equal([
      'service-refused: the auth service does not answer as it should',
      'misconfigured: the auth service does not answer as it should',
      'answered: the auth service answers again',
    ]);
    expect(lines()[0]?.['suggestions']).to.be.an('array').that.is.not.empty;
    expect(proxy.logged.join('')).not.to.include(SERVICE_SECRET);
  });

  it('shows to whoever may know it where it asked, what came of it and what to look at, and no secret', async () => {
    upstream.behave = says('403 Forbidden');
    await proxy.proxy.preflight.check();
    const { status, detail } = proxy.proxy.diagnose();
    expect(status).to.equal('degraded');
    expect(detail).to.include({
      url: `http://127.0.0.1:${upstream.port}/api/v1/auth`,
      serviceId: 'latchkey-proxy',
      breaker: 'closed',
    });
    expect(detail['preflight']).to.include({ path: '/api/health/ready', category: 'service-refused' });
    expect(detail['suggestions']).to.be.an('array').that.is.not.empty;
    expect(JSON.stringify(detail)).not.to.include(SERVICE_SECRET);
  });
});
