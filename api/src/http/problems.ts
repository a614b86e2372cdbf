/**
 * The end of every chain: an error becomes an RFC 9457 problem document. Mounted last by app.ts; errors.ts holds the table.
 * The only place that logs a request's error.
 */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { categoryOf, type ErrorContext } from '../core/error-report.ts';
import { redactText } from '../core/redact.ts';
import { AppError, type ErrorCode, type FieldProblem, PROBLEMS } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { knownCallerOf } from './authenticate.ts';
import { clientAddress } from './client-address.ts';
import { sendJson } from './json-answer.ts';
import { localsOf } from './locals.ts';

/** What Express and its body parser throw: an HTTP status and mostly a type. */
const httpError = z.object({ status: z.int().min(400).max(499), type: z.string().optional() });

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = { 413: 'body-too-large', 415: 'unsupported-media-type' };

const fieldsOf = (error: z.ZodError): readonly FieldProblem[] =>
  error.issues.flatMap((issue) => {
    const at = issue.path.map(String).join('.');
    if (issue.code !== 'unrecognized_keys') return [{ field: at || 'body', message: issue.message }];
    return issue.keys.map((key) => ({ field: at === '' ? key : `${at}.${key}`, message: 'is not known' }));
  });

/** Everything that can be thrown, as one of ours. */
const toAppError = (error: unknown): AppError => {
  if (error instanceof AppError) return error;
  if (error instanceof z.ZodError) return new AppError('invalid-request', { fields: fieldsOf(error) });
  const known = httpError.safeParse(error);
  if (!known.success) return new AppError('internal', { cause: error });
  const isSyntax = known.data.type === 'entity.parse.failed';
  return new AppError(isSyntax ? 'malformed-json' : (CODE_OF_STATUS[known.data.status] ?? 'malformed-request'), {
    cause: error,
  });
};

/** The RFC 9457 document of a refusal. `detail` is for people who look for a fault, and so are suggestions beside it; clients never need them. */
export const problemOf = (
  { code, fields, suggestions }: AppError,
  requestId: unknown,
  detail?: string,
): Readonly<Record<string, unknown>> => ({
  type: `urn:latchkey:problem:${code}`,
  title: PROBLEMS[code].title,
  status: PROBLEMS[code].status,
  ...(detail === undefined ? {} : { detail }),
  ...(detail === undefined || suggestions.length === 0 ? {} : { suggestions }),
  code,
  requestId,
  ...(fields.length > 0 ? { errors: fields } : {}),
});

/** How to prove who one is, where that was missing. */
const challengeOf = (code: ErrorCode): string => (code === 'signature-invalid' ? 'Signature' : 'Bearer');

export interface ProblemDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Remembers it (services/error-tracking.ts); neither throws nor waits. */
  readonly errorTracker: { track(error: AppError, context: ErrorContext): void };
  readonly appEnv: 'development' | 'staging' | 'production';
}

/** What an error came up in: nothing that the client sent but its agent. */
const contextOf = (request: Request, response: Response): ErrorContext => {
  const { requestId, route = 'unmatched' } = localsOf(response);
  const caller = knownCallerOf(response);
  return {
    requestId,
    method: request.method.slice(0, 10),
    route,
    ip: clientAddress(request),
    userAgent: request.get('user-agent'),
    userId: caller?.userId,
    tenantId: caller?.tenantId,
  };
};

const innermost = (error: Error): Error => (error.cause instanceof Error ? innermost(error.cause) : error);

/** What happened, for a 5xx outside of production; redacted even there. */
const detailOf = (error: AppError, appEnv: ProblemDeps['appEnv']): string | undefined =>
  appEnv === 'production' || PROBLEMS[error.code].status < 500 || error.cause === undefined
    ? undefined
    : redactText(innermost(error).message).slice(0, 300);

const report = (deps: ProblemDeps, error: AppError, request: Request, response: Response): void => {
  const { status, kind } = PROBLEMS[error.code];
  deps.metrics.auth.errors.inc({ error_type: kind });
  // A refusal under overload is no fault, and a line and a record for each would take cores from those that are served: the metric has them.
  if (kind === 'overload') return;
  const context = contextOf(request, response);
  // What the schemas let through and the database could not store (db/sqlstate.ts): a gap of ours, though the input was at fault.
  if (error.code === 'invalid-request' && error.cause !== undefined)
    deps.log.warn({ error, ...context }, 'unstorable input');
  deps.errorTracker.track(error, context);
  if (status < 500) return;
  const category = categoryOf({ code: error.code, status, kind }, error);
  deps.log[status === 500 ? 'error' : 'warn']({ error, code: error.code, category, ...context }, 'request failed');
};

export const problemHandler =
  (deps: ProblemDeps): ErrorRequestHandler =>
  (thrown: unknown, request, response, next) => {
    if (response.closed) return; // the client went away: nobody to answer, nothing of ours failed
    const error = toAppError(thrown);
    const { status } = PROBLEMS[error.code];
    report(deps, error, request, response);
    if (response.headersSent) return next(error);
    if (error.retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(error.retryAfterSeconds));
    if (status === 401) response.setHeader('WWW-Authenticate', challengeOf(error.code));
    const problem = problemOf(error, localsOf(response).requestId, detailOf(error, deps.appEnv));
    sendJson(response.status(status), JSON.stringify(problem), 'application/problem+json; charset=utf-8');
  };

/** `/a/{id}` as a pattern of whole paths; undefined for a path without parameters. */
const patternOf = (path: string): RegExp | undefined =>
  path.includes('{') ? new RegExp(`^${path.replaceAll('.', '[.]').replaceAll(/\{\w+\}/g, '[^/]+')}$`) : undefined;

/** Nothing answered: the path is unknown, or it is known under another method. */
export const nothingHere = (methodsOf: ReadonlyMap<string, readonly string[]>): RequestHandler => {
  const patterns = [...methodsOf].flatMap(([path, methods]) => {
    const pattern = patternOf(path);
    return pattern === undefined ? [] : [{ pattern, methods }];
  });
  return (request, response) => {
    const allowed = methodsOf.get(request.path) ?? patterns.find(({ pattern }) => pattern.test(request.path))?.methods;
    if (allowed === undefined) throw new AppError('not-found');
    response.setHeader('Allow', allowed.join(', '));
    throw new AppError('method-not-allowed');
  };
};
