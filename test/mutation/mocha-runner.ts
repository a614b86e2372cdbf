/**
 * Runs one mutant against the tests that reach it. Loaded by Stryker in each of its worker processes (run.ts), which stay up between mutants.
 *
 * Stryker's own plugin does not run with mocha 12. This one also makes the modules anew without a new process, and tells what a test reaches
 * from what the making of its fixtures reaches (ADR 23).
 */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  INSTRUMENTER_CONSTANTS,
  type InstrumenterContext,
  type MutantCoverage,
  type StrykerOptions,
} from '@stryker-mutator/api/core';
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin';
import {
  type DryRunOptions,
  type DryRunResult,
  DryRunStatus,
  determineHitLimitReached,
  type MutantRunOptions,
  type MutantRunResult,
  MutantRunStatus,
  type TestResult,
  type TestRunner,
  type TestRunnerCapabilities,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import Mocha from 'mocha';
import { inGeneration, keepGenerationsApart } from './generations.ts';
import { reachedWarm } from './reach.ts';

/** Where the instrumented code looks up which mutant is on, and leaves what it ran. */
const context: InstrumenterContext = {};
Object.assign(globalThis, { [INSTRUMENTER_CONSTANTS.NAMESPACE]: context });

class Silent extends Mocha.reporters.Base {}

interface Suites {
  readonly mocha: Mocha;
  readonly tests: ReadonlyMap<Mocha.Suite, readonly Mocha.Test[]>;
}

interface Selection {
  readonly isBailing: boolean;
  /** All of them where it names none. */
  readonly only?: readonly string[] | undefined;
}

const everySuite = (suite: Mocha.Suite): readonly Mocha.Suite[] => [suite, ...suite.suites.flatMap(everySuite)];
const testId = (test: Mocha.Runnable): string => `${test.file ?? ''} ${test.fullTitle()}`;

class MochaRunner implements TestRunner {
  static readonly inject = tokens(commonTokens.options);
  readonly #patterns: readonly string[];
  #generation = 0;
  #suites: Suites | undefined;

  constructor(options: StrykerOptions) {
    const files = options['mochaFiles'];
    this.#patterns = Array.isArray(files) ? files.map(String) : [];
  }

  capabilities(): TestRunnerCapabilities {
    return { reloadEnvironment: true };
  }

  // The worker stands in the copy of the tree that has the mutants.
  init(): Promise<void> {
    keepGenerationsApart(pathToFileURL(`${process.cwd()}/`).href);
    return Promise.resolve();
  }

  async dryRun({ disableBail }: DryRunOptions): Promise<DryRunResult> {
    delete context.activeMutant;
    // The instrumented modules hold on to this one object.
    const coverage: MutantCoverage = { static: {}, perTest: {} };
    context.mutantCoverage = coverage;
    const suites = await this.#load();
    const first = await run(suites, { isBailing: !disableBail });
    const cold = structuredClone(coverage);
    Object.assign(coverage, { static: {}, perTest: {} });
    const second = await run(suites, { isBailing: !disableBail });
    this.#suites = quickestFirst(suites);
    if (first.status !== DryRunStatus.Complete || second.status !== DryRunStatus.Complete) return first;
    return { ...first, mutantCoverage: reachedWarm(cold, coverage) };
  }

  async mutantRun(options: MutantRunOptions): Promise<MutantRunResult> {
    const { activeMutant, mutantActivation, reloadEnvironment, testFilter, hitLimit, disableBail } = options;
    if (reloadEnvironment) this.#suites = undefined;
    delete context.activeMutant;
    delete context.hitLimit;
    if (mutantActivation === 'runtime') this.#suites ??= await this.#loadWarm();
    context.activeMutant = activeMutant.id;
    context.hitCount = 0;
    if (hitLimit !== undefined) context.hitLimit = hitLimit;
    try {
      this.#suites ??= await this.#load();
      const result = await run(this.#suites, { isBailing: !disableBail, only: testFilter });
      return toMutantRunResult(determineHitLimitReached(context.hitCount, hitLimit) ?? result);
    } catch (error) {
      // It loads without the mutant, so what no longer loads has noticed it, as `npm test` would.
      return { status: MutantRunStatus.Killed, killedBy: [], failureMessage: String(error), nrOfTests: 0 };
    }
  }

  /** Loaded, and every fixture that tests share made, without a mutant: none must leave something behind for the next. */
  async #loadWarm(): Promise<Suites> {
    const suites = await this.#load();
    await run(suites, { isBailing: false });
    return quickestFirst(suites);
  }

  async #load(): Promise<Suites> {
    this.#generation += 1;
    const mocha = new Mocha({ timeout: 0, reporter: Silent });
    mocha.cleanReferencesAfterRun(false);
    for (const file of new Set(this.#patterns.flatMap((pattern) => globSync(pattern).toSorted()))) {
      const path = join(process.cwd(), file);
      // What `loadFilesAsync` does, which would `require` the module and so find the one that is loaded.
      mocha.suite.emit(Mocha.Suite.constants.EVENT_FILE_PRE_REQUIRE, globalThis, path, mocha);
      await import(inGeneration(pathToFileURL(path).href, this.#generation));
    }
    return { mocha, tests: new Map(everySuite(mocha.suite).map((suite) => [suite, [...suite.tests]])) };
  }
}

/** A run ends at its first failure, so what was quick goes first: in each suite, and among suites. */
const quickestFirst = ({ mocha, tests }: Suites): Suites => {
  const costOf = (suite: Mocha.Suite): number =>
    (tests.get(suite) ?? []).reduce((sum, test) => sum + (test.duration ?? 0), 0) +
    suite.suites.reduce((sum, inner) => sum + costOf(inner), 0);
  for (const suite of tests.keys()) suite.suites.sort((left, right) => costOf(left) - costOf(right));
  const byDuration = [...tests].map(([suite, own]) => {
    const sorted = own.toSorted((left, right) => (left.duration ?? 0) - (right.duration ?? 0));
    return [suite, sorted] as const;
  });
  return { mocha, tests: new Map(byDuration) };
};

const run = ({ mocha, tests }: Suites, { isBailing, only }: Selection): Promise<DryRunResult> => {
  const chosen = only === undefined ? undefined : new Set(only);
  for (const [suite, all] of tests) {
    suite.tests = all.filter((test) => chosen === undefined || chosen.has(testId(test)));
    suite.bail(isBailing);
  }
  const results: TestResult[] = [];
  return new Promise((resolve) => {
    const runner = mocha.run(() => {
      delete context.currentTestId;
      // Nothing run is nothing proven.
      if (results.length === 0) resolve({ status: DryRunStatus.Error, errorMessage: 'no test ran' });
      else resolve({ status: DryRunStatus.Complete, tests: results });
    });
    runner.on('test', (test: Mocha.Test) => {
      context.currentTestId = testId(test);
    });
    runner.on('pass', (test: Mocha.Test) => results.push({ ...told(test), status: TestStatus.Success }));
    // A hook that fails is no test, but it is as red.
    runner.on('fail', (test: Mocha.Runnable, error: unknown) =>
      results.push({ ...told(test), status: TestStatus.Failed, failureMessage: String(error) }),
    );
  });
};

const told = (test: Mocha.Runnable): { id: string; name: string; timeSpentMs: number; fileName: string } => ({
  id: testId(test),
  name: test.fullTitle(),
  timeSpentMs: test.duration ?? 0,
  fileName: test.file ?? '',
});

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'mocha-reloaded', MochaRunner)];
