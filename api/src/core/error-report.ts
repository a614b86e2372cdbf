/**
 * What is kept of an error: its category, what makes two of them the same, and where in our code it came from. Called by
 * services/error-tracking.ts; pure, so that a test can walk through all of it.
 */
import { framesOf, redactText } from './redact.ts';

export const ERROR_CATEGORIES = ['database', 'auth', 'config', 'dependency', 'internal'] as const;

export type ErrorCategory = (typeof ERROR_CATEGORIES)[number];

/** What an error came up in. Already without secrets: no body, no header but the agent. */
export interface ErrorContext {
  readonly requestId: string | undefined;
  readonly method: string;
  readonly route: string;
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
  readonly userId: string | undefined;
  readonly tenantId: string | undefined;
}

export interface ErrorReport {
  readonly category: ErrorCategory;
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly frames: readonly string[];
}

/** The part of a problem (errors.ts) that decides. */
interface Problem {
  readonly code: string;
  readonly status: number;
  readonly kind: string;
}

const CONFIG_ERROR = /DEFAULT_ORGANIZATION|is not configured|configuration/i;
const DEPENDENCY_ERROR = /redis|smtp|mail|ECONNREFUSED|ETIMEDOUT|ENOTFOUND|breaker|upstream/i;

const deepest = (error: Error): Error => {
  let at = error;
  for (let depth = 0; depth < 5 && at.cause instanceof Error; depth += 1) at = at.cause;
  return at;
};

export const categoryOf = ({ kind }: Problem, error: Error): ErrorCategory => {
  switch (kind) {
    case 'database':
      return 'database';
    case 'authentication':
    case 'authorization':
      return 'auth';
    case 'overload':
    case 'dependency':
      return 'dependency';
    default: {
      const cause = deepest(error);
      const { message } = cause;
      if (CONFIG_ERROR.test(message)) return 'config';
      if (DEPENDENCY_ERROR.test(`${cause.name} ${message}`)) return 'dependency';
      return 'severity' in cause && 'routine' in cause ? 'database' : 'internal'; // PostgreSQL's own fields
    }
  }
};

/** A frame without the machine's folders: `startSession (services/sessions.ts:88)`. */
const inOurs = (frame: string): string | undefined => {
  const [, name = '', file = '', line = ''] =
    /^\s+at (?:async )?(?:(.+?) \()?(?:file:\/\/)?\S*?\/src\/([\w./-]+\.ts):(\d+):\d+\)?$/.exec(frame) ?? [];
  return file === '' ? undefined : `${name === '' ? '(anonymous)' : name} (${file}:${line})`;
};

/** A refusal that is worth keeping; undefined for what a client did wrong in its own request. */
export const reportOf = (problem: Problem, error: Error): ErrorReport | undefined => {
  const isAuth = problem.kind === 'authentication' || problem.kind === 'authorization';
  if (problem.status < 500 && !isAuth) return undefined;
  const cause = deepest(error);
  return {
    category: categoryOf(problem, error),
    code: problem.code,
    status: problem.status,
    message: redactText(cause.message).slice(0, 1_000),
    frames:
      problem.status < 500
        ? []
        : framesOf(cause)
            .flatMap((frame) => inOurs(frame) ?? [])
            .slice(0, 5),
  };
};

/** Two errors are the same when this is: numbers and ids in their messages do not count. */
export const fingerprintInput = (report: ErrorReport, { method, route }: ErrorContext): string =>
  [
    report.category,
    report.code,
    method,
    route,
    report.message.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+/gi, '#'),
    report.frames[0]?.replace(/:\d+\)$/, ')') ?? '',
  ].join('\n');
