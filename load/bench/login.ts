/** `login`: how much of the CPU time that a login costs is the hash itself, against bcrypt alone on the same core in the same minute. */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { logins, registerAtFullCost } from './latchkey.ts';
import { after, closedLoop } from './load.ts';
import { spreadOf } from './measure.ts';
import { PinnedProcess } from './pinned-process.ts';
import type { Scenario } from './scene.ts';

const HASH_LIMIT = fileURLToPath(new URL('./hash-limit.ts', import.meta.url));
const EFFICIENCY = 0.95;
const ACCOUNTS = 4;
/** As many as one core hashes, and one that waits. */
const CONNECTIONS = 2;

const result = z.object({ hashes: z.number(), seconds: z.number(), cpuSeconds: z.number() });

export interface HashLimit {
  readonly hashes: number;
  readonly cpuSeconds: number;
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

/** bcrypt 12 alone, one after the other, on the servers' core. */
export const measureHashLimit = async (seconds: number): Promise<HashLimit> => {
  const args = [HASH_LIMIT, String(seconds), '1'];
  const process = await PinnedProcess.start({ name: 'hash limit', args, env: {} });
  const { hashes, seconds: elapsed, cpuSeconds } = result.parse(JSON.parse(await process.output()));
  return { hashes, cpuSeconds, perSecond: hashes / elapsed, perCpuSecond: hashes / cpuSeconds };
};

export const login: Scenario = async ({ latchkey, rounds, seconds }) => {
  const server = await latchkey.serve();
  try {
    const emails = await registerAtFullCost(server.port, ACCOUNTS);
    const next = logins(emails);
    const limits: number[] = [];
    const rates: number[] = [];
    for (let count = 0; count < rounds; count += 1) {
      limits.push((await measureHashLimit(seconds)).perCpuSecond);
      const before = server.cpuSeconds();
      const { statuses } = await closedLoop(
        server.port,
        Array.from({ length: CONNECTIONS }, () => ({ next })),
        after(seconds),
      );
      rates.push((statuses[200] ?? 0) / (server.cpuSeconds() - before));
    }
    const value = spreadOf(rates.map((one, index) => (100 * one) / (limits[index] ?? Number.NaN)));
    return [
      { name: 'bcrypt 12 alone', unit: '/CPU-s', value: spreadOf(limits) },
      { name: 'login', unit: '/CPU-s', value: spreadOf(rates) },
      {
        name: 'login, share of the hash limit',
        unit: '%',
        value,
        target: `≥ ${EFFICIENCY * 100} %`,
        isMet: value.median >= EFFICIENCY * 100,
      },
    ];
  } finally {
    await server.stop();
  }
};
