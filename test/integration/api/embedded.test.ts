/** `npm start`: everything comes along, works at the first line it prints, leaves nothing behind, and survives being killed. */
import { type ChildProcess, exec, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { isOpenToAll } from '../../../api/src/embedded/binaries.ts';
import { freePort } from '../../../api/src/embedded/free-port.ts';
import { eventually } from '../../support/eventually.ts';

const DEV = fileURLToPath(new URL('../../../api/src/dev.ts', import.meta.url));

describe('the embedded api', () => {
  let folder: string;
  let output = '';
  let child: ChildProcess | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-home-'));
  });
  afterEach(async () => {
    if (child?.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGINT');
    await once(child, 'exit');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const start = async (): Promise<ChildProcess> => {
    const { PATH = '', HOME = '' } = process.env;
    output = '';
    const started = spawn(process.execPath, [DEV], {
      env: { PATH, HOME, LATCHKEY_HOME: folder, PORT: String(await freePort()), BCRYPT_COST: '4' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child = started;
    return started;
  };
  const invitation = () =>
    eventually('it prints a line', 20_000, () =>
      output
        .split('\n')
        .find((line) => line.includes('curl'))
        ?.trim(),
    );
  const postmaster = async () =>
    Number((await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
  /** A process without a command line is a zombie: dead, and waiting for its parent to notice. */
  const isAlive = (pid: number) =>
    readFile(`/proc/${pid}/cmdline`, 'utf8').then(
      (command) => command !== '',
      () => false,
    );

  it('prints a line that registers and logs in, and Ctrl-C stops the database too', async () => {
    const api = await start();
    const { stdout } = await promisify(exec)(await invitation());
    expect(stdout)
      .to.match(/"user":\{"id":/)
      .and.to.include('"accessToken"');
    const pid = await postmaster();
    api.kill('SIGINT');
    await once(api, 'exit');
    expect(api.exitCode).to.equal(0);
    expect(await isAlive(pid)).to.equal(false);
  });

  it('keeps accounts and keys over a restart, the keys for their owner alone', async () => {
    await start();
    const { stdout } = await promisify(exec)(await invitation());
    expect(stdout).to.include('email-taken').and.to.include('"accessToken"');
    expect((await stat(join(folder, 'keys.json'))).mode & 0o777).to.equal(0o600);
  });

  it('starts again after kill -9, which left its database running', async () => {
    const first = await start();
    await invitation();
    const orphan = await postmaster();
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(await isAlive(orphan)).to.equal(true);
    await start();
    expect((await promisify(exec)(await invitation())).stdout).to.include('"accessToken"');
    expect(await isAlive(orphan)).to.equal(false);
  });

  it('refuses a folder that another one uses, and says what to do', async () => {
    const first = await start();
    await invitation();
    const second = await start();
    await once(second, 'exit');
    expect(second.exitCode).to.equal(1);
    expect(output).to.match(
      /^latchkey: process \d+ uses \S+ already: stop it, or set LATCHKEY_HOME to another folder\n$/,
    );
    first.kill('SIGINT');
    await once(first, 'exit');
  });

  it('knows which folders are closed to the unprivileged user', async () => {
    expect(await isOpenToAll('/usr/bin/env')).to.equal(true);
    expect(await isOpenToAll(join(folder, 'anything'))).to.equal((await stat(folder)).mode % 2 === 1);
  });
});
