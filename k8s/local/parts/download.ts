/**
 * Fetches an official release file and checks its SHA-256. parts.ts calls it before it builds anything; whatever goes
 * wrong here is an answer ("unavailable, because …"), since the build is still to come.
 */
import { createHash } from 'node:crypto';
import { chmodSync, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { reasonOf } from '../failure.ts';
import { run } from '../run.ts';
import { intoCache, withScratch } from './cache.ts';
import type { Download, PartName } from './pins.ts';

export type DownloadResult =
  | { readonly kind: 'done'; readonly path: string }
  | { readonly kind: 'unavailable'; readonly why: string };

const probeTimeoutMs = 4000;
const downloadTimeoutMs = 300_000;
const sumPattern = /\b[0-9a-f]{64}\b/;

/** One question a host and process: a closed network costs seconds, not minutes. */
const reachableHosts = new Map<string, Promise<string | undefined>>();

/** Downloads, verifies and caches one part. Never throws for a reason of the network or of the file. */
export async function downloadPart(name: PartName, download: Download, signal: AbortSignal): Promise<DownloadResult> {
  const why = await hostProblem(new URL(download.url).origin);
  if (why !== undefined) return { kind: 'unavailable', why };
  try {
    const path = await withScratch(async (folder) => {
      const file = join(folder, 'download');
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(downloadTimeoutMs)]);
      const expected = download.sha256 ?? (await publishedSum(download, bounded));
      const actual = await fetchTo(download.url, file, bounded);
      if (actual !== expected) throw new Error(`its SHA-256 is ${actual}, expected ${expected}`);
      return intoCache(name, await programIn(file, folder, download.member));
    });
    return { kind: 'done', path };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'unavailable', why: `${download.url}: ${reasonOf(error)}` };
  }
}

async function hostProblem(origin: string): Promise<string | undefined> {
  const known = reachableHosts.get(origin);
  if (known !== undefined) return await known;
  const answer = fetch(origin, {
    method: 'HEAD',
    redirect: 'manual',
    signal: AbortSignal.timeout(probeTimeoutMs),
  }).then(
    () => undefined,
    () => `${origin} is not reachable`,
  );
  reachableHosts.set(origin, answer);
  return await answer;
}

/** The sum that the publisher lists for this file: alone in its file, or in a line that names it. */
async function publishedSum(download: Download, signal: AbortSignal): Promise<string> {
  const response = await fetch(download.sumsUrl, { signal });
  if (!response.ok) throw new Error(`${download.sumsUrl} answered ${response.status}`);
  const lines = (await response.text()).split('\n').filter((line) => sumPattern.test(line));
  const file = download.url.slice(download.url.lastIndexOf('/') + 1);
  const line = lines.length === 1 ? lines[0] : lines.find((text) => text.trimEnd().endsWith(file));
  const sum = sumPattern.exec(line ?? '')?.[0];
  if (sum === undefined) throw new Error(`${download.sumsUrl} has no SHA-256 for ${file}`);
  return sum;
}

/** Streams the body into the file and returns its SHA-256; a body that is cut off fails. */
async function fetchTo(url: string, file: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal });
  if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(Readable.fromWeb(response.body), hashing, createWriteStream(file), { signal });
  return hash.digest('hex');
}

async function programIn(file: string, folder: string, member: string | undefined): Promise<string> {
  if (member !== undefined) await run('tar', ['-xzf', file, '-C', folder, member]);
  const program = member === undefined ? file : join(folder, member);
  chmodSync(program, 0o755);
  return program;
}
