/** The decision log on a real apiserver: what the operator leaves behind is read by the plugin as its user runs it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { z } from 'zod';
import { decisionLogSchema, MAX_LOG_BYTES, MAX_RECORDS } from '../../../operator/src/core/decision-log-schema.ts';
import { recordsInLog } from '../../../operator/src/plugin/records.ts';
import { verifyList } from '../../../operator/src/plugin/verify.ts';
import { type ChainRecord, recordShape, seal } from '../../../operator/src/record-chain.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import type { OperatorProcess } from '../../support/operator.ts';
import { Scene } from '../../support/rollout-scene.ts';
import { digestOf } from '../../support/workloads.ts';

const PLUGIN = fileURLToPath(new URL('../../../operator/src/plugin/main.ts', import.meta.url));
const QUICK = [
  { weight: 50, hold: '2s', checkEvery: '1s' },
  { weight: 100, hold: '2s', checkEvery: '1s' },
];
const SLOW = [
  { weight: 25, hold: '10m', checkEvery: '1s' },
  { weight: 100, hold: '10m', checkEvery: '1s' },
];

const logShape = decisionLogSchema.extend({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ ownerReferences: z.array(z.looseObject({ uid: z.string() })) }),
});

const pathOf = (scene: Scene): string =>
  `/apis/latchkey.dev/v1alpha1/namespaces/${scene.namespace}/decisionlogs/auth-api`;

describe('the decision log', function () {
  this.timeout(180_000);
  let scene: Scene;

  const log = async (): Promise<z.infer<typeof logShape>> =>
    logShape.parse(await scene.server.request('GET', pathOf(scene)));
  const change = async (operations: readonly object[]): Promise<void> => {
    await scene.server.request('PATCH', pathOf(scene), operations, 'application/json-patch+json');
  };
  const records = async (): Promise<readonly ChainRecord[]> =>
    recordsInLog('', await log()).found.map(({ value }) => recordShape.parse(value));
  const recorded = async (what: string, matches: (record: ChainRecord) => boolean): Promise<ChainRecord> =>
    await eventually(`${what} is recorded`, 20_000, async () =>
      (await records().catch(() => [])).find((record) => matches(record)),
    );
  const said = (operator: OperatorProcess): readonly unknown[] =>
    operator.lines
      .filter((line) => line['kind'] === 'decision-record')
      // The reader of the log adds a message to every line.
      .map(({ msg: _msg, ...record }) => record);
  const run = (args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      const line = [PLUGIN, ...args, '--kubeconfig', scene.server.kubeconfig(), '--namespace', scene.namespace];
      execFile(process.execPath, line, { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      });
    });
  const problems = async (): Promise<readonly string[]> =>
    verifyList(recordsInLog('', await log())).records.flatMap((record) =>
      record.problems.map((problem) => `${record.place}: ${problem}`),
    );

  it('leaves records of a healthy and of a sick rollout that verify, on stdout and in the cluster alike', async () => {
    scene = await Scene.create({ schedule: QUICK });
    const operator = scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.until('v2 is promoted', 60_000, ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 1);
    await scene.release('v3');
    await scene.until('v3 has 50 %', 30_000, () => scene.weight().then((weight) => weight === 50));
    scene.workloads.behaviours.set('v3', { errorShare: 0.5 });
    const rollback = await recorded('the rollback', ({ decision }) => decision.kind === 'rollback');
    expect(rollback.decision).to.deep.include({ reason: 'SeverityP0', severity: 'P0' });
    expect(rollback.decision.write).to.include({ weight: 0 });
    expect(rollback['images']).to.deep.equal([{ container: 'api', image: 'latchkey/api:v3' }]);
    expect(rollback['runningImages']).to.deep.equal([{ container: 'api', image: digestOf('latchkey/api:v3') }]);
    const checked = await recorded('a check', (record) => record['queries'] !== undefined);
    expect(JSON.stringify(checked['queries'])).to.include('http_requests_total');
    await scene.until('all is told', 20_000, ({ status }) => JSON.stringify(status['zero'] ?? {}).includes('provenAt'));
    expect(await operator.kill('SIGTERM')).to.equal(0);

    const { metadata, records: entries } = await log();
    expect(metadata.ownerReferences.map(({ uid }) => uid)).to.deep.equal([(await scene.rollout()).metadata.uid]);
    expect(said(operator)).to.deep.equal(await records());
    const bytes = entries.map(({ data }) => data.length);
    const lengths = (await records()).map((record) => JSON.stringify(record).length);
    console.log(
      `      ${entries.length} records, packed ${Math.round(mean(bytes))} bytes each of ${Math.round(mean(lengths))} (longest line ${Math.max(...lengths)})`,
    );

    const verified = await run(['verify', 'auth-api']);
    expect(verified.code, verified.out + verified.err).to.equal(0);
    expect(verified.out).to.include('rollback SeverityP0').and.to.include('all right');
    const printed = await run(['records', 'auth-api']);
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-records-'));
    try {
      const file = join(folder, 'records.jsonl');
      const lines = [...said(operator), ...operator.lines.filter((line) => line['kind'] === undefined)];
      await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
      expect((await run(['verify', '-f', file])).code).to.equal(0);
      await writeFile(file, printed.out);
      const both = await run(['verify', 'auth-api', '-f', file, '-o', 'json']);
      expect(both.code).to.equal(0);
      expect(JSON.parse(both.out)).to.have.length(2);
      const lenient = join(folder, 'lenient.yaml');
      await writeFile(lenient, 'matrix:\n  errorRate: { p0: 0.9, p1: 0.8, p2: 0.7, p3: 0.6 }\n');
      const replayed = await run(['replay', 'auth-api', '--policy', lenient]);
      expect(replayed.code, replayed.err).to.equal(0);
      expect(replayed.out).to.match(/rollback SeverityP0 +→ 0 %\n +would be /);
      const strict = join(folder, 'strict.yaml');
      await writeFile(strict, 'spec:\n  matrix: {}\n');
      const compared = await run(['diff', strict, lenient, 'auth-api', '-f', file]);
      expect(compared.out, compared.err).to.include('matrix.errorRate.p0  0.05 → 0.9').and.to.include('would be');
      const wrong = await run(['replay', '-f', file, '--policy', file]);
      expect(wrong.code).to.equal(1);
      expect(wrong.err).to.include('is no');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is one chain under two operators, one of which was killed, and stays so when the object was touched or deleted', async () => {
    scene = await Scene.create({ schedule: SLOW });
    const first = scene.operator({ podName: 'first' });
    await scene.adopted();
    await scene.release('v2');
    await recorded('the first step', ({ decision }) => decision.kind === 'advance');
    await first.kill('SIGKILL');
    await scene.expireLease();
    scene.operator({ podName: 'second' });
    await scene.patchRollout({ spec: { paused: true } });
    const paused = await recorded('the pause', ({ decision }) => decision.reason === 'Paused');
    expect(paused.actor).to.include({ pod: 'second', token: 2 });
    expect(new Set((await records()).map(({ actor }) => actor.pod))).to.deep.equal(new Set(['first', 'second']));

    await change([{ op: 'add', path: '/metadata/labels', value: { touched: 'yes' } }]);
    await scene.patchRollout({ spec: { paused: false } });
    await recorded(
      'the resumption',
      ({ sequence, decision }) => sequence > paused.sequence && decision.reason !== 'Paused',
    );
    expect(await problems()).to.deep.equal([]);

    const before = (await log()).records.at(-1);
    await scene.server.request('DELETE', pathOf(scene));
    await scene.patchRollout({ spec: { paused: true } });
    await recorded('the next pause', ({ sequence }) => sequence > (before?.sequence ?? 0));
    const { dropped } = await log();
    expect(dropped.count).to.be.at.least(before?.sequence ?? 0);
    expect(await problems()).to.deep.equal([]);
  });

  it('says which decision was not recorded when the operator died before it could', async () => {
    scene = await Scene.create({ schedule: SLOW });
    const first = scene.operator({ podName: 'first' });
    await scene.adopted();
    const { status } = await scene.rollout();
    await recorded('the adoption', ({ decision }) => decision.reason === status.lastDecision?.reason);
    await first.kill('SIGKILL');
    // As if it had died between the status write of one more decision and its record.
    const last = { decision: 'hold', reason: 'Paused', message: 'x', at: new Date().toISOString() };
    const path = `/apis/latchkey.dev/v1alpha1/namespaces/${scene.namespace}/authrollouts/auth-api/status`;
    await scene.server.request('PATCH', path, { status: { lastDecision: last } }, 'application/merge-patch+json');
    await scene.expireLease();
    scene.operator({ podName: 'second' });
    const next = await recorded('the next decision', ({ actor }) => actor.pod === 'second');
    expect(next.gap).to.include('hold Paused').and.to.include('was not recorded');
    expect(await problems()).to.deep.equal([]);
  });

  it('holds up nothing while the apiserver refuses it: records are on stdout at once and in the cluster later', async () => {
    scene = await Scene.create({ schedule: SLOW });
    const proxy = await FaultProxy.start(scene.server);
    try {
      const refused = { matches: (method: string, path: string) => method !== 'GET' && path.includes('/decisionlogs') };
      proxy.faults.push({ ...refused, status: 500 });
      const operator = scene.operator({ kubeconfig: scene.server.kubeconfig(undefined, proxy.url) });
      await scene.adopted();
      await scene.release('v2');
      await scene.until('v2 has 25 %', 20_000, () => scene.weight().then((weight) => weight === 25));
      const isAdvance = (record: unknown): boolean => JSON.stringify(record).includes('"reason":"Advanced"');
      await eventually('the step is on stdout', 20_000, () => said(operator).some(isAdvance));
      expect(await log().catch(() => undefined), 'no object yet').to.equal(undefined);
      const before = said(operator);
      proxy.faults.length = 0;
      await eventually('the records are stored', 70_000, async () => {
        const there = await records().catch(() => []);
        return there.length >= before.length && there;
      });
      const there = await records();
      await eventually('their lines have come', 5_000, () => said(operator).length >= there.length);
      expect(there.slice(0, before.length)).to.deep.equal(before);
      expect(said(operator).slice(0, there.length)).to.deep.equal(there);
      expect(await problems()).to.deep.equal([]);
    } finally {
      await proxy.close();
    }
  });

  it('finds records that were edited, removed, moved or computed anew', async () => {
    scene = await Scene.create({ schedule: SLOW });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await recorded('the first step', ({ decision }) => decision.kind === 'advance');
    const sound = recordsInLog('a/b', await log());
    const told = (found: (typeof sound)['found']): string =>
      verifyList({ ...sound, found })
        .records.flatMap((record) => record.problems)
        .join('; ');
    expect(told(sound.found)).to.equal('');
    expect(told(sound.found.toSpliced(1, 1))).to.equal('#2 is missing before it');
    expect(told(sound.found.slice(1))).to.equal('#1 is missing before it');
    expect(told([...sound.found.slice(0, 2), ...sound.found.slice(0, 1)])).to.include('was moved: it stands behind #2');
    const edited = sound.found.map((one, index) => ({
      ...one,
      value: index === 1 ? { ...recordShape.parse(one.value), revision: 'another' } : one.value,
    }));
    expect(told(edited)).to.equal('was changed: its hash does not fit what it says');

    // Who may write the object can compute a new chain; the verdict that it tells is still not the one of its figures.
    const [entry, ...others] = (await log()).records;
    const forged = recordShape.parse(sound.found[0]?.value);
    const { hash: _hash, sequence: _sequence, previous, ...body } = forged;
    const decision = { ...forged.decision, kind: 'rollback' };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const sealed = seal({ ...body, decision } as unknown as Parameters<typeof seal>[0], {
      sequence: 0,
      hash: previous,
    });
    const value = recordShape.parse(JSON.parse(sealed.line));
    expect(told([{ place: 'x', value, label: undefined }])).to.match(/^would be .* decision\.kind differ$/);
    expect(entry?.sequence).to.equal(1);

    await change([{ op: 'remove', path: '/records/0' }]);
    expect(others).to.not.be.empty;
    const { code, out } = await run(['verify', 'auth-api']);
    expect(code).to.equal(1);
    expect(out).to.include('#1 is missing before it');
  });

  it('keeps its bounds after many decisions, and the chain goes back to the hash of what was dropped', async () => {
    scene = await Scene.create({ schedule: SLOW });
    const operator = scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await recorded('the first step', ({ decision }) => decision.kind === 'advance');
    const decided = (): readonly ChainRecord[] => said(operator).map((record) => recordShape.parse(record));
    while (decided().length < MAX_RECORDS + 10) {
      for (const paused of [true, false]) {
        const before = decided().length;
        await scene.patchRollout({ spec: { paused } });
        const isAnswer = ({ decision }: ChainRecord): boolean => (decision.reason === 'Paused') === paused;
        await eventually('it is decided', 20_000, () => decided().slice(before).some(isAnswer));
      }
    }
    // What it decides next would move the bound between the two looks.
    await operator.kill('SIGTERM');
    const { records: entries, dropped } = await log();
    expect(entries).to.have.length.at.most(MAX_RECORDS);
    expect(entries.reduce((sum, { data }) => sum + data.length, 0)).to.be.at.most(MAX_LOG_BYTES);
    expect(dropped.count).to.be.above(0);
    expect(await problems()).to.deep.equal([]);
    expect((await run(['verify', 'auth-api'])).out).to.include(`${dropped.count} older ones are named by hash`);
  });
});

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
}
