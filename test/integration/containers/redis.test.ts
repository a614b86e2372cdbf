/** Redis as api/compose starts it, run for real: the password it wants, and that it hears the signal to stop. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { parse } from 'yaml';
import { z } from 'zod';
import { freePort } from '../../../api/src/embedded/free-port.ts';
import { eventually } from '../../support/eventually.ts';
import { commandAt } from '../../support/redis.ts';

const FILE = new URL('../../../api/compose/compose.production.yaml', import.meta.url);
const composeFile = z.looseObject({
  services: z.looseObject({ redis: z.looseObject({ entrypoint: z.tuple([z.string()], z.string()) }) }),
});
const PASSWORD = 'b5f0c1d2';

/** The entrypoint as the container gets it, but for its folder and its port. @throws when the text has changed */
const entrypoint = async (folder: string, port: number): Promise<readonly [string, ...string[]]> => {
  const [program, ...args] = composeFile.parse(parse(await readFile(FILE, 'utf8'), { merge: true })).services.redis
    .entrypoint;
  const script = args.pop() ?? '';
  const places = `dir ${folder}\nport ${port}\nbind 127.0.0.1`;
  const changed = script.replaceAll('$$', '$').replace('dir /data', places);
  expect(changed).to.include(places);
  return [program, ...args, changed];
};

describe('Redis in production', function () {
  this.timeout(20_000);
  let folder: string;
  let port: number;
  let child: ChildProcess;

  const command = <T>(work: (client: Redis) => Promise<T>): Promise<T> =>
    commandAt(`redis://:${PASSWORD}@127.0.0.1:${port}`, work);
  const start = async (): Promise<void> => {
    const [program, ...args] = await entrypoint(folder, port);
    const env = { ...process.env, REDIS_PASSWORD: PASSWORD };
    // A group of its own: what a shell leaves behind is found there.
    child = spawn(program, args, { stdio: 'ignore', detached: true, env });
    await eventually('redis answers', 10_000, () => command((client) => client.ping()));
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-redis-'));
    port = await freePort();
    await start();
  });
  afterEach(async () => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // It ended with its test.
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('wants its password', async () => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.write('PING\r\n');
    const [answer]: unknown[] = await once(socket, 'data');
    socket.destroy();
    expect(String(answer)).to.match(/^-NOAUTH /);
  });

  it('ends by itself when it is asked to, and has kept what it was told', async () => {
    await command((client) => client.set('used', 'once'));
    const gone: Promise<unknown[]> = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await gone).to.deep.equal([0, null]);
    await start();
    expect(await command((client) => client.get('used'))).to.equal('once');
  });
});
