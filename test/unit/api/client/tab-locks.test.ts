/** Turns: in a process, by Web Locks, and by a lease where there are none. Time is moved by hand. */
import { expect } from 'chai';
import type { PageStorage } from '../../../../api/client/src/stores.ts';
import { type Lock, type LockManager, leaseLock, queueLock, webLock } from '../../../../api/client/src/tab-locks.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

const FOREVER = new AbortController().signal;

const memory = (): PageStorage & { readonly items: Map<string, string> } => {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
};

const gate = (): { readonly opened: Promise<void>; readonly open: () => void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
};

/** Takes a turn; says when it began and whether it had to wait. */
const working =
  (log: string[], name: string, until: Promise<void>) =>
  async (hasWaited: boolean): Promise<void> => {
    log.push(`${name} begins${hasWaited ? ' after another' : ''}`);
    await until;
    log.push(`${name} ends`);
  };
const enter = (lock: Lock, log: string[], name: string, until: Promise<void>): Promise<void> =>
  lock.exclusively(working(log, name, until), FOREVER);

describe('a queue', () => {
  it('lets one work at a time, in order, also after one that failed', async () => {
    const [lock, log, first] = [queueLock(), [] as string[], gate()];
    const failing = lock.exclusively(async () => {
      await first.opened;
      throw new Error('broken');
    }, FOREVER);
    const second = enter(lock, log, 'second', Promise.resolve());
    await settle();
    expect(log).to.deep.equal([]);
    first.open();
    expect(await failing.catch((error: Error) => error.message)).to.equal('broken');
    await second;
    expect(log).to.deep.equal(['second begins after another', 'second ends']);
    await enter(lock, log, 'third', Promise.resolve());
    expect(log.at(-2)).to.equal('third begins');
  });

  it('lets who gives up waiting go at once, and the next one not before its turn', async () => {
    const [lock, log, first] = [queueLock(), [] as string[], gate()];
    const holding = enter(lock, log, 'first', first.opened);
    const patience = new AbortController();
    const waiting = lock
      .exclusively(working(log, 'second', Promise.resolve()), patience.signal)
      .catch((error: unknown) => error);
    const third = enter(lock, log, 'third', Promise.resolve());
    patience.abort('enough');
    expect(await waiting).to.equal('enough');
    expect(log).to.deep.equal(['first begins']);
    first.open();
    await Promise.all([holding, third]);
    expect(log.slice(1)).to.deep.equal(['first ends', 'third begins after another', 'third ends']);
  });
});

describe('a Web Lock', () => {
  const refusing: LockManager = { request: () => Promise.reject(new DOMException('sandboxed', 'SecurityError')) };
  const free: LockManager = { request: (_name, _options, work) => work({}) };

  it('gives way to the lease where the browser refuses it', async () => {
    const log: string[] = [];
    await enter(webLock(refusing, 'name', queueLock()), log, 'one', Promise.resolve());
    expect(log).to.deep.equal(['one begins', 'one ends']);
  });

  it('does not do the work twice when the work itself fails', async () => {
    let begun = 0;
    const work = (): Promise<never> => {
      begun += 1;
      return Promise.reject(new Error('broken'));
    };
    const failed: unknown = await webLock(free, 'name', queueLock())
      .exclusively(work, FOREVER)
      .catch((error: unknown) => error);
    expect(failed).to.have.property('message', 'broken');
    expect(begun).to.equal(1);
  });
});

describe('a lease', () => {
  /** What was begun asks for the time first. */
  const pass = async (clock: ManualClock, ms: number): Promise<void> => {
    await settle();
    await clock.pass(ms);
  };
  const tab = (storage: PageStorage, clock: ManualClock, owner: string): Lock =>
    leaseLock({ storage: () => storage, key: 'lease', owner, clock, random: () => 0 });

  it('lets one tab work at a time and is gone afterwards', async () => {
    const [storage, clock, log, first] = [memory(), new ManualClock(), [] as string[], gate()];
    const holding = enter(tab(storage, clock, 'a'), log, 'a', first.opened);
    await pass(clock, 60);
    const waiting = enter(tab(storage, clock, 'b'), log, 'b', Promise.resolve());
    await pass(clock, 20_000);
    expect(log, 'renewed while it is needed').to.deep.equal(['a begins']);
    first.open();
    await holding;
    await pass(clock, 200);
    await waiting;
    expect(log).to.deep.equal(['a begins', 'a ends', 'b begins after another', 'b ends']);
    expect([...storage.items]).to.deep.equal([]);
  });

  it('goes to one of two that both found it free', async () => {
    const [storage, clock, log] = [memory(), new ManualClock(), [] as string[]];
    const [first, second] = [gate(), gate()];
    let reads = 0;
    const late: PageStorage = { ...storage, getItem: (key) => ((reads += 1) === 1 ? null : storage.getItem(key)) };
    const both = [
      enter(tab(storage, clock, 'a'), log, 'a', first.opened),
      enter(tab(late, clock, 'b'), log, 'b', second.opened),
    ];
    await pass(clock, 200);
    expect(log).to.deep.equal(['b begins']);
    second.open();
    await pass(clock, 200);
    first.open();
    await Promise.all(both);
    expect(log).to.deep.equal(['b begins', 'b ends', 'a begins after another', 'a ends']);
  });

  it('of a tab that died is waited for six seconds, and of one from the future not at all', async () => {
    const [storage, clock, log] = [memory(), new ManualClock(), [] as string[]];
    storage.setItem('lease', `dead ${clock.now() + 6_000}`);
    const waiting = enter(tab(storage, clock, 'a'), log, 'a', Promise.resolve());
    await pass(clock, 5_900);
    expect(log).to.deep.equal([]);
    await pass(clock, 300);
    await waiting;
    storage.setItem('lease', `dead ${clock.now() + 6_001}`);
    const next = enter(tab(storage, clock, 'b'), log, 'b', Promise.resolve());
    await pass(clock, 60);
    await next;
    expect(log).to.deep.equal(['a begins after another', 'a ends', 'b begins', 'b ends']);
  });

  it('that was lost to another tab is neither renewed nor taken away', async () => {
    const [storage, clock, log, first] = [memory(), new ManualClock(), [] as string[], gate()];
    const holding = enter(tab(storage, clock, 'a'), log, 'a', first.opened);
    await pass(clock, 60);
    const others = `b ${clock.now() + 6_000}`;
    storage.setItem('lease', others);
    await pass(clock, 3_000);
    first.open();
    await holding;
    expect(storage.getItem('lease')).to.equal(others);
  });

  it('that is not waited for any longer ends the waiting with the reason', async () => {
    const [storage, clock] = [memory(), new ManualClock()];
    storage.setItem('lease', `other ${clock.now() + 6_000}`);
    const patience = new AbortController();
    const waiting = tab(storage, clock, 'a')
      .exclusively(() => Promise.resolve(), patience.signal)
      .catch((error: unknown) => error);
    await settle();
    patience.abort('enough');
    expect(await waiting).to.equal('enough');
  });

  it('is done without where the browser refuses storage', async () => {
    const log: string[] = [];
    const place = { key: 'lease', owner: 'a', clock: new ManualClock(), random: () => 0 };
    const lock = leaseLock({
      ...place,
      storage: () => {
        throw new DOMException('no cookies, no storage', 'SecurityError');
      },
    });
    await enter(lock, log, 'a', Promise.resolve());
    expect(log).to.deep.equal(['a begins', 'a ends']);
  });
});
