/** Notifications to real receivers on the loopback: webhooks and a mail server. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { z } from 'zod';
import { createMetrics } from '../../../operator/src/metrics.ts';
import { Notifier, REREAD_MS } from '../../../operator/src/notifications/notifier.ts';
import { eventually } from '../../support/eventually.ts';
import { MailServer } from '../../support/mail-server.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type Delivery, WebhookReceiver } from '../../support/webhook-receiver.ts';
import { CHANGES, change } from '../../unit/operator-shell/notifications/change.ts';

const SECRET = 'a-secret-of-more-than-32-characters';

const told = z.looseObject({ id: z.string(), events: z.array(z.string()), severity: z.string(), title: z.string() });
const bodyOf = ({ body }: Delivery): z.infer<typeof told> => told.parse(JSON.parse(body));

/** The example of docs/notifications.md. */
function isGenuine(headers: Delivery['headers'], body: string, secret: string, nowSeconds: number): boolean {
  const timestamp = String(headers['latchkey-timestamp']);
  if (Math.abs(nowSeconds - Number(timestamp)) > 300) return false;
  const expected = `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
  const given = String(headers['latchkey-signature']);
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}

describe('notifications', function () {
  this.timeout(60_000);
  let folder: string;
  let file: string;
  let receiver: WebhookReceiver;
  let clock: ManualClock;
  let lines: string[];
  let metrics: ReturnType<typeof createMetrics>;
  const open: Notifier[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-notifications-'));
    file = join(folder, 'notifications.json');
    receiver = await WebhookReceiver.start();
    clock = new ManualClock();
    lines = [];
    metrics = createMetrics();
  });
  afterEach(async () => {
    for (const notifier of open.splice(0)) {
      const closed = notifier.close(0);
      await clock.pass(1);
      await closed;
    }
    await receiver.stop();
    rmSync(folder, { recursive: true });
  });

  const webhook = (changes: object = {}) => ({
    kind: 'webhook',
    name: 'hook',
    url: receiver.url,
    secret: SECRET,
    ...changes,
  });
  const configure = (...channels: readonly object[]): void => {
    // As the kubelet does: the name is switched to a new file.
    writeFileSync(`${file}.new`, JSON.stringify({ channels }));
    renameSync(`${file}.new`, file);
  };
  const started = async (): Promise<Notifier> => {
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const notifier = new Notifier({ file, log, metrics, clock, random: () => 1 });
    open.push(notifier);
    await notifier.start();
    return notifier;
  };
  const count = async (outcome: string, channel = 'hook'): Promise<number> =>
    (await metrics.notifications.get()).values.find(
      ({ labels }) => labels.outcome === outcome && labels.channel === channel,
    )?.value ?? 0;
  const counted = async (outcome: string, atLeast = 1): Promise<void> =>
    void (await eventually(`${outcome} is counted`, 10_000, async () => (await count(outcome)) >= atLeast));

  it('bring one signed message to a webhook, which can tell it from a forged and from an old one', async () => {
    configure(webhook());
    (await started()).tell(CHANGES.rollback);
    const [delivery] = await receiver.received(1);
    if (delivery === undefined) throw new Error('nothing');
    const now = Date.now() / 1000;
    expect(isGenuine(delivery.headers, delivery.body, SECRET, now)).to.equal(true);
    expect(isGenuine(delivery.headers, `${delivery.body} `, SECRET, now)).to.equal(false);
    expect(isGenuine(delivery.headers, delivery.body, SECRET, now + 301)).to.equal(false);
    expect(bodyOf(delivery)).to.deep.include({
      events: ['rollback'],
      severity: 'P0',
      id: delivery.headers['latchkey-event-id'],
    });
    await counted('delivered');
  });

  it('are shown with 0 for each way in which one can end, before there is any: the alert asks how much that grows', async () => {
    configure(webhook(), { kind: 'slack', name: 'chat', url: receiver.url });
    await started();
    const { values } = await metrics.notifications.get();
    const outcomes = ['delivered', 'retried', 'refused', 'expired', 'dropped'];
    const expected = ['hook', 'chat'].flatMap((channel) =>
      outcomes.map((outcome) => ({ labels: { channel, outcome }, value: 0 })),
    );
    expect(values).to.have.deep.members(expected);
  });

  it('try again after a failure with the same id and a fresh signature', async () => {
    configure(webhook());
    receiver.answer = { status: 500 };
    (await started()).tell(CHANGES.zero);
    await counted('retried');
    receiver.answer = { status: 204 };
    await clock.pass(1_000);
    await counted('delivered');
    const ids = receiver.deliveries.map((delivery) => bodyOf(delivery).id);
    expect(ids).to.have.length(2);
    expect(new Set(ids).size).to.equal(1);
  });

  it('wait as long as a 429 asks', async () => {
    configure(webhook());
    receiver.answer = { status: 429, headers: { 'retry-after': '120' } };
    (await started()).tell(CHANGES.zero);
    await counted('retried');
    receiver.answer = { status: 200 };
    await clock.pass(119_999);
    expect(receiver.deliveries).to.have.length(1);
    await clock.pass(1);
    await counted('delivered');
    expect(receiver.deliveries).to.have.length(2);
  });

  it('give up at once what the receiver refuses, and follow no redirect', async () => {
    configure(webhook());
    const notifier = await started();
    receiver.answer = { status: 404 };
    notifier.tell(CHANGES.zero);
    await counted('refused');
    receiver.answer = { status: 307, headers: { location: receiver.url } };
    notifier.tell(CHANGES.rollback);
    await counted('refused', 2);
    await clock.pass(900_000);
    expect(receiver.deliveries).to.have.length(2);
  });

  it('cost a pass nothing while a receiver takes messages and says nothing, and arrive elsewhere meanwhile', async () => {
    const other = await WebhookReceiver.start();
    configure(webhook(), { kind: 'slack', name: 'chat', url: other.url });
    const notifier = await started();
    receiver.answer = 'never';
    const startedAt = performance.now();
    for (let index = 0; index < 300; index++) notifier.tell(CHANGES.step);
    expect(performance.now() - startedAt).to.be.below(1_000);
    await receiver.received(1);
    await eventually('the chat has all that fit', 15_000, () => other.deliveries.length >= 100);
    // One is under way, a hundred wait.
    expect(await count('dropped')).to.equal(199);
    await clock.pass(10_000);
    await counted('retried');
    notifier.refresh();
    expect((await metrics.notificationAge.get()).values).to.deep.include({ labels: { channel: 'hook' }, value: 10 });
    await other.stop();
  });

  it('survive a receiver that is down, and expire when it stays down', async () => {
    configure(webhook());
    const { port } = receiver;
    await receiver.stop();
    const notifier = await started();
    notifier.tell(CHANGES.zero);
    await counted('retried');
    receiver = await WebhookReceiver.start(port);
    await clock.pass(1_000);
    await counted('delivered');
    await receiver.stop();
    notifier.tell(CHANGES.rollback);
    await counted('retried', 2);
    await eventually('it expires', 15_000, async () => {
      await clock.pass(60_000);
      return (await count('expired')) === 1;
    });
    receiver = await WebhookReceiver.start();
    expect(lines.join('')).to.contain('ECONNREFUSED').and.not.contain('token-in-the-path').and.not.contain(SECRET);
  });

  it('send one message for one event across passes, a restart and a new leader', async () => {
    configure(webhook());
    (await started()).tell(CHANGES.rollback);
    await receiver.received(1);
    // Every later pass, here or in another process, finds the event in the status already.
    const successor = await started();
    for (const notifier of open) for (let pass = 0; pass < 3; pass++) notifier.tell(change({}, CHANGES.rollback.after));
    successor.tell(CHANGES.step);
    await receiver.received(2);
    expect(receiver.deliveries.map((delivery) => bodyOf(delivery).events[0])).to.deep.equal(['rollback', 'step']);
  });

  it('follow the file: a corrected address gets what waits, a faulty file changes nothing', async () => {
    configure(webhook({ url: 'http://127.0.0.1:1/' }));
    const notifier = await started();
    notifier.tell(CHANGES.zero);
    await counted('retried');
    configure(webhook());
    const reread = async (done: () => boolean): Promise<void> => {
      await eventually('the file is read again', 10_000, async () => {
        await clock.pass(REREAD_MS);
        return done();
      });
    };
    await reread(() => receiver.deliveries.length === 1);
    configure(webhook({ url: 'token-in-a-wrong-place' }));
    await reread(() => lines.some((line) => line.includes('the file is wrong')));
    notifier.tell(CHANGES.rollback);
    await receiver.received(2);
    expect(lines.join('')).to.contain('channels.0.url').and.not.contain('token-in-a-wrong-place');
    expect((await metrics.notificationsConfigured.get()).values[0]?.value).to.equal(0);
  });

  it('go by mail to every recipient, in plain text, under an id that shows a mail that came twice once', async () => {
    const server = await MailServer.start();
    const to = ['lead@example.com', 'on-call@example.com'];
    configure({ kind: 'smtp', name: 'mail', url: server.url, from: 'latchkey@example.com', to, tls: 'off' });
    (await started()).tell(CHANGES.zero);
    const mail = await server.mailTo('lead@example.com');
    expect(mail.subject).to.equal('[RED P1] auth/auth-api taken to 0%, pods kept');
    expect(mail.text).to.contain('Command: kubectl authrollout approve auth-api --as on-call');
    expect(mail.messageId).to.match(/^<[0-9a-f]{32}@example\.com>$/);
    await eventually('it is counted', 10_000, async () => (await count('delivered', 'mail')) === 1);
    await server.stop();
  });

  it('try a mail again that the server cannot take now, and not one that it never will', async () => {
    const server = await MailServer.start();
    configure({
      kind: 'smtp',
      name: 'hook',
      url: server.url,
      from: 'latchkey@example.com',
      to: ['lead@example.com'],
      tls: 'off',
    });
    const notifier = await started();
    server.failRecipient = () => ({ responseCode: 451 });
    notifier.tell(CHANGES.zero);
    await counted('retried');
    server.failRecipient = () => undefined;
    await clock.pass(1_000);
    await counted('delivered');
    server.failRecipient = () => ({ responseCode: 550 });
    notifier.tell(CHANGES.rollback);
    await counted('refused');
    await server.stop();
  });

  it('refuse to send a mail in the clear unless told so', async () => {
    const server = await MailServer.start();
    configure({ kind: 'smtp', name: 'hook', url: server.url, from: 'latchkey@example.com', to: ['lead@example.com'] });
    (await started()).tell(CHANGES.zero);
    await counted('retried');
    expect(server.received).to.deep.equal([]);
    await server.stop();
  });
});
