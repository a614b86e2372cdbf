/** The statements on latchkey.avatar. Called by services/profile.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Transaction } from './database.ts';

export const MEDIA_TYPES = ['image/png', 'image/jpeg', 'image/webp'] as const;

export type MediaType = (typeof MEDIA_TYPES)[number];

/** The table's CHECK says the same. */
export const MAX_AVATAR_BYTES = 512 * 1024;

const avatarRow = z.object({ media_type: z.enum(MEDIA_TYPES), content: z.instanceof(Buffer) });

export interface Avatar {
  readonly mediaType: MediaType;
  readonly content: Buffer;
}

export const findAvatar = async (tx: Transaction, userId: string): Promise<Avatar | undefined> => {
  const { rows } = await tx.query('SELECT media_type, content FROM latchkey.avatar WHERE user_id = $1', [userId]);
  if (rows[0] === undefined) return undefined;
  const { media_type: mediaType, content } = avatarRow.parse(rows[0]);
  return { mediaType, content };
};

export const putAvatar = async (
  tx: Transaction,
  owner: { readonly tenantId: string; readonly userId: string },
  { mediaType, content }: Avatar,
): Promise<void> => {
  await tx.query(
    `INSERT INTO latchkey.avatar (user_id, org_id, media_type, content) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_id) DO UPDATE SET media_type = excluded.media_type, content = excluded.content, updated_at = now()`,
    [owner.userId, owner.tenantId, mediaType, content],
  );
};

/** True where there was one. */
export const deleteAvatar = async (tx: Transaction, userId: string): Promise<boolean> => {
  const { rowCount } = await tx.query('DELETE FROM latchkey.avatar WHERE user_id = $1', [userId]);
  return rowCount === 1;
};
