/** The statements behind the list of errors. Called by services/error-tracking.ts. Rows without an organization belong to the installation. */
import { z } from 'zod';
import { ERROR_CATEGORIES, type ErrorCategory } from '../core/error-report.ts';
import type { Position } from '../core/page-cursor.ts';
import type { Transaction } from './database.ts';

/** Several occurrences of one error within an hour. */
export interface ErrorGroup {
  readonly tenantId: string | undefined;
  readonly fingerprint: string;
  readonly category: ErrorCategory;
  readonly code: string;
  readonly message: string;
  readonly status: number;
  readonly route: string;
  readonly method: string;
  readonly frames: readonly string[];
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly lastRequest: Readonly<Record<string, string | undefined>>;
}

const HOUR_MS = 3_600_000;

export const addToErrors = async (tx: Transaction, group: ErrorGroup): Promise<void> => {
  await tx.query(
    `INSERT INTO latchkey.error_event AS e
       (org_id, fingerprint, hour, category, code, message, status, route, method, frames, count, first_at, last_at, last_request)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
     ON CONFLICT (org_id, fingerprint, hour) DO UPDATE
     SET count = e.count + excluded.count, last_at = greatest(e.last_at, excluded.last_at),
       first_at = least(e.first_at, excluded.first_at),
       last_request = CASE WHEN excluded.last_at >= e.last_at THEN excluded.last_request ELSE e.last_request END`,
    [
      group.tenantId ?? null,
      group.fingerprint,
      new Date(Math.floor(group.lastAtMs / HOUR_MS) * HOUR_MS),
      group.category,
      group.code,
      group.message,
      group.status,
      group.route,
      group.method,
      [...group.frames],
      group.count,
      new Date(group.firstAtMs),
      new Date(group.lastAtMs),
      JSON.stringify(group.lastRequest),
    ],
  );
};

export interface ErrorFilter {
  readonly category?: ErrorCategory | undefined;
  readonly code?: string | undefined;
  readonly route?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

const errorRow = z.object({
  id: z.uuid(),
  position: z.string(),
  fingerprint: z.string(),
  category: z.enum(ERROR_CATEGORIES),
  code: z.string(),
  message: z.string(),
  status: z.int().nullable(),
  route: z.string().nullable(),
  method: z.string().nullable(),
  frames: z.array(z.string()),
  count: z.coerce.number(),
  first_at: z.date(),
  last_at: z.date(),
  last_request: z.record(z.string(), z.string()),
});

export type ErrorRow = z.infer<typeof errorRow>;

/** Newest hour first; an hour's row may still be counting, its place in the list does not move. */
export const listErrors = async (
  tx: Transaction,
  filter: ErrorFilter,
  page: { readonly after: Position | undefined; readonly limit: number },
): Promise<readonly ErrorRow[]> => {
  const { rows } = await tx.query(
    `SELECT id, to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS position, fingerprint, category, code, message, status,
       route, method, frames, count, first_at, last_at, last_request
     FROM latchkey.error_event
     WHERE ($1::text IS NULL OR category = $1) AND ($2::text IS NULL OR code = $2) AND ($3::text IS NULL OR route = $3)
       AND ($4::timestamptz IS NULL OR last_at >= $4) AND ($5::timestamptz IS NULL OR first_at < $5)
       AND ($6::timestamptz IS NULL OR (hour, id) < ($6, $7::uuid))
     ORDER BY hour DESC, id DESC LIMIT $8`,
    [
      filter.category ?? null,
      filter.code ?? null,
      filter.route ?? null,
      filter.from ?? null,
      filter.to ?? null,
      page.after?.at ?? null,
      page.after?.id ?? null,
      page.limit,
    ],
  );
  return z.array(errorRow).parse(rows);
};
