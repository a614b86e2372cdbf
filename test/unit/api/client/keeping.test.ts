/** How the client keeps a session: one refresh, ahead of expiry, and an end only by the server's definite answer or the user's own. */
import { expect } from 'chai';
import { type Lock, queueLock } from '../../../../api/client/src/client.ts';
import {
  gatewayPage,
  heardBy,
  LIFE_MS,
  outcome,
  pairOf,
  pass,
  refusal,
  settled,
  signedInScene,
} from '../../../support/client-scene.ts';

const MINUTE = 60_000;

describe('a session that the client keeps', () => {
  it('goes on with the same token while it is fresh', async () => {
    const { client, clock, server } = await signedInScene();
    await pass(clock, 11 * MINUTE);
    await client.me();
    expect(server.asked).to.deep.equal(['GET /me access-0']);
  });

  it('gets its next token ahead of expiry, and nobody waits for it', async () => {
    const { client, clock, server } = await signedInScene();
    await pass(clock, 13 * MINUTE);
    const { promise, resolve } = Promise.withResolvers<Response>();
    server.script.set('/refresh', () => promise);
    await client.me();
    expect(server.asked).to.have.members(['POST /refresh refresh-0', 'GET /me access-0']);
    resolve(server.rotate());
    await settled();
    await client.me();
    expect(server.asked.at(-1)).to.equal('GET /me access-1');
  });

  it('asleep for a day is refreshed before the first request, by one refresh for all', async () => {
    const queue = queueLock();
    let turns = 0;
    const lock: Lock = {
      exclusively: (work, signal) => {
        turns += 1;
        return queue.exclusively(work, signal);
      },
    };
    const { client, clock, server } = await signedInScene({ lock });
    turns = 0;
    await pass(clock, 24 * 60 * MINUTE - 1);
    await Promise.all(Array.from({ length: 20 }, () => client.me()));
    expect(server.asked.filter((each) => each.includes('/refresh'))).to.deep.equal(['POST /refresh refresh-0']);
    expect(new Set(server.asked.slice(1))).to.deep.equal(new Set(['GET /me access-1']));
    expect(turns, 'and one turn').to.equal(1);
  });

  it('whose clock was set back is refreshed, since nobody knows how old its token is', async () => {
    const { clock, server, tab } = await signedInScene();
    const past = { now: () => clock.now() - 365 * 24 * 60 * MINUTE, after: clock.after };
    await tab({ clock: past }).me();
    await settled();
    expect(server.rotations).to.equal(1);
  });

  it('whose token is refused early is refreshed once for all, and each request is sent once more', async () => {
    const { client, server } = await signedInScene();
    server.rotations = 1; // the server knows only the next token by now
    server.script.set('/refresh', () => Response.json(pairOf(1)));
    const post = client.fetch('/api/v1/auth/things', { method: 'POST', body: 'thing' });
    expect((await post).status).to.equal(200);
    await Promise.all([client.me(), client.validate()]);
    expect(server.asked).to.deep.equal([
      'POST /things access-0',
      'POST /refresh refresh-0',
      'POST /things access-1',
      'GET /me access-1',
      'GET /validate access-1',
    ]);
  });

  it('is not refreshed again and again for a request that stays refused', async () => {
    const { client, server } = await signedInScene();
    server.script.set('/things', () => refusal(401, 'access-token-invalid'));
    expect((await client.fetch('/api/v1/auth/things')).status).to.equal(401);
    expect(server.rotations).to.equal(1);
  });

  it('is not refreshed for refusals that are about something else', async () => {
    const { client, server } = await signedInScene();
    for (const code of ['recent-login-needed', 'mfa-code-wrong', 'invalid-credentials']) {
      server.script.set('/things', () => refusal(401, code));
      expect((await client.fetch('/api/v1/auth/things')).status).to.equal(401);
    }
    expect(server.rotations).to.equal(0);
  });

  it('asks for a lost answer with the same token', async () => {
    const { client, clock, server } = await signedInScene();
    await pass(clock, LIFE_MS);
    let losses = 2;
    server.script.set('/refresh', () => {
      if (server.rotations === 0) server.rotate();
      losses -= 1;
      return losses >= 0 ? Promise.reject(new TypeError('connection reset')) : Response.json(pairOf(1));
    });
    const asked = client.me();
    await pass(clock, 2_000);
    await asked;
    expect(server.asked).to.deep.equal([
      ...Array.from({ length: 3 }, () => 'POST /refresh refresh-0'),
      'GET /me access-1',
    ]);
  });

  it('asks again when an answer does not come, or breaks off in its body', async () => {
    const { client, clock, server } = await signedInScene();
    await pass(clock, LIFE_MS);
    const answers: (() => Response | Promise<Response>)[] = [
      () => new Promise(() => undefined),
      () => new Response(new ReadableStream({ start: (body) => body.error(new Error('cut')) })),
      () => server.rotate(),
    ];
    server.script.set('/refresh', () => answers.shift()?.() ?? refusal(500, 'internal'));
    const asked = client.me();
    await pass(clock, 6_000);
    await asked;
    expect(server.asked.filter((each) => each === 'POST /refresh refresh-0')).to.have.length(3);
  });

  for (const [what, answer, code] of [
    ['a network that is away', () => Promise.reject(new TypeError('offline')), 'network-failed'],
    ['a gateway that answers 503', () => gatewayPage(503), 'answer-unreadable'],
    ["a gateway's own 401", () => gatewayPage(401), 'answer-unreadable'],
    ['a server without its database', () => refusal(503, 'database-unavailable'), 'database-unavailable'],
    ['a rate limit', () => refusal(429, 'rate-limited'), 'rate-limited'],
    ['a fault of the server', () => refusal(500, 'internal'), 'internal'],
    ['an answer that is something else', () => Response.json({ hello: 'world' }), 'answer-unreadable'],
  ] as const)
    it(`is not ended by ${what}`, async () => {
      const { client, clock, server, place } = await signedInScene();
      const heard = heardBy(client);
      await pass(clock, LIFE_MS);
      server.script.set('/refresh', answer);
      const asked = outcome(client.me());
      await pass(clock, 5_000);
      expect(await asked).to.equal(code);
      expect(place.record?.state).to.equal('signed-in');
      server.script.delete('/refresh');
      await client.me();
      expect(heard).to.deep.equal(['refreshed']);
    });

  for (const code of ['session-ended', 'session-unknown', 'refresh-token-invalid', 'refresh-token-replayed'])
    it(`is ended by the server's ${code}, once and for everything under way`, async () => {
      const { client, clock, server } = await signedInScene();
      const heard = heardBy(client);
      server.script.set('/slow', () => new Promise(() => undefined));
      const slow = outcome(client.fetch('/api/v1/auth/slow'));
      await pass(clock, 20_000);
      server.script.set('/refresh', () => refusal(401, code));
      server.script.set('/things', () => refusal(401, 'session-ended'));
      expect(await outcome(client.fetch('/api/v1/auth/things'))).to.equal(`signed-out ${code}`);
      expect(await slow).to.equal(`signed-out ${code}`);
      expect(await outcome(client.me())).to.equal(`signed-out ${code}`);
      await settled();
      expect(heard).to.deep.equal([`signed-out ${code}`]);
      expect(await client.session()).to.deep.equal({ state: 'signed-out', reason: code });
    });

  it('that could not be refreshed ahead of expiry waits five seconds before it is tried again', async () => {
    const { client, clock, server } = await signedInScene();
    await pass(clock, 13 * MINUTE);
    server.script.set('/refresh', () => refusal(500, 'internal'));
    for (let i = 0; i < 3; i += 1) {
      await client.me();
      await settled();
    }
    await pass(clock, 5_000);
    await client.me();
    expect(server.asked.filter((each) => each.includes('/refresh'))).to.have.length(2);
  });

  it('is refreshed for the others when one of them stops waiting', async () => {
    const { client, clock, server } = await signedInScene();
    await pass(clock, LIFE_MS);
    const { promise, resolve } = Promise.withResolvers<Response>();
    server.script.set('/refresh', () => promise);
    const impatient = new AbortController();
    const first = outcome(client.me({ signal: impatient.signal }));
    const second = client.me();
    await settled();
    impatient.abort('enough');
    expect(await first).to.equal('enough');
    resolve(server.rotate());
    await second;
    expect(server.rotations).to.equal(1);
  });

  it('keeps the device token beyond its end, for the next login', async () => {
    const { client, server } = await signedInScene();
    await client.logout();
    let sent = '';
    server.script.set('/login', async (request) => {
      sent = await request.text();
      return Response.json(pairOf(0));
    });
    await client.login({ email: 'ada@example.com', password: 'p' });
    expect(JSON.parse(sent)).to.include({ deviceToken: 'device', client: 'bearer' });
  });
});
