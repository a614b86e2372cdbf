/**
 * The cache of parts, `$XDG_CACHE_HOME/latchkey` or `~/.cache/latchkey`: one folder a part and version, so that a new pin
 * never meets an old binary. It makes the next start faster and is never needed. parts.ts and the sources use it.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { withLock } from '../lock.ts';
import { type PartName, pins } from './pins.ts';

const lockTimeoutMs = 30 * 60_000;

export function cacheDir(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'latchkey');
}

/** Where a part lies in the cache when it is there. */
export function cachePath(name: PartName): string {
  return join(cacheDir(), `${name}-${pins[name].version}`, name);
}

export function cachedPart(name: PartName): string | undefined {
  return existsSync(cachePath(name)) ? cachePath(name) : undefined;
}

/** Moves a finished file or folder into the cache in one step; returns its place there. */
export function intoCache(name: PartName, finished: string): string {
  const place = cachePath(name);
  mkdirSync(dirname(place), { recursive: true });
  rmSync(place, { recursive: true, force: true });
  renameSync(finished, place);
  return place;
}

/** Works in a fresh folder inside the cache's file system, removed afterwards. */
export async function withScratch<T>(work: (folder: string) => Promise<T>): Promise<T> {
  mkdirSync(cacheDir(), { recursive: true });
  const folder = mkdtempSync(join(cacheDir(), '.scratch-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lets one process at a time do this work: two builds of the same source would take twice as long each. */
export async function withCacheLock<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return await withLock(join(cacheDir(), `.${name}.lock`), { timeoutMs: lockTimeoutMs, signal }, work);
}
