/**
 * What a check of `latchkey doctor` is, and how all of them are made: at once, each with a deadline, none stopping the others. Called by
 * ../doctor.ts; the checks are in the files beside this one.
 */
import { describe } from '../command.ts';
import type { Installation } from './installation.ts';

export type Outcome =
  | { readonly verdict: 'ok'; readonly finding: string }
  /** `remedy` is a command or a setting, as exact as it can be. */
  | { readonly verdict: 'warn' | 'fail'; readonly finding: string; readonly remedy: string }
  /** Could not be looked at, and why: never a pass. */
  | { readonly verdict: 'skipped'; readonly finding: string };

export type Verdict = Outcome['verdict'];

export interface Check {
  readonly id: string;
  readonly looksAt: string;
  /** One outcome, or one for each fault. @throws Skip */
  readonly look: (installation: Installation) => Promise<Outcome | readonly Outcome[]>;
}

/** Thrown by what a check needs and cannot have; the check that looks at that part says more. */
export class Skip extends Error {
  override readonly name = 'Skip';
}

export const ok = (finding: string): Outcome => ({ verdict: 'ok', finding });
export const warn = (finding: string, remedy: string): Outcome => ({ verdict: 'warn', finding, remedy });
export const fail = (finding: string, remedy: string): Outcome => ({ verdict: 'fail', finding, remedy });
export const skipped = (finding: string): Outcome => ({ verdict: 'skipped', finding });

/** The faults, or `fine` where there is none. */
export const faultsOr = (faults: readonly Outcome[], fine: string): readonly Outcome[] =>
  faults.length === 0 ? [ok(fine)] : faults;

export interface CheckReport {
  readonly id: string;
  readonly looksAt: string;
  readonly outcomes: readonly Outcome[];
  readonly tookMs: number;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** SQLSTATE of a missing privilege, and of a missing schema, table, column or function. */
const FORBIDDEN = '42501';
const MISSING = new Set(['3F000', '42P01', '42703', '42883']);

const outcomeOfError = (error: unknown): Outcome => {
  if (error instanceof Skip) return skipped(error.message);
  const code = codeOf(error);
  if (code === FORBIDDEN) return skipped('the role may not read this: see database-grants');
  if (MISSING.has(code)) return skipped('the schema lacks what is looked at: see migrations');
  return fail(describe(error), 'look at the sentence: it is the part that speaks, and this check does not know it');
};

const withDeadline = async <T>(work: Promise<T>, deadlineMs: number): Promise<T | 'late'> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

const look = async ({ id, looksAt, look: ask }: Check, installation: Installation): Promise<CheckReport> => {
  const { deadlineMs } = installation;
  const sinceMs = performance.now();
  const asked = ask(installation).catch((error: unknown): Outcome => outcomeOfError(error));
  const found = await withDeadline(asked, deadlineMs);
  const outcomes: readonly Outcome[] =
    found === 'late'
      ? [
          fail(
            `no answer within ${deadlineMs / 1000} s`,
            'find out what hangs, or give it more time with --deadline SECONDS',
          ),
        ]
      : [found].flat();
  return { id, looksAt, outcomes, tookMs: Math.round(performance.now() - sinceMs) };
};

/** Every check's report, in their order. */
export const lookAtAll = (checks: readonly Check[], installation: Installation): Promise<readonly CheckReport[]> =>
  Promise.all(checks.map((check) => look(check, installation)));
