/**
 * What of the API the tests have run, held against the user's thresholds: token handling and its middleware whole, services 90 %, refusals 95 %.
 * Called by test/run.ts after the suites, which leave V8's own counts in a folder; c8 makes percentages of them. Types are stripped in place, so
 * counts and source have the same positions.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { z } from 'zod';

interface Threshold {
  readonly name: string;
  readonly files: RegExp;
  readonly linesPercent: number;
  readonly branchesPercent: number;
}

/** The first that fits a file counts. Lines are the user's figures; V8 counts each default and `??` as a branch, so those have a floor of their own. */
export const THRESHOLDS: readonly Threshold[] = [
  {
    name: 'authentication middleware',
    files: /^api\/src\/http\/(authenticate|csrf|cookies|permissions)\.ts$/,
    linesPercent: 100,
    branchesPercent: 95,
  },
  {
    name: 'token manager',
    files: /^api\/src\/(crypto\/(access-token|refresh-token)|core\/rotation|services\/sessions)\.ts$/,
    linesPercent: 100,
    branchesPercent: 93,
  },
  { name: 'services', files: /^api\/src\/services\//, linesPercent: 90, branchesPercent: 75 },
  { name: 'error handlers', files: /^api\/src\/(errors|http\/problems)\.ts$/, linesPercent: 95, branchesPercent: 85 },
];

const counted = z.object({ lines: z.object({ pct: z.number() }), branches: z.object({ pct: z.number() }) });
const summary = z.record(z.string(), counted);

export interface FileCoverage {
  readonly file: string;
  readonly threshold: Threshold;
  readonly linesPercent: number;
  readonly branchesPercent: number;
  readonly isEnough: boolean;
}

const judge = (file: string, { lines, branches }: z.infer<typeof counted>): readonly FileCoverage[] => {
  const threshold = THRESHOLDS.find(({ files }) => files.test(file));
  if (threshold === undefined) return [];
  const isEnough = lines.pct >= threshold.linesPercent && branches.pct >= threshold.branchesPercent;
  return [{ file, threshold, linesPercent: lines.pct, branchesPercent: branches.pct, isEnough }];
};

/** Every file that has a threshold. @throws Error when c8 cannot read the counts */
export const readCoverage = (root: string, counts: string): readonly FileCoverage[] => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-coverage-'));
  try {
    const args = ['node_modules/c8/bin/c8.js', 'report', '--temp-directory', counts, '--reports-dir', folder];
    const options = ['--reporter', 'json-summary', '--include', 'api/src/**/*.ts', '--all'];
    const { status, stderr } = spawnSync(process.execPath, [...args, ...options], { cwd: root, encoding: 'utf8' });
    if (status !== 0) throw new Error(`c8 failed: ${stderr}`);
    const { total: _total, ...files } = summary.parse(
      JSON.parse(readFileSync(join(folder, 'coverage-summary.json'), 'utf8')),
    );
    return Object.entries(files).flatMap(([path, each]) => judge(relative(root, path), each));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** One line a file, the lacking ones marked; how many lack. */
export const reportCoverage = (files: readonly FileCoverage[]): { readonly text: string; readonly lacking: number } => {
  const line = ({ file, threshold, linesPercent, branchesPercent, isEnough }: FileCoverage): string =>
    `  ${isEnough ? '✔' : '✘'} ${file.padEnd(46)} lines ${linesPercent.toFixed(1).padStart(5)} of ${threshold.linesPercent}, branches ${branchesPercent.toFixed(1).padStart(5)} of ${threshold.branchesPercent}`;
  return { text: files.map(line).join('\n'), lacking: files.filter(({ isEnough }) => !isEnough).length };
};
