/** What a mutation run says: run.ts prints it. The share is Stryker's own: of the mutants that could be judged, those that were noticed. */
import { relative } from 'node:path';
import type { MutantResult } from '@stryker-mutator/api/core';

type Counts = {
  readonly killed: number;
  readonly timeout: number;
  readonly survived: number;
  readonly noCoverage: number;
  readonly errors: number;
  readonly disabled: number;
};

const count = (mutants: readonly MutantResult[], status: MutantResult['status']): number =>
  mutants.filter((mutant) => mutant.status === status).length;

/** @returns percent of those killed or timed out among them and those that survived or that no test reaches */
export const scoreOf = (mutants: readonly MutantResult[]): Counts & { readonly percent: number } => {
  const counts: Counts = {
    killed: count(mutants, 'Killed'),
    timeout: count(mutants, 'Timeout'),
    survived: count(mutants, 'Survived'),
    noCoverage: count(mutants, 'NoCoverage'),
    errors: count(mutants, 'RuntimeError') + count(mutants, 'CompileError'),
    disabled: count(mutants, 'Ignored'),
  };
  const noticed = counts.killed + counts.timeout;
  const judged = noticed + counts.survived + counts.noCoverage;
  return { ...counts, percent: judged === 0 ? 0 : (100 * noticed) / judged };
};

const COLUMNS = ['mutants', 'killed', 'timeout', 'survived', 'no test', 'error', 'disabled', 'score'] as const;

const rowOf = (name: string, mutants: readonly MutantResult[]): string => {
  const { killed, timeout, survived, noCoverage, errors, disabled, percent } = scoreOf(mutants);
  const figures = [mutants.length, killed, timeout, survived, noCoverage, errors, disabled, `${percent.toFixed(1)} %`];
  return `| ${[name, ...figures].join(' | ')} |`;
};

/** A Markdown table, the worst file first, the whole last. */
export const scoreTable = (mutants: readonly MutantResult[]): string => {
  const byFile = Map.groupBy(mutants, ({ fileName }) => fileName.split('/').at(-1) ?? fileName);
  const files = [...byFile].toSorted(([, left], [, right]) => scoreOf(left).percent - scoreOf(right).percent);
  return [
    `| file | ${COLUMNS.join(' | ')} |`,
    `|---|${COLUMNS.map(() => '---:').join('|')}|`,
    ...files.map(([name, own]) => rowOf(name, own)),
    rowOf('**all**', mutants),
  ].join('\n');
};

/** Where nobody noticed what; undefined where somebody did. */
export const describeSurvivor = ({
  status,
  fileName,
  location,
  mutatorName,
  replacement,
}: MutantResult): string | undefined => {
  if (status !== 'Survived' && status !== 'NoCoverage') return undefined;
  const place = `${relative(process.cwd(), fileName)}:${location.start.line}:${location.start.column}`;
  return `${status === 'Survived' ? 'survived' : 'no test '} ${place} ${mutatorName}: ${replacement.replaceAll(/\s+/g, ' ')}`;
};
