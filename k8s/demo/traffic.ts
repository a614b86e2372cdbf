// Runs k6 against the gateway and reads its answer log while it grows. Called by demo.ts and test/support/traffic.ts;
// what it reads goes through answers.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LocalClusterError } from '../local/failure.ts';
import { waitFor } from '../local/wait.ts';
import { type Answer, type LostSession, parseAnswers } from './answers.ts';

export interface TrafficOptions {
  readonly k6: string;
  readonly baseUrl: string;
  /** Overrides of the options that load/mixed.ts documents. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Waits until so many users have logged in, for who wants to see steady traffic and not its beginning. */
  readonly untilSignedIn?: number;
}

export interface Traffic {
  readonly startedAtMs: number;
  /** Everything that was answered so far; grows, is never rewritten. */
  readonly answers: readonly Answer[];
  readonly lost: readonly LostSession[];
  /** Reads what k6 has logged since the last call. */
  catchUp(): Promise<void>;
  /** Ends k6 as Ctrl-C would, reads the rest of its log and removes it. */
  stop(): Promise<void>;
}

const mixedScript = fileURLToPath(new URL('../../load/mixed.ts', import.meta.url));
const firstAnswerWithinMs = 20_000;
const signedInWithinMs = 60_000;
const servingWithinMs = 120_000;
const stopWithinMs = 15_000;
const readChunkBytes = 1 << 20;

/** @throws LocalClusterError COMMAND_FAILED when k6 ends or nothing is answered at the beginning; CLUSTER_UNHEALTHY when nobody gets in */
export async function startTraffic(options: TrafficOptions): Promise<Traffic> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-traffic-'));
  const logFile = join(folder, 'answers.log');
  const settings = { BASE_URL: options.baseUrl, LOG_ANSWERS: 'all', SUMMARY: join(folder, 'summary.json') };
  const k6 = spawnK6(options.k6, logFile, { ...settings, MAX_FAILED: '1000000', ...options.settings });
  const traffic = followLog(k6, folder, logFile);
  try {
    await waitFor('The first answer to k6', { timeoutMs: firstAnswerWithinMs }, async () => {
      if (k6.exitCode !== null) return true;
      await traffic.catchUp();
      return traffic.answers.length > 0;
    });
    if (traffic.answers.length > 0) return await untilSteady(traffic, options.untilSignedIn ?? 0);
    const said = (await readFile(join(folder, 'k6.log'), 'utf8').catch(() => '')).trim().slice(-600);
    throw new LocalClusterError('COMMAND_FAILED', `k6 ended before it was answered (exit ${k6.exitCode}): ${said}`);
  } catch (error) {
    await traffic.stop();
    throw error;
  }
}

async function untilSteady(traffic: Traffic, users: number): Promise<Traffic> {
  await waitFor(`The login of ${users} users`, { timeoutMs: signedInWithinMs }, async () => {
    await traffic.catchUp();
    return traffic.answers.filter(({ route, status }) => route === 'login' && status === 200).length >= users;
  });
  return traffic;
}

export interface Serving {
  /** The Host header, where the route asks for one. */
  readonly host?: string;
  readonly note?: (text: string) => void;
}

/** Waits until the API answers through the gateway. */
export async function untilServing(baseUrl: string, { host, note }: Serving = {}): Promise<void> {
  await waitFor('An answer of the API through the gateway', { timeoutMs: servingWithinMs }, async () => {
    const status = await statusOf(`${baseUrl}/api/health`, host);
    note?.(`the gateway answers ${status}`);
    return status === 200;
  });
}

/** `fetch` refuses to set a Host header, so this is the plain client. */
export function statusOf(url: string, host: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { host };
    const asked = get(url, { headers, signal: AbortSignal.timeout(2_000) }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', reject);
  });
}

function spawnK6(file: string, logFile: string, settings: Readonly<Record<string, string>>): ChildProcess {
  const flags = [
    'run',
    '--quiet',
    '--no-usage-report',
    '--address',
    '',
    `--console-output=${logFile}`,
    '--log-format=raw',
  ];
  const values = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const complaints = openSync(join(dirname(logFile), 'k6.log'), 'a');
  // Detached: Ctrl-C in the terminal reaches the demo alone, which then ends k6 in order.
  const k6 = spawn(file, [...flags, ...values, mixedScript], {
    stdio: ['ignore', complaints, complaints],
    detached: true,
  });
  k6.on('error', () => undefined); // Seen as an exit without an answer.
  closeSync(complaints);
  return k6;
}

function followLog(k6: ChildProcess, folder: string, logFile: string): Traffic {
  const answers: Answer[] = [];
  const lost: LostSession[] = [];
  const tail = tailOf(logFile);
  const ended = new Promise<void>((resolve) => {
    k6.on('close', () => resolve());
    k6.on('error', () => resolve());
  });
  const catchUp = async (): Promise<void> => {
    const log = parseAnswers(await tail());
    answers.push(...log.answers);
    lost.push(...log.lost);
  };
  const stop = async (): Promise<void> => {
    if (k6.exitCode === null) k6.kill('SIGINT');
    const patience = setTimeout(() => k6.kill('SIGKILL'), stopWithinMs);
    await ended;
    clearTimeout(patience);
    await catchUp();
    await rm(folder, { recursive: true, force: true });
  };
  return { startedAtMs: Date.now(), answers, lost, catchUp, stop };
}

/** Returns the whole lines that were appended since the last call; calls must not overlap, so they queue. */
function tailOf(file: string): () => Promise<string[]> {
  let offset = 0;
  let rest = '';
  let queue: Promise<unknown> = Promise.resolve();
  const readOn = async (): Promise<string[]> => {
    const handle = await open(file, 'r').catch(() => undefined);
    if (handle === undefined) return [];
    try {
      const buffer = Buffer.alloc(readChunkBytes);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
        if (bytesRead === 0) break;
        offset += bytesRead;
        rest += buffer.toString('utf8', 0, bytesRead);
      }
    } finally {
      await handle.close();
    }
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    return lines;
  };
  return () => {
    const next = queue.then(readOn);
    queue = next.catch(() => undefined);
    return next;
  };
}
