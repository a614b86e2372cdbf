/** The statements on an account's own profile and preferences. Called by services/profile.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Database, Transaction } from './database.ts';

const profileRows = z.array(z.object({ profile: z.string().nullable() }));

interface ProfileKey {
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string;
}

interface Question extends ProfileKey {
  readonly resolve: (profile: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Beyond it a statement would keep its first question waiting for the last. */
const MAX_TOGETHER = 100;

/** Each call sets its own tenant before it reads (migration 0029), so one statement may ask for several. */
const PROFILES = `SELECT latchkey.profile_of_session(q.tenant_id, q.user_id, q.session_id) AS profile
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS q (tenant_id, user_id, session_id, place) ORDER BY q.place`;

/**
 * The accounts behind live sessions with what they may do, as the JSON that `me` answers: parsing 20 permissions here only to write them down
 * again would cost as much as asking for them. What is asked within one turn of the event loop goes out as one statement: nobody waits for it,
 * and a busy server pays the driver once for many. Nothing is kept: every answer was read after its question.
 */
export class ProfileReader {
  readonly #database: Database;
  #waiting: Question[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  /** undefined: there is no such live session. @throws AppError `database-unavailable` */
  find({ tenantId, userId, sessionId }: ProfileKey): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.push({ tenantId, userId, sessionId, resolve, reject });
      if (waiting === 1) setImmediate(() => this.#askAll());
    });
  }

  #askAll(): void {
    const questions = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < questions.length; from += MAX_TOGETHER) {
      void this.#ask(questions.slice(from, from + MAX_TOGETHER));
    }
  }

  async #ask(questions: readonly Question[]): Promise<void> {
    try {
      const rows = profileRows.parse(
        await this.#database.query(PROFILES, [
          questions.map(({ tenantId }) => tenantId),
          questions.map(({ userId }) => userId),
          questions.map(({ sessionId }) => sessionId),
        ]),
      );
      for (const [index, { resolve }] of questions.entries()) resolve(rows[index]?.profile ?? undefined);
    } catch (error) {
      for (const { reject } of questions) reject(error);
    }
  }
}

const detailsRow = z.object({
  id: z.uuid(),
  email: z.string(),
  email_verified: z.boolean(),
  first_name: z.string().nullable(),
  last_name: z.string().nullable(),
  display_name: z.string(),
  phone: z.string().nullable(),
  has_avatar: z.boolean(),
  created_at: z.date(),
  updated_at: z.date(),
});

export type DetailsRow = Readonly<z.infer<typeof detailsRow>>;

const DETAILS = `u.id, u.email, u.email_verified, u.first_name, u.last_name, u.display_name, u.phone, u.created_at, u.updated_at,
  EXISTS (SELECT 1 FROM latchkey.avatar a WHERE a.user_id = u.id) AS has_avatar`;

export const findDetails = async (tx: Transaction, userId: string): Promise<DetailsRow | undefined> => {
  const { rows } = await tx.query(
    `SELECT ${DETAILS} FROM auth.users_extended u WHERE u.id = $1 AND u.is_active AND u.deleted_at IS NULL`,
    [userId],
  );
  return rows[0] === undefined ? undefined : detailsRow.parse(rows[0]);
};

/** undefined leaves a field as it is, null empties it. */
export interface DetailsChange {
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
  readonly displayName?: string | undefined;
  readonly phone?: string | null | undefined;
}

export const updateDetails = async (
  tx: Transaction,
  userId: string,
  change: DetailsChange,
): Promise<DetailsRow | undefined> => {
  const { rows } = await tx.query(
    `UPDATE auth.users_extended u
     SET first_name = CASE WHEN $2 THEN $3 ELSE first_name END,
         last_name = CASE WHEN $4 THEN $5 ELSE last_name END,
         phone = CASE WHEN $6 THEN $7 ELSE phone END,
         display_name = coalesce($8, display_name)
     WHERE u.id = $1 AND u.is_active AND u.deleted_at IS NULL RETURNING ${DETAILS}`,
    [
      userId,
      change.firstName !== undefined,
      change.firstName ?? null,
      change.lastName !== undefined,
      change.lastName ?? null,
      change.phone !== undefined,
      change.phone ?? null,
      change.displayName ?? null,
    ],
  );
  return rows[0] === undefined ? undefined : detailsRow.parse(rows[0]);
};

const preferencesRow = z.object({
  language: z.string(),
  timezone: z.string(),
  settings: z.record(z.string(), z.unknown()),
});

export type Preferences = Readonly<z.infer<typeof preferencesRow>>;

/** What an account without a row has; the table's defaults say the same. */
export const DEFAULT_PREFERENCES: Preferences = { language: 'en', timezone: 'Africa/Johannesburg', settings: {} };

export const findPreferences = async (tx: Transaction, userId: string): Promise<Preferences> => {
  const { rows } = await tx.query('SELECT language, timezone, settings FROM auth.user_preferences WHERE user_id = $1', [
    userId,
  ]);
  return rows[0] === undefined ? DEFAULT_PREFERENCES : preferencesRow.parse(rows[0]);
};

export interface PreferencesChange {
  readonly language?: string | undefined;
  readonly timezone?: string | undefined;
  /** Merged into what is there; null takes a name away. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
}

/** Characters of the whole settings object, once merged. */
export const MAX_SETTINGS_LENGTH = 16_384;

/** One statement, so that two changes at once both stay. undefined: the settings would be too big, and nothing has changed. */
export const changePreferences = async (
  tx: Transaction,
  userId: string,
  { language, timezone, settings = {} }: PreferencesChange,
): Promise<Preferences | undefined> => {
  const removed = Object.keys(settings).filter((name) => settings[name] === null);
  const set = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));
  const { rows } = await tx.query(
    `INSERT INTO auth.user_preferences AS p (user_id, language, timezone, settings)
     SELECT $1, coalesce($2, 'en'), coalesce($3, 'Africa/Johannesburg'), $4::jsonb WHERE length($4::jsonb::text) <= $6
     ON CONFLICT (user_id) DO UPDATE
     SET language = coalesce($2, p.language), timezone = coalesce($3, p.timezone), settings = (p.settings || $4::jsonb) - $5::text[]
     WHERE length(((p.settings || $4::jsonb) - $5::text[])::text) <= $6
     RETURNING language, timezone, settings`,
    [userId, language ?? null, timezone ?? null, JSON.stringify(set), removed, MAX_SETTINGS_LENGTH],
  );
  return rows[0] === undefined ? undefined : preferencesRow.parse(rows[0]);
};
