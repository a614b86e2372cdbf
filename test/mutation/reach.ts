/** Which mutants a test reaches by itself, and which only while modules load and fixtures are made. Used by mocha-runner.ts. */
import type { MutantCoverage } from '@stryker-mutator/api/core';

type Reached = MutantCoverage['static'];

const together = ({ static: own, perTest }: MutantCoverage): Reached =>
  Object.assign({}, own, ...Object.values(perTest));

/**
 * @param cold what the first run reached, loading included; the worlds that many tests start from are walked to in it
 * @param warm what a second run of the same modules reached
 * @returns what a test reached warm as its own. All else as static, for which Stryker loads anew while the mutant is on
 */
export const reachedWarm = (cold: MutantCoverage, warm: MutantCoverage): MutantCoverage => {
  const own = together({ static: {}, perTest: warm.perTest });
  const once = Object.entries(together(cold)).filter(([id]) => own[id] === undefined);
  return { static: Object.fromEntries(once), perTest: warm.perTest };
};
