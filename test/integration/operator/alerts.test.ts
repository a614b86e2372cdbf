/** Alertmanager's messages to the operator's own process, and what they do to the weight on a real apiserver. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { alertmanagerMessage, alertOf } from '../../support/alertmanager.ts';
import type { OperatorProcess } from '../../support/operator.ts';
import { Scene, type SceneOptions } from '../../support/rollout-scene.ts';

const TOKEN = 'a-token-that-nobody-guesses';
const SLOW = [
  { weight: 25, hold: '60s', checkEvery: '30s' },
  { weight: 100, hold: '60s', checkEvery: '30s' },
];
const QUICK = [
  { weight: 25, hold: '3s', checkEvery: '1s' },
  { weight: 50, hold: '60s', checkEvery: '1s' },
  { weight: 100, hold: '60s', checkEvery: '1s' },
];

describe('alerts on a real apiserver', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-alerts-'));
  const env = { ALERTS_TOKEN_FILE: join(folder, 'token') };
  before(() => writeFileSync(env.ALERTS_TOKEN_FILE, TOKEN));
  after(() => rmSync(folder, { recursive: true }));

  async function post(
    operator: OperatorProcess,
    body: string,
    token = TOKEN,
  ): Promise<{ status: number; text: string }> {
    const { port } = await operator.logged((line) => line.msg === 'started');
    const response = await fetch(`http://127.0.0.1:${String(port)}/hooks/alertmanager`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body,
      signal: AbortSignal.timeout(5_000),
    });
    return { status: response.status, text: await response.text() };
  }

  async function released(options: SceneOptions): Promise<{ scene: Scene; operator: OperatorProcess }> {
    const scene = await Scene.create(options);
    const operator = scene.operator({ env });
    await scene.adopted();
    await scene.release('v2');
    return { scene, operator };
  }
  const weightIs = (scene: Scene, wanted: number, withinMs = 20_000) =>
    scene.until(`the weight is ${wanted}`, withinMs, () => scene.weight().then((weight) => weight === wanted));
  const alert = (scene: Scene, severity: string, status: 'firing' | 'resolved' = 'firing'): string =>
    JSON.stringify(alertmanagerMessage(alertOf({ namespace: scene.namespace, severity, status })));

  it('take the weight to 0 within a second at P0, whatever the checks say, and condemn the revision', async () => {
    const { scene, operator } = await released({ schedule: SLOW });
    await weightIs(scene, 25);
    const sentAt = performance.now();
    expect(await post(operator, alert(scene, 'P0'))).to.deep.equal({ status: 200, text: '{"heard":1,"ignored":[]}' });
    await weightIs(scene, 0, 5_000);
    const tookMs = performance.now() - sentAt;
    console.log(`      message to weight 0 ${Math.round(tookMs)} ms`);
    expect(tookMs).to.be.below(1_000);
    const { status } = await scene.until(
      'the status says so',
      5_000,
      (rollout) => rollout.status.phase === 'RolledBack',
    );
    expect(status.history.find(({ decision }) => decision === 'rollback')?.message).to.contain('P0 alerts AuthAlert');
  });

  it('hold at P2 beyond the end of the step, and let it go on when they are resolved', async () => {
    const { scene, operator } = await released({ schedule: QUICK });
    await weightIs(scene, 25);
    await post(operator, alert(scene, 'P2'));
    const held = await scene.until('it holds', 5_000, ({ status }) => status.lastDecision?.reason === 'AlertFiring');
    // Longer than the hold of the step: it would have gone on by now.
    const holdEnd = Date.parse(String(held.status['stepStartedAt'])) + 3_000;
    await operator.logged(
      (line) => line['reason'] === 'AlertFiring' && Date.parse(line.time) > holdEnd + 1_000,
      20_000,
    );
    expect(await scene.weight()).to.equal(25);
    await post(operator, alert(scene, 'P2', 'resolved'));
    await weightIs(scene, 50);
    expect(await scene.weights()).to.deep.equal([100, 0, 25, 50]);
  });

  it('are refused without the token, when they are too long, and for a rollout that does not exist', async () => {
    const { scene, operator } = await released({ schedule: SLOW });
    await weightIs(scene, 25);
    expect((await post(operator, alert(scene, 'P0'), 'wrong')).status).to.equal(401);
    expect((await post(operator, 'x'.repeat(2 * 1024 * 1024))).status).to.equal(413);
    const other = alertmanagerMessage(alertOf({ namespace: scene.namespace, rollout: 'other' }));
    const { status, text } = await post(operator, JSON.stringify(other));
    expect([status, text]).to.satisfy(
      ([code, body]: [number, string]) => code === 404 && body.includes('no AuthRollout'),
    );
    const follower = scene.operator({ podName: 'follower', env });
    expect((await post(follower, alert(scene, 'P0'))).status).to.equal(503);
    expect(await scene.weight()).to.equal(25);
    expect((await operator.get('/metrics')).body).to.contain('latchkey_alert_messages_total{status="401"} 1');
  });
});
