/** What a driver's error means. Called by db/database.ts and services/accounts.ts. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
import { AppError } from '../errors.ts';

/** "Not now": connection, resources, operator intervention, system; a conflict or timeout that a retry settles; a standby. */
const TRANSIENT_CODE =
  /^(08|53|57P|58)|^(40001|40P01|55P03|57014|25006)$|^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENETUNREACH)/;
/** The driver's own errors have no code. */
const TRANSIENT_MESSAGE =
  /timeout exceeded|Connection terminated|Query read timeout|not queryable|Cannot use a pool after/;

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

export const isTransient = (error: unknown): boolean =>
  TRANSIENT_CODE.test(codeOf(error)) ||
  (error instanceof Error && TRANSIENT_MESSAGE.test(error.message)) ||
  (error instanceof AggregateError && error.errors.some(isTransient));

/** A unique index refused the row: an answer, not an error. */
export const isUniqueViolation = (error: unknown): boolean =>
  codeOf(error instanceof AppError ? error.cause : error) === '23505';
