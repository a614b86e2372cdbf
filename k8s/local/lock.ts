/**
 * One process at a time: a file that holds the owner's pid. cluster.ts uses it for starts and stops, images.ts for builds,
 * parts/cache.ts for builds from source.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type WaitOptions, waitFor } from './wait.ts';

/** Waits for the lock, works, and gives the lock back. The lock of a process that died is taken over. */
export async function withLock<T>(file: string, options: WaitOptions, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  await waitFor(`getting the lock ${file}`, { everyMs: 200, ...options }, async () => takeLock(file));
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function takeLock(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    const owner = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (owner !== '' && !existsSync(`/proc/${owner}`)) rmSync(file, { force: true });
    return false;
  }
}
