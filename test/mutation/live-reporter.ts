/** Prints each mutant that nobody noticed as soon as that is known: a whole run takes many minutes. Named in run.ts. */
import type { MutantResult } from '@stryker-mutator/api/core';
import { declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import type { Reporter } from '@stryker-mutator/api/report';
import { describeSurvivor } from './score.ts';

class LiveReporter implements Reporter {
  static readonly inject = [] as const;

  onMutantTested(mutant: Readonly<MutantResult>): void {
    const text = describeSurvivor(mutant);
    if (text !== undefined) console.log(text);
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.Reporter, 'live', LiveReporter)];
