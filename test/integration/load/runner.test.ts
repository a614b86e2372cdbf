/**
 * `npm run load` from end to end: every scenario in its smallest form on a real server, and the proof that a server which got slower is
 * noticed. The limits of time are widened, since other tests share the cores; whether they hold is for `npm run load` on a quiet machine.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { z } from 'zod';
import { SCENARIOS } from '../../../load/runner/stages.ts';
import { eventually } from '../../support/eventually.ts';

const MAIN = fileURLToPath(new URL('../../../load/runner/main.ts', import.meta.url));
const LIMIT_MS = 280_000;

const level = z.object({ name: z.string(), value: z.number().nullable(), holds: z.boolean() });
const run = z.object({ scenario: z.string(), holds: z.boolean(), answers: z.number(), levels: z.array(level) });
const printed = z.object({ holds: z.boolean(), runs: z.array(run) });

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const load = (...args: readonly string[]): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });

describe('npm run load', function () {
  this.timeout(300_000);
  let folder: string;
  let ended: Ended;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-load-test-'));
    ended = await load('all', '--tolerance', '10', '-o', 'json', '--out', folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const { name } of SCENARIOS) {
    it(`${name} holds its levels on a server as in production, and leaves its report`, async () => {
      expect(ended.stdout, ended.stderr).to.match(/^\{/);
      const found = printed.parse(JSON.parse(ended.stdout)).runs.find(({ scenario }) => scenario === name);
      expect(found?.levels.filter(({ holds }) => !holds)).to.deep.equal([]);
      expect(found?.answers).to.be.above(0);
      const page = await readFile(join(folder, `${name}-smoke`, 'report.html'), 'utf8');
      expect(page)
        .to.include('Every service level holds.')
        .and.include('<svg')
        .and.not.match(/NaN|undefined/);
      expect(run.parse(JSON.parse(await readFile(join(folder, `${name}-smoke`, 'summary.json'), 'utf8'))).holds).to.be
        .true;
    });
  }

  it('ends with 0 when every level holds', () => expect(ended.code, ended.stderr).to.equal(0));

  it('fails at a server that got three times slower, and says which level', async () => {
    const slow = ['--stage', 'average', '--duration', '5s', '--users', '4', '--slow', '3'];
    const { code, stdout, stderr } = await load('login', ...slow, '--out', folder);
    expect(code, stderr).to.equal(1);
    expect(stdout).to.match(/✗ login, p95/);
    expect(await readFile(join(folder, 'login-average', 'report.html'), 'utf8')).to.include('✗ missed');
  });

  it('puts no load on a server that does not answer: it ends with 1 and says why', async () => {
    const { code, stdout } = await load(
      'validate',
      '--base-url',
      'http://127.0.0.1:1',
      '--out',
      folder,
      '--duration',
      '1s',
    );
    expect(code).to.equal(1);
    expect(stdout).to.include('✗ requests that failed').and.include('✗ session validation');
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const own = join(folder, 'interrupted');
    await mkdir(own);
    for (const path of [folder, own]) await chmod(path, 0o755); // PostgreSQL is another user, and must get through
    const env = { ...process.env, TMPDIR: own };
    const child = spawn(process.execPath, [MAIN, 'validate', '--duration', '60s'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    for await (const chunk of child.stderr) if (String(chunk).includes('validate, smoke')) break;
    const gone = once(child, 'exit');
    child.kill('SIGINT');
    expect(await gone).to.deep.equal([130, null]);
    const isRunning = (): boolean => spawnSync('pgrep', ['-f', own]).status === 0;
    await eventually('what it started has ended', 10_000, () => !isRunning());
    expect(await readdir(own)).to.deep.equal([]);
  });

  it('ends with 2 at a wrong command line, and starts nothing', async () => {
    const { code, stderr } = await load('login', '--base-url', 'https://auth.example.com');
    expect(code).to.equal(2);
    expect(stderr).to.include('--allow-remote');
  });
});
