/** The application's requests: what is sent again and what never, how they end, and who sees what. */
import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { createClient, LatchkeyError } from '../../../../api/client/src/client.ts';
import {
  BASE,
  createScene,
  gatewayPage,
  pass,
  refusal,
  settled,
  signedInScene,
} from '../../../support/client-scene.ts';

const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
    return 'done';
  } catch (error) {
    return error instanceof LatchkeyError ? error.code : error;
  }
};
const THINGS = '/api/v1/auth/things';

describe('a request of the application', () => {
  for (const [method, isRepeatable, tries] of [
    ['GET', undefined, 4],
    ['HEAD', undefined, 4],
    ['POST', undefined, 1],
    ['PUT', undefined, 1],
    ['DELETE', undefined, 1],
    ['GET', false, 1],
    ['PUT', true, 4],
  ] as const) {
    const word = isRepeatable === undefined ? '' : ` that is ${isRepeatable ? '' : 'not '}repeatable`;
    it(`by ${method}${word} is sent ${tries} times at most`, async () => {
      for (const isLost of [true, false]) {
        const { client, clock, server } = await signedInScene();
        server.script.set('/things', () => (isLost ? Promise.reject(new TypeError('reset')) : gatewayPage(503)));
        const sent = client.fetch(THINGS, { method, ...(isRepeatable !== undefined && { isRepeatable }) });
        const ended = sent.then(
          ({ status }) => status,
          (error: LatchkeyError) => error.code,
        );
        for (let i = 0; i < 5; i += 1) await pass(clock, 800);
        expect(await ended).to.equal(isLost ? 'network-failed' : 503);
        expect(server.asked).to.have.length(tries);
      }
    });
  }

  it('comes back when the server says, and gives up at once when that is too late', async () => {
    const { client, clock, server } = await signedInScene();
    const answers = [gatewayPage(503, { 'retry-after': '7' })];
    server.script.set('/things', () => answers.shift() ?? Response.json({}));
    const sent = client.fetch(THINGS);
    await settled();
    await pass(clock, 6_999);
    expect(server.asked).to.have.length(1);
    await pass(clock, 300);
    expect((await sent).status).to.equal(200);
    answers.push(gatewayPage(429, { 'retry-after': '60' }));
    expect((await client.fetch(THINGS)).status).to.equal(429);
  });

  it('is sent with its body again', async () => {
    const { client, clock, server } = await signedInScene();
    const bodies: string[] = [];
    server.script.set('/things', async (request) => {
      bodies.push(await request.text());
      return bodies.length === 1 ? gatewayPage(503) : Response.json({});
    });
    const sent = client.fetch(new Request(`${BASE}${THINGS}`, { method: 'PUT', body: 'thing' }), {
      isRepeatable: true,
    });
    await settled();
    await pass(clock, 200);
    expect((await sent).status).to.equal(200);
    expect(bodies).to.deep.equal(['thing', 'thing']);
  });

  it('ends with its deadline, its retries included', async () => {
    const { client, clock, server } = await signedInScene({ deadlineMs: 10_000 });
    server.script.set('/things', () => new Promise(() => undefined));
    const sent = codeOf(client.fetch(THINGS));
    const quick = codeOf(client.fetch(THINGS, { deadlineMs: 500 }));
    await settled();
    await pass(clock, 500);
    expect(await quick).to.equal('deadline-exceeded');
    await pass(clock, 9_500);
    expect(await sent).to.equal('deadline-exceeded');
  });

  it("ends with the caller's signal and its reason, of a Request too", async () => {
    const { client, server } = await signedInScene();
    server.script.set('/things', () => new Promise(() => undefined));
    const [one, two] = [new AbortController(), new AbortController()];
    const sent = [
      codeOf(client.fetch(THINGS, { signal: one.signal })),
      codeOf(client.fetch(new Request(`${BASE}${THINGS}`, { signal: two.signal }))),
    ];
    await settled();
    one.abort('one');
    two.abort('two');
    expect(await Promise.all(sent)).to.deep.equal(['one', 'two']);
    expect(await codeOf(client.me({ signal: AbortSignal.abort('before') }))).to.equal('before');
  });

  it('leaves no timer and no listener behind when its answer has been read', async () => {
    const { client, clock } = await signedInScene();
    const { signal } = new AbortController();
    await client.me({ signal });
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
    await client.validate();
    expect(clock.waits).to.deep.equal([]);
  });

  it('takes the token to the API and to the origins that were named, and nowhere else', async () => {
    const { client, server } = await signedInScene({ origins: ['https://orders.example.com'] });
    server.script.set('/api/orders', () => Response.json({}));
    await client.fetch('https://orders.example.com/api/orders');
    expect(server.asked).to.deep.equal(['GET /api/orders access-0']);
    for (const foreign of [
      'https://evil.example/',
      'http://auth.example.com/',
      'https://auth.example.com.evil.example/',
    ])
      expect(await codeOf(client.fetch(foreign)), foreign).to.equal('address-foreign');
    const away = client.use({ request: () => new Request('https://evil.example/') });
    expect(await codeOf(client.fetch(THINGS))).to.equal('address-foreign');
    away();
    expect(server.asked).to.have.length(1);
  });

  it('does not follow a redirect with what it would take along', async () => {
    const { client, server } = await signedInScene();
    const redirects: string[] = [];
    server.script.set('/things', (request) => {
      redirects.push(request.redirect);
      return Response.json({});
    });
    await client.fetch(THINGS);
    await client.fetch(THINGS, { method: 'POST' });
    await client.fetch(THINGS, { method: 'POST', redirect: 'follow' });
    expect(redirects).to.deep.equal(['follow', 'error', 'follow']);
  });

  it('is refused before it is sent where there is no session', async () => {
    const { client, server } = createScene();
    expect(await codeOf(client.me())).to.equal('signed-out');
    expect(await codeOf(client.accessToken())).to.equal('signed-out');
    expect(server.asked).to.deep.equal([]);
    expect(await client.session()).to.deep.equal({ state: 'unknown' });
  });
});

describe('an interceptor', () => {
  it('sees each try without the token, may add to it, and may answer in its place', async () => {
    const { client, server } = await signedInScene();
    const seen: (string | null)[] = [];
    const away = client.use({
      request: (request) => {
        seen.push(request.headers.get('authorization'));
        request.headers.set('x-request-id', 'trace-me-12345');
      },
      response: (response, request) => {
        seen.push(`${response.status} ${request.headers.get('authorization')}`);
        return Response.json({ replaced: true });
      },
    });
    let id: string | null = null;
    server.script.set('/things', (request) => {
      id = request.headers.get('x-request-id');
      return Response.json({});
    });
    expect(await (await client.fetch(THINGS)).json()).to.deep.equal({ replaced: true });
    expect([id, ...seen]).to.deep.equal(['trace-me-12345', null, '200 null']);
    away();
    await client.fetch(THINGS);
    expect(seen).to.have.length(2);
  });

  it('never sees a login, a refresh or a logout', async () => {
    const { client } = createScene();
    const seen: string[] = [];
    client.use({ request: ({ url }) => void seen.push(url) });
    await client.login({ email: 'ada@example.com', password: 'p' });
    await client.refresh();
    await client.logout();
    expect(seen).to.deep.equal([]);
  });
});

describe('the other calls', () => {
  it('give a token that is good now, and take a session that another answer began', async () => {
    const { client, server } = await signedInScene();
    expect(await client.accessToken()).to.equal('access-0');
    await client.adopt({ tokenType: 'Bearer', accessToken: 'a', refreshToken: 'r', expiresIn: 900, sessionId: 'next' });
    expect(await client.accessToken()).to.equal('a');
    expect(await client.session()).to.deep.equal({ state: 'signed-in', sessionId: 'next' });
    expect(await codeOf(client.adopt({ hello: 'world' }))).to.equal('answer-unreadable');
    expect(server.asked).to.deep.equal([]);
  });

  it("reject with the server's refusal, and with answer-unreadable for what is none of its answers", async () => {
    const { client, server } = await signedInScene();
    server.script.set('/me', () => refusal(403, 'permission-missing', { requestId: 'r' }));
    expect(await codeOf(client.me())).to.equal('permission-missing');
    server.script.set('/me', () => Response.json({ hello: 'world' }));
    expect(await codeOf(client.me())).to.equal('answer-unreadable');
    server.script.set('/login', () => Response.json({ hello: 'world' }));
    expect(await codeOf(client.login({ email: 'a', password: 'b' }))).to.equal('answer-unreadable');
  });

  it('send a wrong password once', async () => {
    const { client, server } = createScene();
    server.script.set('/login', () => gatewayPage(503));
    expect(await codeOf(client.login({ email: 'a', password: 'b' }))).to.equal('answer-unreadable');
    server.script.set('/login', () => Promise.reject(new TypeError('reset')));
    expect(await codeOf(client.login({ email: 'a', password: 'b' }))).to.equal('network-failed');
    expect(server.asked).to.have.length(2);
  });

  it('do not hear of other tabs after close', async () => {
    const { client, tab } = await signedInScene();
    const other = tab();
    const heard: string[] = [];
    other.on('signed-out', () => heard.push('signed-out'));
    other.close();
    await client.logout();
    await settled();
    expect(heard).to.deep.equal([]);
  });

  it('say what is wrong with their options', () => {
    expect(() => createClient({ baseUrl: 'auth.example.com' })).to.throw(TypeError, 'https://auth.example.com');
    expect(() => createClient({ baseUrl: 'ftp://auth.example.com' })).to.throw(TypeError);
    expect(() => createClient({ baseUrl: BASE, credentials: 'cookies' })).to.throw(TypeError, 'no page');
  });

  it('keep the path under which a gateway has the API', async () => {
    const scene = createScene({ baseUrl: `${BASE}/gateway/` });
    const urls: string[] = [];
    const client = scene.tab({
      fetch: (request) => {
        urls.push(request.url);
        return scene.server.fetch(request);
      },
    });
    await codeOf(client.login({ email: 'a', password: 'b' }));
    expect(urls).to.deep.equal([`${BASE}/gateway/api/v1/auth/login`]);
  });
});
