/** Runs one script with k6 and counts its answers while it lasts. Called by main.ts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ScenarioName } from '../service-levels.ts';
import { countOf, type Figures, quantileOf, startCounting } from './figures.ts';
import { type K6Summary, k6Summary } from './judge.ts';

export interface K6Run {
  readonly program: string;
  readonly scenario: ScenarioName;
  /** Of the script: load/profile.ts and load/session.ts say which. */
  readonly settings: Readonly<Record<string, string>>;
  /** Takes what k6 writes; removed by whoever made it. */
  readonly folder: string;
  readonly durationS: number;
  readonly say: (line: string) => void;
  /** Beside it, from the moment k6 begins to ask. */
  readonly meanwhile: (signal: AbortSignal) => Promise<void>;
}

export interface Ran {
  readonly summary: K6Summary;
  readonly figures: Figures;
}

/** k6: a threshold was missed. That is for judge.ts to say. */
const MISSED_CODE = 99;
const SAY_EVERY_MS = 5_000;
/** Start, the last answers, and the summary: a k6 that takes longer hangs. */
const GRACE_MS = 120_000;
const LOOK_EVERY_MS = 100;

const argumentsOf = ({ scenario, settings, folder }: K6Run): readonly string[] => {
  const flags = ['run', '--quiet', '--no-usage-report', '--address', '', '--log-format', 'raw'];
  const files = ['--console-output', join(folder, 'answers.log'), '--summary-export', join(folder, 'summary.json')];
  const values = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  return [...flags, ...files, ...values, fileURLToPath(new URL(`../${scenario}.ts`, import.meta.url))];
};

const start = (run: K6Run): ChildProcess => {
  const words = openSync(join(run.folder, 'k6.log'), 'a');
  const k6 = spawn(run.program, argumentsOf(run), { stdio: ['ignore', words, words] });
  closeSync(words);
  return k6;
};

const isOver = (k6: ChildProcess): boolean => k6.exitCode !== null || k6.signalCode !== null;

/** Reads what was appended; a line that is half written is read the next time. */
const follow = (file: string, take: (line: string) => void): (() => Promise<void>) => {
  let offset = 0;
  return async () => {
    const stream = createReadStream(file, { start: offset, encoding: 'utf8' });
    let rest = '';
    try {
      for await (const chunk of stream) {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          offset += Buffer.byteLength(line) + 1;
          take(line);
        }
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  };
};

const progressLine = ({ seconds }: Figures, atS: number, durationS: number): string => {
  const last = Array.from({ length: SAY_EVERY_MS / 1000 }, (_, back) => seconds.get(Math.floor(atS) - 1 - back));
  const sum = (key: 'good' | 'refused' | 'failed'): number =>
    last.reduce((total, second) => total + (second?.[key] ?? 0), 0);
  const latest = last.find((second) => second !== undefined);
  const p95 = latest === undefined ? '–' : `${quantileOf(latest.buckets, 0.95).toFixed(0)} ms`;
  const perSecond = ((sum('good') + sum('refused') + sum('failed')) / last.length).toFixed(0);
  return `${atS.toFixed(0)} s of ${durationS} s: ${perSecond} answers/s, p95 ${p95}, ${sum('refused')} refused, ${sum('failed')} failed`;
};

const watch = async (k6: ChildProcess, run: K6Run, counting: ReturnType<typeof startCounting>): Promise<void> => {
  const catchUp = follow(join(run.folder, 'answers.log'), counting.add);
  const besides = new AbortController();
  let beside: Promise<void> | undefined;
  let saidMs = performance.now();
  while (!isOver(k6)) {
    await catchUp();
    const { startedAtMs } = counting.figures;
    if (startedAtMs !== undefined) {
      beside ??= run.meanwhile(besides.signal).catch((error: unknown) => {
        if (!besides.signal.aborted) throw error;
      });
      if (performance.now() - saidMs >= SAY_EVERY_MS) {
        saidMs = performance.now();
        run.say(progressLine(counting.figures, (Date.now() - startedAtMs) / 1000, run.durationS));
      }
    }
    await sleep(LOOK_EVERY_MS);
  }
  besides.abort();
  await beside;
  await catchUp();
};

const lastWords = async (folder: string): Promise<string> =>
  (await readFile(join(folder, 'k6.log'), 'utf8').catch(() => '')).trim().slice(-1_000);

/** @throws when k6 ends for another reason than a threshold, with its last words */
export const runK6 = async (run: K6Run): Promise<Ran> => {
  const k6 = start(run);
  const failed = once(k6, 'error').then(([cause]) => {
    throw new Error(`k6 cannot be run: ${run.program}`, { cause });
  });
  const kill = (): void => void k6.kill('SIGKILL');
  const limit = setTimeout(kill, run.durationS * 1000 + GRACE_MS);
  process.once('exit', kill);
  const counting = startCounting();
  try {
    await Promise.race([failed, watch(k6, run, counting)]);
  } finally {
    clearTimeout(limit);
    process.removeListener('exit', kill);
    kill();
  }
  if (k6.exitCode !== 0 && k6.exitCode !== MISSED_CODE) {
    throw new Error(`k6 ended with ${k6.exitCode ?? k6.signalCode}: ${await lastWords(run.folder)}`);
  }
  const text = await readFile(join(run.folder, 'summary.json'), 'utf8');
  const { figures } = counting;
  if ([...figures.routes.values()].every(({ buckets }) => countOf(buckets) === 0)) {
    throw new Error(`nothing was asked: ${await lastWords(run.folder)}`);
  }
  return { summary: k6Summary.parse(JSON.parse(text)), figures };
};
