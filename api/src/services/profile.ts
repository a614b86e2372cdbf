/** What an account sees and changes of itself. Called by routes/auth.ts (`me`) and routes/profile.ts; statements in db/profile.ts and db/avatars.ts. */
import { type Avatar, deleteAvatar, findAvatar, putAvatar } from '../db/avatars.ts';
import type { Database } from '../db/database.ts';
import {
  changePreferences,
  type DetailsChange,
  type DetailsRow,
  findDetails,
  findPreferences,
  MAX_SETTINGS_LENGTH,
  type Preferences,
  type PreferencesChange,
  ProfileReader,
  updateDetails,
} from '../db/profile.ts';
import { AppError } from '../errors.ts';
import type { Caller } from '../http/authenticate.ts';

/** The account's own page. Times are ISO 8601. */
export interface Details {
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly displayName: string;
  readonly phone: string | null;
  readonly hasAvatar: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
}

const detailsOf = (row: DetailsRow): Details => ({
  id: row.id,
  email: row.email,
  emailVerified: row.email_verified,
  firstName: row.first_name,
  lastName: row.last_name,
  displayName: row.display_name,
  phone: row.phone,
  hasAvatar: row.has_avatar,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

/** The row of a live session's account, which may have gone a moment ago. */
const present = <T>(row: T | undefined): T => {
  if (row === undefined) throw new AppError('session-ended');
  return row;
};

export class Profiles {
  readonly #database: Database;
  readonly #reader: ProfileReader;

  constructor(database: Database) {
    this.#database = database;
    this.#reader = new ProfileReader(database);
  }

  /** At most one query, most of the traffic beside `validate`; JSON as PostgreSQL wrote it. @throws AppError `session-ended` | `database-unavailable` */
  async me(who: Caller): Promise<string> {
    return present(await this.#reader.find(who));
  }

  /** @throws AppError `session-ended` | `database-unavailable` */
  async details({ tenantId, userId }: Caller): Promise<Details> {
    return detailsOf(present(await this.#database.inTenant(tenantId, (tx) => findDetails(tx, userId))));
  }

  /** The table's trigger writes the change to the audit trail. @throws AppError `session-ended` | `database-unavailable` */
  async change({ tenantId, userId }: Caller, change: DetailsChange): Promise<Details> {
    return detailsOf(present(await this.#database.inTenant(tenantId, (tx) => updateDetails(tx, userId, change))));
  }

  /** @throws AppError `database-unavailable` */
  preferences({ tenantId, userId }: Caller): Promise<Preferences> {
    return this.#database.inTenant(tenantId, (tx) => findPreferences(tx, userId));
  }

  /** @throws AppError `invalid-request` when the settings together are too big | `database-unavailable` */
  async changePreferences({ tenantId, userId }: Caller, change: PreferencesChange): Promise<Preferences> {
    const changed = await this.#database.inTenant(tenantId, (tx) => changePreferences(tx, userId, change));
    if (changed !== undefined) return changed;
    const message = `must have at most ${MAX_SETTINGS_LENGTH} characters altogether`;
    throw new AppError('invalid-request', { fields: [{ field: 'settings', message }] });
  }

  /** @throws AppError `not-found` | `database-unavailable` */
  async avatar({ tenantId, userId }: Caller): Promise<Avatar> {
    const avatar = await this.#database.inTenant(tenantId, (tx) => findAvatar(tx, userId));
    if (avatar === undefined) throw new AppError('not-found');
    return avatar;
  }

  /** @throws AppError `database-unavailable` */
  async putAvatar(who: Caller, avatar: Avatar): Promise<void> {
    await this.#database.inTenant(who.tenantId, (tx) => putAvatar(tx, who, avatar));
  }

  /** @throws AppError `not-found` | `database-unavailable` */
  async deleteAvatar({ tenantId, userId }: Caller): Promise<void> {
    if (!(await this.#database.inTenant(tenantId, (tx) => deleteAvatar(tx, userId)))) throw new AppError('not-found');
  }
}
