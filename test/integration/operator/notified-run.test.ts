/** What the operator's own process tells: of a run on a real apiserver, and when it is asked to try its channels. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { eventually } from '../../support/eventually.ts';
import { Scene } from '../../support/rollout-scene.ts';
import { type Delivery, WebhookReceiver } from '../../support/webhook-receiver.ts';

const MAIN = new URL('../../../operator/src/main.ts', import.meta.url).pathname;

const told = z.looseObject({ events: z.array(z.string()), severity: z.string(), title: z.string() });
const bodyOf = ({ body }: Delivery): z.infer<typeof told> => told.parse(JSON.parse(body));
const webhook = (url: string) => ({
  kind: 'webhook',
  name: 'hook',
  url,
  secret: 'a-secret-of-more-than-32-characters',
});

describe('notifications of the operator', function () {
  this.timeout(60_000);
  let folder: string;
  let file: string;
  let receiver: WebhookReceiver;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-notifications-'));
    file = join(folder, 'notifications.json');
    receiver = await WebhookReceiver.start();
  });
  afterEach(async () => {
    await receiver.stop();
    rmSync(folder, { recursive: true });
  });

  const configure = (...channels: readonly object[]): void => writeFileSync(file, JSON.stringify({ channels }));

  it('are tried out by --test-notifications, which says for each channel what came of it', async () => {
    configure(webhook(receiver.url), { kind: 'slack', name: 'chat', url: 'http://127.0.0.1:1/secret-path' });
    const child = spawn(process.execPath, [MAIN, '--test-notifications'], {
      env: { PATH: process.env['PATH'], NOTIFICATIONS_FILE: file },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = await once(child, 'exit');
    expect(code).to.equal(1);
    expect(output)
      .to.match(/^hook \(webhook\): delivered$/m)
      .and.to.match(/^chat \(slack\): failed: [A-Z_]+$/m);
    expect(output).to.not.contain('secret-path');
    expect(receiver.deliveries.map((delivery) => bodyOf(delivery).title)).to.deep.equal([
      '[GREEN] test/test now at 0%',
    ]);
  });

  it('tell of each step and of the rollback of a real run once, although the operator is killed after it', async function () {
    this.timeout(120_000);
    configure(webhook(receiver.url));
    const schedule = [
      { weight: 25, hold: '60s', checkEvery: '30s' },
      { weight: 100, hold: '60s', checkEvery: '30s' },
    ];
    const scene = await Scene.create({ schedule });
    const env = { NOTIFICATIONS_FILE: file };
    const operator = scene.operator({ env });
    await scene.adopted();
    await scene.release('v2');
    await scene.until('v2 has 25 %', 20_000, () => scene.weight().then((weight) => weight === 25));
    await scene.until('the canary answers', 5_000, () =>
      scene.workloads.podsOf('auth-api').some((pod) => pod.scrapes >= 2),
    );
    scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
    await receiver.received(2);
    const steps = receiver.deliveries.map((delivery) => bodyOf(delivery));
    expect(steps.map(({ events, severity }) => `${events.join()} ${severity}`)).to.deep.equal([
      'step None',
      'rollback P0',
    ]);
    await operator.kill('SIGKILL');
    await scene.expireLease();
    const next = scene.operator({ podName: 'next', env });
    await next.isLeading();
    await next.logged((line) => line.msg === 'decided');
    await scene.release('v3');
    const [, , third] = await receiver.received(3);
    expect(third === undefined ? '' : bodyOf(third).events.join()).to.equal('step');
    const delivered = 'latchkey_notifications_total{channel="hook",outcome="delivered"} 1';
    await eventually('its delivery is counted', 5_000, async () =>
      (await next.get('/metrics')).body.includes(delivered),
    );
  });
});
