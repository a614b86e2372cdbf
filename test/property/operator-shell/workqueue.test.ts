import { expect } from 'chai';
import * as fc from 'fast-check';
import { ApiError } from '../../../operator/src/clients/api-error.ts';
import { type Lane, type PassResult, WorkQueue } from '../../../operator/src/workqueue.ts';

interface Pass {
  readonly key: string;
  readonly lane: Lane;
  readonly signal: AbortSignal;
  end(result?: PassResult): void;
  fail(error: unknown): void;
}

/** Lets every promise that can settle do so; timers do not run. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function queueWithPasses(timing = {}): { queue: WorkQueue; passes: Pass[]; failures: string[] } {
  const passes: Pass[] = [];
  const failures: string[] = [];
  const queue = new WorkQueue({
    timing,
    onError: (key) => failures.push(key),
    work: (key, lane, signal) =>
      new Promise((resolve, reject) => {
        passes.push({ key, lane, signal, end: (result = {}) => resolve(result), fail: reject });
        signal.addEventListener('abort', () => reject(new ApiError('ERR_API_ABORTED', 'aborted')));
      }),
  });
  return { queue, passes, failures };
}

describe('workqueue', () => {
  it('runs nothing before it is opened, and then what was added', async () => {
    const { queue, passes } = queueWithPasses();
    queue.add('a');
    await settle();
    expect(passes).to.have.length(0);
    expect(queue.depth).to.equal(1);
    queue.open();
    await settle();
    expect(passes.map(({ key }) => key)).to.deep.equal(['a']);
    await queue.close();
  });

  it('makes one pass of many events on a waiting key, and one more for events during the pass', async () => {
    const { queue, passes } = queueWithPasses();
    queue.open();
    for (let event = 0; event < 5; event++) queue.add('a');
    await settle();
    expect(passes).to.have.length(1);
    for (let event = 0; event < 5; event++) queue.add('a');
    await settle();
    expect(passes).to.have.length(1);
    passes[0]?.end();
    await settle();
    expect(passes).to.have.length(2);
    await queue.close();
  });

  it('aborts the running pass of a key on an urgent add and runs the urgent one next', async () => {
    const { queue, passes, failures } = queueWithPasses();
    queue.open();
    queue.add('a');
    await settle();
    queue.add('a', 'urgent');
    await settle();
    expect(passes[0]?.signal.aborted).to.equal(true);
    expect(passes.map(({ lane }) => lane)).to.deep.equal(['normal', 'urgent']);
    expect(failures, 'being pre-empted is no failure').to.deep.equal([]);
    await queue.close();
  });

  it('does not abort an urgent pass for another urgent add', async () => {
    const { queue, passes } = queueWithPasses();
    queue.open();
    queue.add('a', 'urgent');
    await settle();
    queue.add('a', 'urgent');
    await settle();
    expect(passes[0]?.signal.aborted).to.equal(false);
    passes[0]?.end();
    await settle();
    expect(passes).to.have.length(2);
    await queue.close();
  });

  it('starts an urgent key at once though every normal slot is taken', async () => {
    const { queue, passes } = queueWithPasses({ normalSlots: 2 });
    queue.open();
    for (const key of ['a', 'b', 'c']) queue.add(key);
    queue.add('d', 'urgent');
    await settle();
    expect(passes.map(({ key }) => key)).to.have.members(['a', 'b', 'd']);
    await queue.close();
  });

  it('tries a failed key again, later each time, and at the first delay again after a success', async () => {
    const { queue, passes, failures } = queueWithPasses({ backoffMinMs: 1, backoffMaxMs: 4 });
    queue.open();
    queue.add('a');
    for (let attempt = 1; attempt <= 4; attempt++) {
      while (passes.length < attempt) await new Promise((resolve) => setTimeout(resolve, 1));
      passes[attempt - 1]?.fail(new Error('no'));
      await settle();
    }
    expect(failures).to.have.length(4);
    await queue.close();
  });

  it('waits as long as the server asked for', async () => {
    const { queue, passes } = queueWithPasses({ backoffMinMs: 1 });
    queue.open();
    queue.add('a');
    await settle();
    const failedAt = performance.now();
    passes[0]?.fail(new ApiError('ERR_API_THROTTLED', 'later', { retryAfterMs: 60 }));
    while (passes.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(performance.now() - failedAt).to.be.at.least(55);
    await queue.close();
  });

  it('comes again when a pass asks for it, at the earliest wish', async () => {
    const { queue, passes } = queueWithPasses();
    queue.open();
    queue.add('a');
    await settle();
    queue.addAfter('a', 60_000);
    passes[0]?.end({ requeueAfterMs: 1 });
    while (passes.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    queue.forget('a');
    await queue.close();
  });

  it('ends every pass when it is closed and keeps their keys for the next leader', async () => {
    const { queue, passes } = queueWithPasses();
    queue.open();
    queue.add('a');
    await settle();
    await queue.close();
    expect(passes[0]?.signal.aborted).to.equal(true);
    await settle();
    expect(passes).to.have.length(1);
    queue.open();
    await settle();
    expect(passes).to.have.length(2);
    await queue.close();
  });

  it('leaves no timer behind when it is closed, and keeps the keys that had one', async () => {
    const { queue, passes } = queueWithPasses();
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    // The runner's own timer is set once the test has begun to wait.
    await settle();
    const before = timers();
    queue.open();
    queue.addAfter('a', 60_000);
    expect(timers()).to.equal(before + 1);
    await queue.close();
    expect(timers()).to.equal(before);
    queue.open();
    await settle();
    expect(passes.map(({ key }) => key)).to.deep.equal(['a']);
    await queue.close();
  });

  it('never runs a key twice at once and loses no add, in any order of events', async () => {
    const event = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      lane: fc.constantFrom<Lane>('normal', 'urgent'),
      ends: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
        const running = new Set<string>();
        const seen = new Map<string, number>();
        let isOverlapping = false;
        const ends: (() => void)[] = [];
        const added = new Map<string, number>();
        const queue = new WorkQueue({
          onError: () => undefined,
          work: (key, _lane, signal) => {
            isOverlapping ||= running.has(key);
            running.add(key);
            const startedWith = added.get(key) ?? 0;
            return new Promise((resolve, reject) => {
              ends.push(() => {
                if (signal.aborted) return;
                seen.set(key, startedWith);
                running.delete(key);
                resolve({});
              });
              signal.addEventListener('abort', () => {
                running.delete(key);
                reject(new Error('aborted'));
              });
            });
          },
        });
        queue.open();
        for (const { key, lane, ends: isEnding } of events) {
          added.set(key, (added.get(key) ?? 0) + 1);
          queue.add(key, lane);
          await settle();
          if (isEnding) ends.shift()?.();
          await settle();
        }
        for (let drained = 0; drained < 200 && (running.size > 0 || queue.depth > 0); drained++) {
          for (const end of ends.splice(0)) end();
          await settle();
        }
        await queue.close();
        expect(isOverlapping).to.equal(false);
        for (const [key, count] of added) expect(seen.get(key), key).to.equal(count);
      }),
      { numRuns: 200 },
    );
  });
});
