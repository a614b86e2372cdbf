/** What a run ran on. Called by main.ts; shown in the report, since a figure without its machine says nothing. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  /** Processes that wanted a core in the minute before the run. */
  readonly loadBefore: number;
  /** Others were at work already: figures of speed are theirs too. */
  readonly isBusy: boolean;
}

/** More than this part of the cores was wanted before anything of ours ran. */
const BUSY_SHARE = 0.5;

export const describeMachine = (): Machine => {
  const cores = availableParallelism();
  const [loadBefore = 0] = loadavg();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores,
    memoryGb: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()}`,
    loadBefore: Math.round(loadBefore * 100) / 100,
    isBusy: loadBefore > cores * BUSY_SHARE,
  };
};

export interface Versions {
  readonly latchkey: string;
  /** The commit, with `-dirty` where files differ from it. */
  readonly commit: string;
  readonly node: string;
  readonly k6: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const manifest = z.object({ version: z.string() });

const said = async (file: string, args: readonly string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(file, [...args], { cwd: ROOT, timeout: 10_000 });
  return stdout.trim();
};

export const describeVersions = async (k6: string): Promise<Versions> => ({
  latchkey: manifest.parse(JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))).version,
  commit: await said('git', ['describe', '--always', '--dirty']).catch(() => 'unknown'),
  node: process.version,
  k6: /v\d+\.\d+\.\d+/.exec(await said(k6, ['version']))?.[0] ?? 'unknown',
});
