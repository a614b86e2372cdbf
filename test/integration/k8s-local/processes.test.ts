import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { clusterDown, readCluster } from '../../../k8s/local/cluster.ts';
import { reasonOf } from '../../../k8s/local/failure.ts';
import { paths } from '../../../k8s/local/layout.ts';
import { pauseProgram } from '../../../k8s/local/pause-image.ts';
import { logFile, runningPid, startProcess, stopProcess, waitUntilUp } from '../../../k8s/local/processes.ts';
import { run } from '../../../k8s/local/run.ts';
import { waitFor } from '../../../k8s/local/wait.ts';

const name = 'test-component';

describe('a component of the local cluster', () => {
  after(async () => {
    if (readCluster() === undefined) await clusterDown(); // no cluster: only what these tests wrote is there
  });
  afterEach(async () => {
    await stopProcess(name, 500);
    rmSync(logFile(name), { force: true });
  });

  it('runs until it is stopped, and a stop of a stopped one is fine', async () => {
    const pid = await startProcess({ name, command: '/bin/sleep', args: ['600'] });
    expect(runningPid(name)).to.equal(pid);
    await stopProcess(name);
    expect(runningPid(name)).to.equal(undefined);
    await stopProcess(name);
  });

  it('finds the programs for root that the PATH of a user who became root lacks', async () => {
    const { PATH } = process.env;
    process.env['PATH'] = '/usr/bin:/bin';
    try {
      expect(await run('iptables', ['--version'])).to.match(/^iptables v/);
    } finally {
      process.env['PATH'] = PATH;
    }
  });

  it('that ignores SIGTERM is killed after the grace', async () => {
    const deaf = ['-c', "trap '' TERM; echo deaf; while :; do sleep 1; done"];
    await startProcess({ name, command: '/bin/sh', args: deaf });
    await waitFor('the trap', { timeoutMs: 5000 }, async () => readFileSync(logFile(name), 'utf8').includes('deaf'));
    await stopProcess(name, 300);
    expect(runningPid(name)).to.equal(undefined);
  });

  it('whose pid now belongs to another process is not signalled', async () => {
    const stranger = spawn('/bin/sleep', ['600']);
    await startProcess({ name, command: '/bin/true', args: [] });
    const stale = { ...JSON.parse(readFileSync(join(paths.pids, name), 'utf8')), pid: stranger.pid };
    writeFileSync(join(paths.pids, name), JSON.stringify({ ...stale, startedTicks: '1' }));
    expect(runningPid(name)).to.equal(undefined);
    await stopProcess(name, 300);
    expect(stranger.exitCode).to.equal(null);
    expect(stranger.signalCode).to.equal(null);
    stranger.kill('SIGKILL');
  });

  it('that ends right after its start is reported with its last words', async () => {
    await startProcess({ name, command: '/bin/sh', args: ['-c', 'echo port is taken >&2; exit 1'] });
    const reason = await waitUntilUp(name, 5000, async () => false).catch(reasonOf);
    expect(reason).to.equal(`${name} ended right after its start: port is taken`);
  });
});

describe('the pause program', () => {
  it('is a Linux program that sleeps until it is killed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'latchkey-pause-'));
    const file = join(folder, 'pause');
    writeFileSync(file, pauseProgram(), { mode: 0o755 });
    const child = spawn(file);
    const ended = new Promise((resolve) => {
      child.once('close', (_code, signal) => resolve(signal));
    });
    await waitFor('the program sleeping in pause()', { timeoutMs: 5000 }, async () => {
      return (await run('cat', [`/proc/${child.pid}/syscall`])).startsWith('34 ');
    });
    child.kill('SIGKILL');
    expect(await ended).to.equal('SIGKILL');
    rmSync(folder, { recursive: true });
  });
});
