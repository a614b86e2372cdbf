/**
 * Whether the account behind a session may do this, and whether it proved itself lately. Called by http/mount.ts, behind `authenticate`.
 * Asked of the database at every request: a permission that was taken away is gone with the next call.
 */
import type { RequestHandler } from 'express';
import { AppError } from '../errors.ts';
import { type Caller, callerOf } from './authenticate.ts';

export interface PermissionDeps {
  /** Reads PostgreSQL. @throws AppError `database-unavailable` */
  readonly hasPermission: (who: Caller, permission: string) => Promise<boolean>;
  /** Whether the session proved its account within the last minutes. @throws AppError `database-unavailable` */
  readonly isRecent: (who: Caller) => Promise<boolean>;
  /** Writes down that somebody tried. */
  readonly onDenied: (who: Caller, permission: string, request: Parameters<RequestHandler>[0]) => Promise<void>;
}

export const requirePermission =
  ({ hasPermission, onDenied }: PermissionDeps) =>
  (permission: string): RequestHandler =>
  async (request, response, next) => {
    const who = callerOf(response);
    if (!(await hasPermission(who, permission))) {
      await onDenied(who, permission, request);
      throw new AppError('permission-missing');
    }
    next();
  };

export const requireRecentSession =
  ({ isRecent }: PermissionDeps): RequestHandler =>
  async (_request, response, next) => {
    if (!(await isRecent(callerOf(response)))) throw new AppError('recent-login-needed');
    next();
  };
