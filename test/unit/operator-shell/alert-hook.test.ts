/** The door for Alertmanager, through the operator's own HTTP server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type HealthServer, serveHealth } from '../../../operator/src/health.ts';
import { createMetrics } from '../../../operator/src/metrics.ts';
import { Signals } from '../../../operator/src/signals.ts';
import { alertmanagerMessage, alertOf } from '../../support/alertmanager.ts';

const TOKEN = 'a-token-that-nobody-guesses';
const KEY = 'auth/auth-api';

describe('alert hook', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-alerts-'));
  const tokenFile = join(folder, 'token');
  let server: HealthServer;
  let signals: Signals;
  let rung: string[];
  let answers: string[];
  let isLeading: boolean;

  before(() => writeFileSync(tokenFile, `${TOKEN}\n`));
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => {
    signals = new Signals();
    rung = [];
    answers = [];
    isLeading = true;
    server = await serveHealth(0, {
      livez: () => [],
      readyz: () => [],
      refresh: () => undefined,
      registry: createMetrics().registry,
      alerts: {
        tokenFile,
        signals,
        isLeading: () => isLeading,
        isKnown: (key) => key === KEY,
        ring: (key, lane) => rung.push(`${key} ${lane}`),
        onAnswer: (status, heard) => answers.push(`${status} ${heard}`),
      },
      percentages: { isLeading: () => true, percentageOf: () => undefined },
    });
  });
  afterEach(() => server.close());

  async function post(body: unknown, { token = TOKEN, method = 'POST' } = {}) {
    const response = await fetch(`http://127.0.0.1:${server.port}/hooks/alertmanager`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(method === 'GET' ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: await response.text() };
  }
  const firing = (changes: object = {}): object => alertOf({ namespace: 'auth', ...changes });

  it('hears an alert of a rollout, P0 and P1 in the urgent lane, and its repetition without a word', async () => {
    const all = alertmanagerMessage(firing(), firing({ severity: 'P2', name: 'Other' }));
    expect((await post(all)).body).to.equal('{"heard":2,"ignored":[]}');
    await post(all);
    expect(rung).to.deep.equal([`${KEY} urgent`, `${KEY} normal`]);
    expect(signals.view(KEY)).to.deep.equal([
      { name: 'AuthAlert', severity: 'P0', sinceMs: Date.parse('2030-01-01T02:00:00.123Z') },
      { name: 'Other', severity: 'P2', sinceMs: Date.parse('2030-01-01T02:00:00.123Z') },
    ]);
    expect(answers).to.deep.equal(['200 2', '200 2']);
  });

  it('forgets what is resolved and rings for it', async () => {
    await post(alertmanagerMessage(firing({ severity: 'P1' })));
    await post(alertmanagerMessage(firing({ severity: 'P1', status: 'resolved' })));
    expect(signals.view(KEY)).to.deep.equal([]);
    expect(rung).to.deep.equal([`${KEY} urgent`, `${KEY} normal`]);
  });

  it('says of each alert that it does not take why', async () => {
    const strange = { ...firing(), labels: { alertname: 'Strange' } };
    const { status, body } = await post(
      alertmanagerMessage(firing(), strange, firing({ severity: 'critical' }), firing({ rollout: 'unknown' })),
    );
    expect(status).to.equal(200);
    expect(JSON.parse(body)).to.deep.equal({
      heard: 1,
      ignored: [
        { alert: 'Strange', why: 'it needs the labels latchkey_rollout and namespace' },
        { alert: 'AuthAlert', why: 'its severity is not P0, P1, P2 or P3' },
        { alert: 'AuthAlert', why: 'no AuthRollout auth/unknown' },
      ],
    });
  });

  it('answers 404 when no rollout of a message exists', async () => {
    const { status, headers, body } = await post(alertmanagerMessage(firing({ rollout: 'unknown' })));
    expect([status, headers.get('content-type')]).to.deep.equal([404, 'application/problem+json']);
    expect(JSON.parse(body)).to.deep.include({
      code: 'unknown-rollout',
      detail: 'AuthAlert: no AuthRollout auth/unknown',
    });
  });

  it('takes nothing without the token, whatever is sent', async () => {
    for (const token of ['', 'wrong', `${TOKEN}x`, TOKEN.slice(1)]) {
      const { status, headers } = await post(alertmanagerMessage(firing()), { token });
      expect([status, headers.get('www-authenticate')]).to.deep.equal([401, 'Bearer']);
    }
    expect(signals.view(KEY)).to.deep.equal([]);
    expect(answers[0]).to.equal('401 0');
  });

  it('follows a changed token, and is off while it is gone or short', async () => {
    writeFileSync(tokenFile, 'another-token-of-the-day');
    expect((await post(alertmanagerMessage(firing()))).status).to.equal(401);
    writeFileSync(tokenFile, 'short');
    expect((await post(alertmanagerMessage(firing()), { token: 'short' })).status).to.equal(404);
    writeFileSync(tokenFile, TOKEN);
    expect((await post(alertmanagerMessage(firing()))).status).to.equal(200);
  });

  it('sends Alertmanager to another replica while it does not lead', async () => {
    isLeading = false;
    const { status, headers } = await post(alertmanagerMessage(firing()));
    expect([status, headers.get('retry-after'), headers.get('connection')]).to.deep.equal([503, '1', 'close']);
    expect(signals.view(KEY)).to.deep.equal([]);
  });

  it('refuses what is no message of version 4, too long, or no POST', async () => {
    const wrong = await post({ ...alertmanagerMessage(firing()), version: '3' });
    expect([wrong.status, wrong.body]).to.satisfy(
      ([status, body]: [number, string]) => status === 400 && body.includes('version'),
    );
    expect((await post('{"version": "4"')).status).to.equal(400);
    expect((await post(alertmanagerMessage({ ...firing(), startsAt: 'yesterday' }))).body).to.contain(
      'alerts.0.startsAt',
    );
    expect((await post('x'.repeat(1024 * 1024 + 1))).status).to.equal(413);
    expect((await post(undefined, { method: 'GET' })).status).to.equal(405);
    expect(rung).to.deep.equal([]);
  });
});
