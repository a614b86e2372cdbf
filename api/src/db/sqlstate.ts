/** What a driver's error means. Called by db/database.ts and the services that insert. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
import { AppError } from '../errors.ts';

/** "Not now": a conflict or a lock that a retry settles. */
const BUSY_CODE = /^(40001|40P01|55P03)$/;
/** The server is going, coming, out of resources, lets nobody in, or cannot be reached. */
const AWAY_CODE = /^(08|28|3D000|53|57P|58)|^(ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOST|ENETUNREACH)/;
const AWAY_MESSAGE = /Connection terminated|not currently accepting connections|not queryable|Cannot use a pool after/;
/** It does not answer: the statement's deadline there, or ours here. */
const HANGING_CODE = /^(57014|ETIMEDOUT)$/;
const HANGING_MESSAGE = /timeout exceeded|Query read timeout|Connection terminated due to connection timeout/;
/** The breaker answers instead of the server (breaker.ts). */
const REFUSED_CODE = 'EOPENBREAKER';
const READ_ONLY_CODE = '25006';
/** Text, numbers and times that cannot be what a column holds: a NUL, half a surrogate, too long, out of range, no UUID. */
const INPUT_CODE = /^(22021|22P02|22P03|22P05|22001|22003|22007|22008|22009|22030|22032)$/;

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : '');

/** Whether the server is in trouble. What it answered, were it a refusal, shows that it is not. */
export const troubleOf = (error: unknown): 'away' | 'hangs' | undefined => {
  if (error instanceof AggregateError) return error.errors.map(troubleOf).find((trouble) => trouble !== undefined);
  if (HANGING_CODE.test(codeOf(error)) || HANGING_MESSAGE.test(messageOf(error))) return 'hangs';
  return AWAY_CODE.test(codeOf(error)) || AWAY_MESSAGE.test(messageOf(error)) ? 'away' : undefined;
};

/** Two transactions were in each other's way and this one was undone: nothing happened, and from the start it may succeed. */
export const isConflict = (error: unknown): boolean => BUSY_CODE.test(codeOf(error));

/** Trying again may help. */
export const isTransient = (error: unknown): boolean =>
  troubleOf(error) !== undefined || isConflict(error) || codeOf(error) === REFUSED_CODE;

/** Reads work, writes do not: a standby, or a server that was told so. */
export const isReadOnly = (error: unknown): boolean => codeOf(error) === READ_ONLY_CODE;

/** What was sent cannot be stored: the sender's doing. */
export const isUnstorable = (error: unknown): boolean => INPUT_CODE.test(codeOf(error));

/** A unique index refused the row: an answer, not an error. */
export const isUniqueViolation = (error: unknown): boolean =>
  codeOf(error instanceof AppError ? error.cause : error) === '23505';
