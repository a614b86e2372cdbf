/**
 * `npm test`: static checks, then every suite, on real parts. Called by package.json and .ci/run; the last line is "N passed, N failed".
 *
 * The cluster's parts are fetched or built in the background from the first second on, because on a cold machine they take longest;
 * suites that do not need them run meanwhile, the API's integration tests among them.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { clusterDown, clusterParts } from '../k8s/local/cluster.ts';
import { reasonOf } from '../k8s/local/failure.ts';
import { partsFor } from '../k8s/local/parts.ts';
import { progressTo } from '../k8s/local/progress.ts';
import { readCoverage, reportCoverage } from './coverage.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const COMPILED = join(ROOT, 'node_modules/.cache/latchkey-test');
const SUITES = ['static', 'unit', 'property', 'integration-api', 'contract', 'integration-operator', 'e2e'] as const;
type Suite = (typeof SUITES)[number];
/**
 * A suite's lanes, each a process of its own beside the others. The operator's tests wait most of the time, for holds and bounds: two lanes of
 * them take thirteen minutes instead of twenty-three.
 */
const LANES: Readonly<Record<Exclude<Suite, 'static'>, readonly (readonly string[])[]>> = {
  unit: [['test/unit/**/*.test.ts']],
  property: [['test/property/**/*.test.ts']],
  'integration-api': [['test/integration/api/**/*.test.ts']],
  contract: [['test/contract/**/*.test.ts']],
  'integration-operator': [
    ['test/integration/operator/[a-l]*.test.ts'],
    ['test/integration/operator/[m-z]*.test.ts', 'test/integration/{charts,containers,k8s-local,load}/**/*.test.ts'],
  ],
  e2e: [['test/e2e/**/*.test.ts']],
};
/** The suites that run the API in their own process. */
const COVERED = [
  'unit',
  'property',
  'integration-api',
  'contract',
  'integration-operator',
] as const satisfies readonly Suite[];

/** Hard bound of one suite; a hung suite must fail with its name, not time out the whole run. */
const SUITE_LIMIT_MS = {
  static: 5 * 60_000,
  unit: 60_000,
  property: 5 * 60_000,
  contract: 5 * 60_000,
  'integration-api': 30 * 60_000,
  'integration-operator': 40 * 60_000,
  e2e: 40 * 60_000,
} as const;
const LONG_FACTOR = 4;

interface Tally {
  readonly suite: string;
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
}

const HELP = `usage: npm test -- [--only SUITE[,SUITE]] [--grep PATTERN] [--long] [--keep]

  --only   some of: ${SUITES.join(', ')}; integration is both of its kind
  --grep   only tests whose title matches
  --long   the full counts of the end-to-end tests (npm run test:long)
  --keep   leave the cluster running afterwards`;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    grep: { type: 'string' },
    long: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const resultSchema = z.object({ passed: z.number(), failed: z.number(), pending: z.number() });
const startedAt = performance.now();
const elapsed = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
const say = (text: string): void => console.log(`\n── ${text} (${elapsed()})`);

interface Run {
  readonly command: string;
  readonly args: readonly string[];
  readonly limitMs: number;
  readonly env?: Readonly<Record<string, string>>;
  /** An open file for what it says, instead of showing it. */
  readonly output?: number;
}

/** Runs a command with its output shown; its exit code, or 124 when the limit killed it. */
const run = ({ command, args, limitMs, env, output }: Run): Promise<number> =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', output ?? 'inherit', output ?? 'inherit'],
      env: { ...process.env, ...env },
    });
    let overran = false;
    const limit = setTimeout(() => {
      overran = true;
      console.error(`${command} ${args.join(' ')}: stopped after ${limitMs / 1000} s`);
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 5_000).unref();
    }, limitMs);
    child.once('error', (error) => {
      clearTimeout(limit);
      console.error(`${command}: ${error.message}`);
      resolve(127);
    });
    child.once('exit', (code) => {
      clearTimeout(limit);
      resolve(overran ? 124 : (code ?? 1));
    });
  });

const CHECKS: readonly (readonly [name: string, args: readonly string[]])[] = [
  ['types', ['node_modules/typescript/bin/tsc', '-p', '.']],
  ['lint', ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings', '.']],
  ['format', ['node_modules/@biomejs/biome/bin/biome', 'check', '.']],
  ['generated files', ['operator/src/crd/generate.ts', '--check']],
  ['generated reference', ['api/src/openapi/generate.ts', '--check']],
  ['generated dashboards', ['k8s/dashboards/generate.ts', '--check']],
];

const staticChecks = async (): Promise<Tally> => {
  const from = performance.now();
  let failed = 0;
  for (const [name, args] of CHECKS) {
    const code = await run({ command: process.execPath, args, limitMs: SUITE_LIMIT_MS.static });
    console.log(`  ${code === 0 ? '✔' : '✘'} ${name}`);
    failed += code === 0 ? 0 : 1;
  }
  return { suite: 'static', passed: CHECKS.length - failed, failed, seconds: (performance.now() - from) / 1000 };
};

/** Where V8 leaves its counts of what ran; only where every suite that runs the API does so whole. */
const countsFolder = (suites: readonly Suite[]): string | undefined => {
  const isWhole = flags.grep === undefined && COVERED.every((suite) => suites.includes(suite));
  return isWhole ? mkdtempSync(join(tmpdir(), 'latchkey-counts-')) : undefined;
};

/** One file that lacks is one failure. */
const coverage = (counts: string): Tally => {
  const from = performance.now();
  try {
    const files = readCoverage(ROOT, counts);
    const { text, lacking } = reportCoverage(files);
    console.log(text);
    const seconds = (performance.now() - from) / 1000;
    return { suite: 'coverage', passed: files.length - lacking, failed: files.length === 0 ? 1 : lacking, seconds };
  } finally {
    rmSync(counts, { recursive: true, force: true });
  }
};

type Counted = Pick<Tally, 'passed' | 'failed'>;

/** One process; shown as it goes, or, where another lane has the screen, once it has ended. */
const mochaLane = async (
  suite: Exclude<Suite, 'static'>,
  files: readonly string[],
  { coverageFolder, isShown }: { readonly coverageFolder: string | undefined; readonly isShown: boolean },
): Promise<Counted> => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  const result = join(folder, 'result.json');
  const said = join(folder, 'said.txt');
  const args = ['node_modules/mocha/bin/mocha.js', '--reporter', 'test/support/reporter.cjs', ...files];
  const code = await run({
    command: process.execPath,
    args: flags.grep === undefined ? args : [...args, '--grep', flags.grep],
    limitMs: SUITE_LIMIT_MS[suite] * (flags.long ? LONG_FACTOR : 1),
    ...(isShown ? {} : { output: openSync(said, 'a') }),
    env: {
      LATCHKEY_TEST_RESULT: result,
      NODE_ENV: 'test',
      ...(flags.long ? { TEST_LONG: '1' } : {}),
      // Stripping types again each time is a fifth of the quick suite; where lines are counted, nothing comes from a cache.
      ...(suite === 'unit' && coverageFolder === undefined ? { NODE_COMPILE_CACHE: COMPILED } : {}),
      ...(coverageFolder !== undefined && COVERED.some((each) => each === suite)
        ? { NODE_V8_COVERAGE: coverageFolder }
        : {}),
    },
  });
  if (!isShown) process.stdout.write(readFileSync(said));
  const counts = readCounts(result);
  rmSync(folder, { recursive: true, force: true });
  // A runner that died, or that ended badly without a failed test, is one failure of its own.
  const crashed = counts === undefined || (code !== 0 && counts.failed === 0);
  const failed = (counts?.failed ?? 0) + (counts?.pending ?? 0) + (crashed ? 1 : 0);
  return { passed: counts?.passed ?? 0, failed };
};

const mochaSuite = async (suite: Exclude<Suite, 'static'>, coverageFolder: string | undefined): Promise<Tally> => {
  const from = performance.now();
  const lanes = await Promise.all(
    LANES[suite].map((files, index) => mochaLane(suite, files, { coverageFolder, isShown: index === 0 })),
  );
  return {
    suite,
    passed: lanes.reduce((sum, { passed }) => sum + passed, 0),
    failed: lanes.reduce((sum, { failed }) => sum + failed, 0),
    seconds: (performance.now() - from) / 1000,
  };
};

const readCounts = (file: string): z.infer<typeof resultSchema> | undefined => {
  try {
    return resultSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
};

const chosenSuites = (): readonly Suite[] => {
  if (flags.only === undefined) return SUITES;
  const names = flags.only.split(',');
  const means = (name: string, suite: Suite): boolean => suite === name || suite.startsWith(`${name}-`);
  const unknown = names.filter((name) => !SUITES.some((suite) => means(name, suite)));
  if (unknown.length > 0) {
    console.error(`unknown suite ${unknown.join(', ')}; choose from ${SUITES.join(', ')}`);
    process.exit(2);
  }
  return SUITES.filter((suite) => names.some((name) => means(name, suite)));
};

const progress = progressTo((line) => console.error(line));

/** The parts that integration and end-to-end tests run; false when one cannot be had, its reason said. */
const getParts = async (): Promise<boolean> => {
  try {
    // Chromium is for the tests of the client, which get it themselves where they run alone.
    await partsFor([...clusterParts, 'nginx', 'chromium'], { progress });
    return true;
  } catch (error) {
    console.error(reasonOf(error));
    return false;
  }
};

const report = (tallies: readonly Tally[]): number => {
  say('result');
  for (const { suite, passed, failed, seconds } of tallies)
    console.log(`  ${suite.padEnd(22)} ${passed} passed, ${failed} failed, ${seconds.toFixed(1)} s`);
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
};

const needsParts = (suite: Suite): boolean =>
  suite === 'contract' || suite === 'integration-operator' || suite === 'e2e';

const main = async (): Promise<number> => {
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const suites = chosenSuites();
  const tallies: Tally[] = [];
  const counts = countsFolder(suites);
  const parts = suites.some(needsParts) ? getParts() : Promise.resolve(true);
  for (const suite of suites) {
    if (needsParts(suite) && !(await parts)) {
      tallies.push({ suite, passed: 0, failed: 1, seconds: 0 });
      continue;
    }
    say(suite);
    tallies.push(suite === 'static' ? await staticChecks() : await mochaSuite(suite, counts));
  }
  if (counts !== undefined) {
    say('coverage');
    tallies.push(coverage(counts));
  }
  if (suites.includes('e2e') && !flags.keep) await clusterDown();
  return report(tallies);
};

process.exitCode = await main();
