import { expect } from 'chai';
import { serveHealth } from '../../../operator/src/health.ts';
import { createMetrics } from '../../../operator/src/metrics.ts';
import { Signals } from '../../../operator/src/signals.ts';

const noAlerts = () => ({
  tokenFile: undefined,
  signals: new Signals(),
  isLeading: () => true,
  isKnown: () => true,
  ring: () => undefined,
  onAnswer: () => undefined,
});

describe('health', () => {
  it('answers 200 without reasons and 503 with them, each probe for itself', async () => {
    let dead: readonly string[] = [];
    const { registry, leader } = createMetrics();
    const server = await serveHealth(0, {
      livez: () => dead,
      readyz: () => ['the watch of httproutes is not synced'],
      refresh: () => leader.set(1),
      registry,
      alerts: noAlerts(),
      percentages: { isLeading: () => true, percentageOf: () => undefined },
    });
    const get = async (path: string): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return `${response.status} ${await response.text()}`;
    };
    expect(await get('/livez')).to.equal('200 ok\n');
    dead = ['the sentinel stands still'];
    expect(await get('/livez')).to.equal('503 the sentinel stands still\n');
    expect(await get('/readyz')).to.equal('503 the watch of httproutes is not synced\n');
    expect(await get('/metrics')).to.match(/^200 [^]*\nlatchkey_leader 1\n/);
    expect(await get('/')).to.match(/^404/);
    expect(await get('/hooks/alertmanager')).to.match(/^404 .*it has no token/);
    await server.close();
  });

  it('tells the percentage of a rollout to whoever asks the leader', async () => {
    let isLeading = true;
    const server = await serveHealth(0, {
      livez: () => [],
      readyz: () => [],
      refresh: () => undefined,
      registry: createMetrics().registry,
      alerts: noAlerts(),
      percentages: { isLeading: () => isLeading, percentageOf: (key) => (key === 'auth/auth-api' ? 25 : undefined) },
    });
    const ask = async (path: string, method = 'GET'): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${server.port}/rollouts/${path}`, { method });
      return `${response.status} ${response.headers.get('connection')} ${await response.text()}`;
    };
    expect(await ask('auth/auth-api/percentage')).to.equal('200 keep-alive {"percentage":25}');
    expect(await ask('auth/other/percentage')).to.match(/^404 close .*no AuthRollout auth\/other with a status/);
    expect(await ask('auth/auth-api/percentage', 'PUT')).to.match(/^405 close .*the operator alone changes it/);
    expect(await ask('auth/auth-api')).to.match(/^404 keep-alive not found/);
    isLeading = false;
    expect(await ask('auth/auth-api/percentage')).to.match(/^503 close .*not-leading/);
    await server.close();
  });
});
