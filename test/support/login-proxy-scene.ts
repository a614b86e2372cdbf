/** A login proxy before a server that does what the test says, for the whole of a describe. Called by the login proxy's tests. */
import { type ProxyOptions, startProxy, type TestProxy } from './login-proxy.ts';
import { answers, MisbehavingUpstream } from './misbehaving-upstream.ts';

export const BASE = '/api/v1/auth';

/** Registers set-up, a clean slate before each test, and the end in the calling describe. */
export const useLoginProxy = () => {
  let started: MisbehavingUpstream | undefined;
  let shared: TestProxy | undefined;
  const upstream = (): MisbehavingUpstream => {
    if (started === undefined) throw new Error('The server behind the proxy is there only inside tests.');
    return started;
  };
  const proxy = (): TestProxy => {
    if (shared === undefined) throw new Error('The proxy is there only inside tests.');
    return shared;
  };
  const start = (options: Partial<ProxyOptions> = {}): Promise<TestProxy> =>
    startProxy({ upstreamUrl: `http://127.0.0.1:${upstream().port}${BASE}`, ...options });

  before(async () => {
    started = await MisbehavingUpstream.start(answers());
    shared = await start();
  });
  beforeEach(() => {
    upstream().behave = answers();
    upstream().heard.length = 0;
    upstream().connections = 0;
  });
  after(async () => {
    await shared?.close();
    await started?.close();
  });

  const withProxy = async (options: Partial<ProxyOptions>, use: (own: TestProxy) => Promise<void>): Promise<void> => {
    const own = await start(options);
    try {
      await use(own);
    } finally {
      await own.close();
    }
  };
  return { upstream, proxy, withProxy };
};
