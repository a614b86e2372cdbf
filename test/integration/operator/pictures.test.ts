/** `npm run pictures` against a real Prometheus: it finds the last run by itself, says which panels would be empty, and then writes nothing. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { z } from 'zod';
import { PastPrometheus, type PastSeries } from '../../support/prometheus.ts';

const COMMAND = fileURLToPath(new URL('../../../k8s/dashboards/record.ts', import.meta.url));
const RECORDING = fileURLToPath(new URL('../../../docs/images/recording.json', import.meta.url));
const found = z.object({
  from: z.string(),
  stepS: z.number(),
  points: z.number(),
  series: z.number(),
  empty: z.array(z.string()),
  isWritten: z.boolean(),
});
const failed = z.object({ code: z.number(), stdout: z.string(), stderr: z.string() });

const command = async (...args: readonly string[]) => {
  const run = promisify(execFile)(process.execPath, [COMMAND, ...args], { timeout: 60_000 });
  return await run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: unknown) => failed.parse(error),
  );
};

const OF = 'exported_namespace="auth",name="auth-api"';

/** A series that stands at a value in some of the seconds. */
const during = (
  series: string,
  value: number,
  seconds: readonly [from: number, until: number],
  beganMs: number,
): PastSeries => ({
  series,
  samples: Array.from({ length: seconds[1] - seconds[0] }, (_, index) => ({
    atMs: beganMs + (seconds[0] + index) * 1_000,
    value,
  })),
});

describe('npm run pictures', function () {
  this.timeout(120_000);
  let prometheus: PastPrometheus;
  const beganMs = Math.floor(Date.now() / 1_000 - 400) * 1_000;

  before(async () => {
    const info = (phase: string, revision: string, seconds: readonly [number, number]): PastSeries =>
      during(`latchkey_rollout_info{${OF},phase="${phase}",revision="${revision}"}`, 1, seconds, beganMs);
    prometheus = await PastPrometheus.start([
      info('Succeeded', 'a', [0, 50]),
      info('Progressing', 'b', [50, 140]),
      info('Succeeded', 'b', [140, 160]),
      info('Progressing', 'c', [160, 180]),
      info('RolledBack', 'c', [180, 260]),
      during(`latchkey_rollout_weight{${OF}}`, 25, [0, 260], beganMs),
    ]);
  });
  after(() => prometheus?.stop());

  it('finds the last run and names every query without an answer, which ends it with 1 and writes nothing', async () => {
    const kept = readFileSync(RECORDING, 'utf8');
    const { code, stdout } = await command('--prometheus', prometheus.address, '-o', 'json');
    expect(code).to.equal(1);
    const { from, points, stepS, series, empty, isWritten } = found.parse(JSON.parse(stdout));
    expect(isWritten).to.equal(false);
    expect(Math.abs(Date.parse(from) - (beganMs + 42_000))).to.be.at.most(2_000);
    expect((points - 1) * stepS).to.be.within(155, 160);
    // The phases, for both pictures, and the weight, for both.
    expect(series).to.equal(12);
    expect(empty).to.include('sum(latchkey_leader)');
    expect(readFileSync(RECORDING, 'utf8')).to.equal(kept);
  });

  it('says what to do where no rollout was taken back', async () => {
    const { code, stderr } = await command('--prometheus', prometheus.address, '--namespace', 'elsewhere');
    expect(code).to.equal(1);
    expect(stderr).to.contain('no rollout in elsewhere').and.to.contain('npm run demo -- --keep');
  });

  for (const args of [['-o', 'yaml'], ['--from', '2026-01-01T00:00:00Z'], ['--from', 'x', '--to', 'y'], ['--colour']])
    it(`ends with 2 and says how it is used when asked with ${args.join(' ')}`, async () => {
      const { code, stderr } = await command('--prometheus', prometheus.address, ...args);
      expect(code).to.equal(2);
      expect(stderr).to.contain('npm run pictures -- [options]');
    });
});
