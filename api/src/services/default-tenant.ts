/** The organization of whoever names none. Called by the services behind the public endpoints. */
import { findOrganization } from '../db/accounts.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors.ts';

/** @throws AppError `internal` when DEFAULT_ORGANIZATION names no organization | `database-unavailable` */
export type DefaultTenant = () => Promise<string>;

/** Asked once: a slug does not change under a running process. */
export const createDefaultTenant = (database: Database, slug: string): DefaultTenant => {
  let known: string | undefined;
  return async () => {
    known ??= await findOrganization(database, slug);
    if (known === undefined) {
      throw new AppError('internal', { cause: new Error('DEFAULT_ORGANIZATION is no slug of public.organization') });
    }
    return known;
  };
};
