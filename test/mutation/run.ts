/**
 * `npm run mutation`: how many small faults in the rollout's core the tests notice (ADR 23). Exits with 1 below the threshold.
 *
 * `-- --file judge.ts` for one file of the core, as often as wanted; `--incremental` keeps what it found out for the next run;
 * `--concurrency 1` leaves a machine that others use some room.
 */

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { PartialStrykerOptions } from '@stryker-mutator/api/core';
import { Stryker } from '@stryker-mutator/core';
import { scoreOf, scoreTable } from './score.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CORE = 'operator/src/core';
const FOLDER = 'coverage/mutation';
const THRESHOLD_PERCENT = 90;

/** What the core is tested by; where modules load anew, the first files are the likeliest to notice, and a run ends at its first failure. */
const TESTS = [
  'test/contract/operator/generated-files.test.ts',
  'test/contract/operator/{stories,corner-stories}.test.ts',
  'test/unit/operator/core/*.test.ts',
  'test/unit/operator/plugin/*.test.ts',
  'test/property/operator/core/{spec,evidence}.test.ts',
];

const HELP = `usage: npm run mutation -- [--file NAME]... [--incremental] [--concurrency N]

  --file         a file of ${CORE}, such as judge.ts; all of them without it
  --incremental  only what changed since the run before, mutants or tests
  --concurrency  how many processes at once; Stryker's own choice without it`;

const { values: flags } = parseArgs({
  options: {
    file: { type: 'string', multiple: true },
    incremental: { type: 'boolean', default: false },
    concurrency: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const options: PartialStrykerOptions = {
  allowConsoleColors: false,
  mutate: (flags.file ?? ['*.ts']).map((file) => `${CORE}/${file}`),
  plugins: ['./test/mutation/mocha-runner.ts', './test/mutation/live-reporter.ts'],
  testRunner: 'mocha-reloaded',
  mochaFiles: TESTS,
  coverageAnalysis: 'perTest',
  ...(flags.concurrency === undefined ? {} : { concurrency: Number(flags.concurrency) }),
  incremental: flags.incremental,
  incrementalFile: `${FOLDER}/incremental.json`,
  cleanTempDir: false,
  tempDirName: `${FOLDER}/tmp`,
  // The copy that is mutated runs, it is not checked: types and lint are for the source.
  ignorePatterns: ['/api', '/coverage', '/load', '/tsconfig.json'],
  disableTypeChecks: false,
  // A generation of modules is never let go of, and takes some 10 MB.
  maxTestRunnerReuse: 1_000,
  // Endless loops are found by counting; a machine that is busy must not look like one.
  timeoutMS: 30_000,
  reporters: ['live', 'progress-append-only', 'html', 'json'],
  htmlReporter: { fileName: `${FOLDER}/report.html` },
  jsonReporter: { fileName: `${FOLDER}/report.json` },
  warnings: { unknownOptions: false, slow: false, preprocessorErrors: true, unserializableOptions: true },
};

const main = async (): Promise<number> => {
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  process.chdir(ROOT);
  const mutants = await new Stryker(options).runMutationTest();
  console.log(scoreTable(mutants));
  return scoreOf(mutants).percent >= THRESHOLD_PERCENT ? 0 : 1;
};

process.exitCode = await main();
