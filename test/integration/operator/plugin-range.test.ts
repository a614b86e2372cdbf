/** kubectl authrollout replay over a Prometheus range: a real Prometheus that remembers a run, the real apiserver, the plugin as its user runs it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { eventually } from '../../support/eventually.ts';
import { runPlugin, type Said, type Stage } from '../../support/plugin.ts';
import { PastPrometheus, type PastSeries } from '../../support/prometheus.ts';
import { preparedApiserver, Scene } from '../../support/rollout-scene.ts';

const MINUTE = 60_000;
const SCRAPE_MS = 15_000;
/** A run of 30 minutes that ended two hours ago; from its 12th minute on three of a hundred answers fail. */
const FROM_MS = Math.floor(Date.now() / MINUTE) * MINUTE - 150 * MINUTE;
const SICK_FROM_MS = FROM_MS + 12 * MINUTE;
const TO_MS = FROM_MS + 30 * MINUTE;
const NAMESPACE = 'replayed';

const POLICY = {
  schedule: [10, 50, 100].map((weight) => ({ weight, hold: '10m', checkEvery: '1m' })),
};
const LENIENT = { ...POLICY, matrix: { errorRate: { p0: 0.5, p1: 0.4, p2: 0.3, p3: 0.2 } } };

const replayShape = z.looseObject({
  tileMs: z.number(),
  scrapeMs: z.number(),
  fromMs: z.number(),
  toMs: z.number(),
  would: z.looseObject({
    end: z.string(),
    looks: z.number(),
    blindLooks: z.number(),
    entries: z.array(
      z.looseObject({ atMs: z.number(), kind: z.string(), reason: z.string(), weight: z.number().optional() }),
    ),
  }),
  really: z.looseObject({
    source: z.string(),
    replicaSets: z.array(z.string()),
    decisions: z.array(z.looseObject({ atMs: z.number(), reason: z.string(), weight: z.number().optional() })),
  }),
});

/** What a pod of each track was scraped with, second by second the same but for the canary's errors. */
function past(namespace: string): readonly PastSeries[] {
  const times = Array.from(
    { length: (TO_MS - FROM_MS) / SCRAPE_MS + 8 },
    (_, index) => FROM_MS - MINUTE + index * SCRAPE_MS,
  );
  const counter = (
    name: string,
    labels: string,
    pod: string,
    valueAt: (seconds: number, sickSeconds: number) => number,
  ) => ({
    series: `${name}{namespace="${namespace}",pod="${pod}"${labels}}`,
    samples: times.map((atMs) => ({
      atMs,
      value: Math.round(valueAt((atMs - FROM_MS) / 1_000 + 3_600, Math.max(0, atMs - SICK_FROM_MS) / 1_000)),
    })),
  });
  const pod = (name: string, perSecond: number, failing: number): readonly PastSeries[] => [
    counter('http_requests_total', ',status="200"', name, (all, sick) => perSecond * (all - sick * failing)),
    counter('http_requests_total', ',status="500"', name, (_, sick) => perSecond * sick * failing),
    counter('http_request_duration_seconds_count', '', name, (all) => perSecond * all),
    ...['0.2', '0.3', '0.5', '+Inf'].map((bound) =>
      counter('http_request_duration_seconds_bucket', `,le="${bound}"`, name, (all) => perSecond * all),
    ),
    counter('auth_login_attempts_total', '', name, (all) => all),
    ...['auth_login_failures_total', 'auth_db_connection_errors_total', 'auth_db_query_errors_total'].map((metric) =>
      counter(metric, '', name, () => 0),
    ),
    ...['auth_user_complaints_total', 'auth_data_loss_signals_total'].map((metric) =>
      counter(metric, '', name, () => 0),
    ),
  ];
  return [...pod('auth-api-abc-x', 20, 0.03), ...pod('auth-api-stable-def-y', 180, 0)];
}

const ROLLOUTS = `/apis/latchkey.dev/v1alpha1/namespaces/${NAMESPACE}/authrollouts`;

describe('kubectl authrollout replay over a Prometheus range', function () {
  this.timeout(120_000);
  let stage: Stage;
  let folder: string;
  let prometheus: PastPrometheus;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-range-'));
    await writeFile(join(folder, 'strict.yaml'), JSON.stringify(POLICY));
    await writeFile(join(folder, 'lenient.yaml'), JSON.stringify(LENIENT));
    const [server, started] = await Promise.all([preparedApiserver(), PastPrometheus.start(past(NAMESPACE))]);
    stage = { server, namespace: NAMESPACE };
    prometheus = started;
    await server.request('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    await server.request('POST', ROLLOUTS, {
      apiVersion: 'latchkey.dev/v1alpha1',
      kind: 'AuthRollout',
      metadata: { name: 'auth-api' },
      spec: {
        targetRef: { name: 'auth-api' },
        route: { httpRoute: 'auth-api', rule: 'api' },
        metrics: { prometheus: { address: prometheus.address } },
        // As after an abort: what a person holds now was not held then.
        maxWeight: 0,
      },
    });
  });

  after(async () => {
    // An operator of another test would find it.
    await stage.server.request('DELETE', `${ROLLOUTS}/auth-api`);
    await prometheus.stop();
    await rm(folder, { recursive: true });
  });

  const replay = (policy: string, ...args: readonly string[]): Promise<Said> =>
    runPlugin(stage, ['replay', 'auth-api', '--policy', join(folder, policy), ...args]);
  const span = ['--from', new Date(FROM_MS).toISOString(), '--to', new Date(TO_MS).toISOString()];

  it('says when the policy would have taken the run back, with the figures that crossed', async () => {
    const { code, out, err } = await replay('strict.yaml', ...span, '-o', 'json');
    expect(code, err).to.equal(0);
    const { would, really, tileMs, scrapeMs } = replayShape.parse(JSON.parse(out));
    expect({ tileMs, scrapeMs }).to.deep.equal({ tileMs: MINUTE, scrapeMs: SCRAPE_MS });
    expect(would).to.include({ end: 'zeroed', blindLooks: 0 });
    const moves = would.entries.flatMap(({ atMs, weight }) =>
      weight === undefined ? [] : [[(atMs - FROM_MS) / MINUTE, weight]],
    );
    expect(moves.slice(0, 2)).to.deep.equal([
      [0, 10],
      [10, 50],
    ]);
    const last = would.entries.at(-1);
    expect(last).to.include({ kind: 'zero', reason: 'SeverityP1', weight: 0 });
    expect((last?.atMs ?? 0) - SICK_FROM_MS).to.be.within(MINUTE, 2 * MINUTE);
    expect(really).to.deep.include({ source: 'status', decisions: [] });

    const text = await replay('strict.yaml', ...span);
    expect(text.out)
      .to.match(/would +zero SeverityP1 +→ 0 % +P1 errorRate 3% \(limit 1%, \d+ requests\)/)
      .and.to.match(/would +be taken to 0 % at .* and wait there for a person/)
      .and.to.include(`asked directly at ${prometheus.address}`)
      .and.to.include('every 1m (a sample every 15s in Prometheus)')
      .and.to.include('the sentinel looks at the pods every second');
  });

  it('says that another one would have gone on', async () => {
    const { code, out } = await replay('lenient.yaml', ...span, '-o', 'json');
    expect(code).to.equal(0);
    const { would } = replayShape.parse(JSON.parse(out));
    expect(would.entries.at(-1)).to.include({ kind: 'promote' });
    expect(would.end).to.equal('promoted');
  });

  it('takes the newest run from the history of the object, and shows what was really decided', async () => {
    const at = (minute: number): string => new Date(FROM_MS + minute * MINUTE).toISOString();
    const history = [
      { decision: 'advance', reason: 'Advanced', message: 'from 0% to 10% (step 1 of 3)', at: at(2) },
      { decision: 'advance', reason: 'Advanced', message: 'from 10% to 50% (step 2 of 3)', at: at(12) },
      { decision: 'rollback', reason: 'SeverityP0', message: 'P0 errorRate 7%', at: at(20) },
      { decision: 'hold', reason: 'ProvingZero', message: 'weight 0', at: at(21) },
    ];
    const status = { phase: 'RolledBack', revision: 'abcdefabcd', history };
    const path = `${ROLLOUTS}/auth-api/status`;
    await stage.server.request('PATCH', path, { status }, 'application/merge-patch+json');
    const { code, out, err } = await replay('strict.yaml', '--range', '-o', 'json');
    expect(code, err).to.equal(0);
    const { fromMs, toMs, really } = replayShape.parse(JSON.parse(out));
    expect([fromMs, toMs].map((atMs) => (atMs - FROM_MS) / MINUTE)).to.deep.equal([2, 22]);
    expect(really.decisions.map(({ reason }) => reason)).to.deep.equal([
      'Advanced',
      'Advanced',
      'SeverityP0',
      'ProvingZero',
    ]);
    expect((await replay('strict.yaml', '--range')).out).to.match(/really +rollback SeverityP0 +P0 errorRate 7%/);
    await stage.server.request('PATCH', path, { status: { history: null } }, 'application/merge-patch+json');
  });

  it('asks in pieces where Prometheus would refuse so many points, and does not know the time before its data', async () => {
    const { code, out, err } = await replay('lenient.yaml', '--from', '-200h', '--to', '-2h', '-o', 'json');
    expect(code, err).to.equal(0);
    const { would } = replayShape.parse(JSON.parse(out));
    expect(would.looks).to.be.greaterThan(11_000);
    expect(would.looks - would.blindLooks).to.be.within(28, 34);
    expect(would.entries.map(({ reason }) => reason)).to.include('Blind');
  });

  it('says what to do when nothing can be said', async () => {
    const unknown = await replay('strict.yaml', '--range');
    expect(unknown).to.include({ code: 1, out: '' });
    expect(unknown.err).to.include('neither records nor status know when the newest run began: say --from TIME');
    const empty = await replay('strict.yaml', '--from', '-10m');
    expect(empty.err).to.match(
      /Prometheus has nothing of the pods of auth-api in namespace replayed from .* does it keep that long/,
    );
    const backwards = await replay('strict.yaml', '--from', '-1h', '--to', '-2h');
    expect(backwards.err).to.include('--from must be before --to');
    const away = await replay('strict.yaml', ...span, '--prometheus', 'http://127.0.0.1:9');
    expect(away).to.include({ code: 1 });
    expect(away.err).to.match(/Prometheus does not answer, asked directly at http:..127.0.0.1:9: .*--prometheus URL/);
    const other = await replay('strict.yaml', ...span, '--prometheus', `${prometheus.address}/nowhere`);
    expect(other.err).to.include('what answers is no Prometheus');
    const inside = await replay('strict.yaml', ...span, '--prometheus', 'http://prometheus.nowhere.svc:9090');
    expect(inside.err).to.include('Prometheus does not answer, asked directly at http://prometheus.nowhere.svc:9090');
    await writeFile(join(folder, 'wrong.yaml'), 'matrix: { errorRate: { p1: 7 } }');
    const wrong = await replay('wrong.yaml', ...span);
    expect(wrong.err).to.include('wrong.yaml is no policy').and.to.include('errorRate.p1');
  });

  it('goes through the proxy of the API server to an address of the cluster, and says which right that takes', async () => {
    const address = `http://prometheus.${NAMESPACE}.svc:9090`;
    const patch = { spec: { metrics: { prometheus: { address } } } };
    await stage.server.request('PATCH', `${ROLLOUTS}/auth-api`, patch, 'application/merge-patch+json');
    const { code, err } = await replay('strict.yaml', ...span);
    expect(code).to.equal(1);
    expect(err)
      .to.include(`through the API server's proxy, services/http:prometheus:9090 in ${NAMESPACE}`)
      .and.to.include('get services/proxy')
      .and.to.include('--prometheus URL');
    const direct = await replay('strict.yaml', ...span, '--prometheus', prometheus.address);
    expect(direct.code, direct.err).to.equal(0);
  });
});

describe('a replay of a run that the operator has made', function () {
  this.timeout(240_000);

  it('climbs as it did under the same policy, from the records and what was counted', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-range-'));
    const schedule = [
      { weight: 25, hold: '16s', checkEvery: '4s' },
      { weight: 50, hold: '10m', checkEvery: '4s' },
      { weight: 100, hold: '10m', checkEvery: '4s' },
    ];
    const scene = await Scene.create({ schedule });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.until('v2 has 50 %', 60_000, () => scene.weight().then((weight) => weight === 50));
    const arrivedMs = Date.now();
    // A tile must be over, and scraped, before anybody can look at it.
    await eventually('its last seconds were scraped', 30_000, () =>
      scene.prometheus.past().some(({ samples }) => (samples.at(-1)?.atMs ?? 0) > arrivedMs + 12_000),
    );
    const prometheus = await PastPrometheus.start(scene.prometheus.past());
    try {
      const policy = join(folder, 'same.yaml');
      await writeFile(policy, 'matrix: {}');
      const replay = ['replay', 'auth-api', '--range', '--policy', policy, '--prometheus', prometheus.address];
      const { code, out, err } = await runPlugin(scene, [...replay, '-o', 'json']);
      expect(code, err).to.equal(0);
      const { would, really, tileMs } = replayShape.parse(JSON.parse(out));
      expect(really.source).to.equal('records');
      expect(really.replicaSets).to.have.length(1);
      const movesOf = (entries: readonly { readonly atMs: number; readonly weight?: number | undefined }[]) =>
        entries.filter(({ weight }) => weight !== undefined);
      const [mine, theirs] = [movesOf(would.entries), movesOf(really.decisions)];
      expect(theirs.map(({ weight }) => weight)).to.deep.equal([25, 50]);
      expect(
        mine.map(({ weight }) => weight),
        out,
      ).to.deep.equal([25, 50]);
      expect(would.end).to.equal('running');
      for (const [index, { atMs }] of mine.entries()) {
        // What a look finds it finds at the end of its tile, and pods are scraped once a second.
        expect(Math.abs(atMs - (theirs[index]?.atMs ?? 0)), `move ${index + 1}`).to.be.at.most(2 * tileMs);
      }
    } finally {
      await prometheus.stop();
      await rm(folder, { recursive: true });
    }
  });
});
