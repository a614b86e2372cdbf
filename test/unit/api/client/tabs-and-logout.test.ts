/** Several tabs that share a session, and its end by a logout in one of them. */
import { expect } from 'chai';
import { queueLock } from '../../../../api/client/src/client.ts';
import { heardBy, LIFE_MS, outcome, pass, refusal, settled, signedInScene } from '../../../support/client-scene.ts';

describe('a session of several tabs', () => {
  it('is refreshed by one of them, and the others take its result', async () => {
    const lock = queueLock();
    const { client, clock, server, tab } = await signedInScene({ lock });
    const others = [tab(), tab(), tab()];
    const heard = others.map(heardBy);
    await pass(clock, LIFE_MS);
    await Promise.all([client, ...others].map((each) => each.me()));
    expect(server.rotations).to.equal(1);
    expect(heard).to.deep.equal([['refreshed'], ['refreshed'], ['refreshed']]);
  });

  it('waits a moment for news that travel slower than the lock', async () => {
    const lock = queueLock();
    const { client, clock, server, tab, place } = await signedInScene({ lock });
    const late = place.tab();
    let stale: unknown = place.record;
    const listeners: (() => void)[] = [];
    const other = tab({
      store: { ...late, read: () => stale, subscribe: (listener) => (listeners.push(listener), () => undefined) },
    });
    await pass(clock, LIFE_MS);
    const both = [client.me(), other.me()];
    await settled();
    await pass(clock, 40);
    stale = place.record;
    for (const listener of listeners) listener();
    await Promise.all(both);
    expect(server.rotations).to.equal(1);
  });

  it('ends in all of them with a logout in one, with everything under way', async () => {
    const { client, server, tab } = await signedInScene();
    const other = tab();
    const heard = heardBy(other);
    server.script.set('/slow', () => new Promise(() => undefined));
    const slow = outcome(other.fetch('/api/v1/auth/slow'));
    await settled();
    await client.logout();
    expect(await slow).to.equal('signed-out logout');
    expect(heard).to.deep.equal(['signed-out logout']);
    expect(await outcome(other.me())).to.equal('signed-out logout');
    expect(await outcome(other.refresh())).to.equal('signed-out no-session');
    await settled();
    expect(heard).to.deep.equal(['signed-out logout']);
  });
});

describe('a logout', () => {
  it('tells the server the refresh token, and leaves none behind', async () => {
    const { client, server, place } = await signedInScene();
    await client.logout();
    expect(server.asked).to.deep.equal(['POST /logout refresh-0']);
    expect(JSON.stringify(place.record)).not.to.match(/refresh-0|access-0/);
  });

  it('has the last word over a refresh whose answer comes later', async () => {
    for (const inTurn of [true, false]) {
      const { client, clock, server, place, tab } = await signedInScene();
      const other = inTurn ? client : tab();
      const { promise, resolve } = Promise.withResolvers<Response>();
      server.script.set('/refresh', () => promise);
      await pass(clock, LIFE_MS);
      const asked = outcome(client.me());
      await settled();
      await other.logout();
      resolve(server.rotate());
      expect(await asked).to.equal('signed-out logout');
      await settled();
      expect(place.record).to.include({ state: 'signed-out', reason: 'logout' });
    }
  });

  it('has the last word over a refresh of a tab that did not hear of it', async () => {
    const { clock, server, place, client, tab } = await signedInScene();
    const own = place.tab();
    const deaf = tab({ store: { read: () => own.read(), write: (record) => own.write(record) } });
    const { promise, resolve } = Promise.withResolvers<Response>();
    server.script.set('/refresh', () => promise);
    await pass(clock, LIFE_MS);
    const asked = outcome(deaf.me());
    await settled();
    await client.logout();
    resolve(server.rotate());
    expect(await asked).to.equal('signed-out logout');
    expect(place.record).to.include({ state: 'signed-out', reason: 'logout' });
  });

  it('aborts what is under way before a slow store has written it', async () => {
    const { place, server, tab } = await signedInScene();
    const store = place.tab();
    const client = tab({ store: { ...store, write: () => new Promise(() => undefined) } });
    server.script.set('/slow', () => new Promise(() => undefined));
    const slow = outcome(client.fetch('/api/v1/auth/slow'));
    await settled();
    void client.logout();
    expect(await slow).to.equal('signed-out logout');
  });

  it('aborts a body that is being read', async () => {
    const { client, server } = await signedInScene();
    server.script.set('/file', (request) => {
      const body = new ReadableStream({
        start: (stream) => request.signal.addEventListener('abort', () => stream.error(request.signal.reason)),
      });
      return new Response(body);
    });
    const file = await client.fetch('/api/v1/auth/file');
    const text = outcome(file.text());
    await client.logout();
    expect(await text).to.equal('signed-out logout');
  });

  it('waits three seconds for its turn beside one who hangs, then goes on', async () => {
    const lock = queueLock();
    const { client, clock, server } = await signedInScene({ lock });
    void lock.exclusively(() => new Promise(() => undefined), new AbortController().signal);
    const left = client.logout();
    await pass(clock, 2_999);
    expect(server.asked).to.deep.equal([]);
    await pass(clock, 1);
    await left;
    expect(server.asked).to.deep.equal(['POST /logout refresh-0']);
  });

  it('of which the server did not hear says so, is an end all the same, and is told when there is a way', async () => {
    const { client, clock, server, place, tab } = await signedInScene();
    server.script.set('/logout', () => Promise.reject(new TypeError('offline')));
    const left = outcome(client.logout());
    await pass(clock, 3_000);
    expect(await left).to.equal('network-failed');
    expect(await outcome(client.me())).to.equal('signed-out logout');
    expect(await outcome(client.refresh())).to.equal('signed-out logout');
    server.script.delete('/logout');
    server.asked.length = 0;
    tab();
    await settled();
    await settled();
    expect(server.asked).to.deep.equal(['POST /logout refresh-0']);
    expect(place.record).to.not.have.property('untold');
  });

  it('of a session that is over already is as good', async () => {
    const { client, server } = await signedInScene();
    server.script.set('/logout', () => refusal(401, 'session-ended'));
    await client.logout();
    expect(await client.session()).to.deep.equal({ state: 'signed-out', reason: 'logout' });
  });
});
