/**
 * A loopback port for a server that will listen there, and may have to come back to it. Called by embedded/postgres.ts, the tests and the bench.
 *
 * Below the range that the kernel takes clients' ports from: a port of that range may be somebody's own end of a connection by the time its
 * server comes back, and a client that keeps trying a dead one there connects, now and then, to itself.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Linux hands out 32768 and up; services that people know live below 10000. */
const [LOWEST, HIGHEST] = [10_000, 32_767];
const TRIES = 100;

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer();
  const listening = once(server, 'listening').then(() => true);
  server.listen(port, '127.0.0.1');
  if (!(await listening.catch(() => false))) return false;
  server.close();
  await once(server, 'close');
  return true;
};

/** @throws when a hundred ports in a row are taken */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port between ${LOWEST} and ${HIGHEST} is free`);
};
