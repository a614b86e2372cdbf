import { expect } from 'chai';
import {
  ATTEMPT_MS,
  type Attempt,
  DEADLINE_MS,
  MAX_WAITING,
  Outbox,
} from '../../../../operator/src/notifications/outbox.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

const DOWN: Attempt = { kind: 'failed', code: 'ECONNREFUSED' };
const DELIVERED: Attempt = { kind: 'delivered' };

function outboxWith(
  answers: (message: string) => Attempt | Promise<Attempt>,
  isMinor: (message: string) => boolean = () => true,
) {
  const clock = new ManualClock();
  const sent: string[] = [];
  const fates: string[] = [];
  const outbox = new Outbox<string>({
    clock,
    isMinor,
    random: () => 1,
    send: async (message, signal) => {
      sent.push(message);
      const silent = new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => reject(new Error('aborted'))),
      );
      return await Promise.race([answers(message), silent]);
    },
    onFate: (fate, code) => fates.push(code === undefined ? fate : `${fate} ${code}`),
  });
  return { outbox, clock, sent, fates };
}

describe('outbox', () => {
  it('sends one message at a time, in order', async () => {
    const { outbox, sent, fates } = outboxWith(() => DELIVERED);
    for (const message of ['a', 'b', 'c']) outbox.add(message);
    expect(sent).to.deep.equal(['a']);
    await settle();
    expect(sent).to.deep.equal(['a', 'b', 'c']);
    expect(fates).to.deep.equal(['delivered', 'delivered', 'delivered']);
    expect(outbox.size).to.equal(0);
  });

  it('tries again with growing waits, and gives up at the deadline', async () => {
    const { outbox, clock, sent, fates } = outboxWith(() => DOWN);
    outbox.add('a');
    await settle();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      const [wait = 0] = clock.waits;
      waits.push(wait);
      await clock.pass(wait);
    }
    expect(waits).to.deep.equal([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect(outbox.oldestMs()).to.equal(183_000);
    await clock.pass(DEADLINE_MS);
    expect(fates.at(-1)).to.equal('expired ECONNREFUSED');
    expect(outbox.size).to.equal(0);
    expect(sent.length).to.be.below(25);
    expect(clock.waits).to.deep.equal([]);
  });

  it('waits half as long at the least, by its jitter', async () => {
    const clock = new ManualClock();
    const outbox = new Outbox<string>({
      clock,
      isMinor: () => true,
      random: () => 0,
      send: async () => DOWN,
      onFate: () => undefined,
    });
    outbox.add('a');
    await settle();
    expect(clock.waits).to.deep.equal([500]);
  });

  it('lets other messages pass one that the receiver chokes on', async () => {
    const { outbox, sent } = outboxWith((message) =>
      message === 'bad' ? { kind: 'failed', code: 'HTTP_500' } : DELIVERED,
    );
    outbox.add('bad');
    outbox.add('good');
    await settle();
    expect(sent).to.deep.equal(['bad', 'good']);
    expect(outbox.size).to.equal(1);
  });

  it('is quiet for everybody for as long as the receiver asks', async () => {
    let answer: Attempt = { kind: 'failed', code: 'HTTP_429', retryAfterMs: 30_000 };
    const { outbox, clock, sent } = outboxWith(() => answer);
    outbox.add('a');
    await settle();
    answer = DELIVERED;
    outbox.add('b');
    await clock.pass(29_999);
    expect(sent).to.deep.equal(['a']);
    await clock.pass(1);
    expect(sent).to.have.members(['a', 'b', 'a']);
  });

  it('never sends again what was refused', async () => {
    const { outbox, clock, sent, fates } = outboxWith(() => ({ kind: 'refused', code: 'HTTP_404' }));
    outbox.add('a');
    await clock.pass(DEADLINE_MS);
    expect(sent).to.deep.equal(['a']);
    expect(fates).to.deep.equal(['refused HTTP_404']);
  });

  it('ends an attempt at a receiver that says nothing', async () => {
    const { outbox, clock, fates } = outboxWith(() => new Promise(() => undefined));
    outbox.add('a');
    await clock.pass(ATTEMPT_MS - 1);
    expect(fates).to.deep.equal([]);
    await clock.pass(1);
    expect(fates).to.deep.equal(['retried TIMEOUT']);
  });

  it('holds a bounded number, drops the oldest of the minor ones first and counts it', async () => {
    const { outbox, clock, sent, fates } = outboxWith(
      () => new Promise(() => undefined),
      (message) => message !== 'rollback',
    );
    outbox.add('in flight');
    outbox.add('rollback');
    for (let index = 0; index < MAX_WAITING; index++) outbox.add(`step ${index}`);
    expect(outbox.size).to.equal(MAX_WAITING + 1);
    expect(fates).to.deep.equal(['dropped FULL']);
    await clock.pass(ATTEMPT_MS);
    expect(sent).to.deep.equal(['in flight', 'rollback']);
  });

  it('sends what waits to the new place when the channel moves', async () => {
    const { outbox, sent, fates } = outboxWith(() => DOWN);
    outbox.add('a');
    await settle();
    const elsewhere: string[] = [];
    outbox.redirect(async (message) => {
      elsewhere.push(message);
      return DELIVERED;
    });
    await settle();
    expect([sent, elsewhere, fates.at(-1)]).to.deep.equal([['a'], ['a'], 'delivered']);
  });

  it('tries each message once more when it closes, and drops what the grace leaves', async () => {
    const { outbox, clock, sent, fates } = outboxWith((message) =>
      message === 'slow' ? new Promise(() => undefined) : DOWN,
    );
    outbox.add('a');
    await settle();
    outbox.add('slow');
    outbox.add('c');
    const closed = outbox.close(3_000);
    await clock.pass(3_000);
    await closed;
    expect(sent.filter((message) => message === 'slow')).to.have.length(1);
    expect(fates.filter((fate) => fate.startsWith('dropped'))).to.have.length(3);
    outbox.add('late');
    expect(fates.at(-1)).to.equal('dropped CLOSED');
  });
});
