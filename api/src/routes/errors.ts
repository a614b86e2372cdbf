/** The errors of the service, for whoever operates it. Mounted by app.ts through http/mount.ts; services/error-tracking.ts does the work. */
import { z } from 'zod';
import { ERROR_CATEGORIES } from '../core/error-report.ts';
import type { ErrorRow } from '../db/errors.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { ErrorTracker } from '../services/error-tracking.ts';
import { isoTime, storableText } from './fields.ts';

export interface ErrorRouteDeps {
  readonly errorTracker: ErrorTracker;
}

const trackedError = z
  .object({
    id: z.uuid(),
    fingerprint: z.string().meta({ description: 'The same for what is the same error.' }),
    category: z.enum(ERROR_CATEGORIES),
    code: z.string(),
    message: z.string().meta({ description: 'Without secrets.' }),
    status: z.int().nullable(),
    method: z.string().nullable(),
    route: z.string().nullable(),
    frames: z.array(z.string()).meta({ description: 'Where it was thrown, innermost first.' }),
    count: z.int(),
    firstAt: isoTime,
    lastAt: isoTime,
    lastRequest: z.object({
      requestId: z.string().optional(),
      ip: z.string().optional(),
      userAgent: z.string().optional(),
      userId: z.string().optional(),
    }),
  })
  .meta({ id: 'TrackedError' });

const present = ({
  position: _position,
  first_at: firstAt,
  last_at: lastAt,
  last_request: lastRequest,
  ...row
}: ErrorRow) => ({
  ...row,
  firstAt: firstAt.toISOString(),
  lastAt: lastAt.toISOString(),
  lastRequest,
});

export const errorEndpoints = ({ errorTracker }: ErrorRouteDeps): readonly Endpoint[] => [
  endpoint(
    {
      method: 'get',
      path: '/api/v1/errors',
      aliases: ['/api/errors'],
      tag: 'Operation',
      summary: 'List errors and refused logins of 90 days, grouped by hour',
      access: { permission: 'errors:read' },
      query: z.strictObject({
        category: z.enum(ERROR_CATEGORIES).optional(),
        code: storableText.min(1).max(60).optional(),
        route: storableText.min(1).max(200).optional(),
        from: isoTime.optional(),
        to: isoTime.optional(),
        limit: z.coerce.number().int().min(1).max(100).default(50),
        cursor: z.string().max(200).optional().meta({ description: '`nextCursor` of the page before.' }),
      }),
      answers: {
        200: {
          description: 'A page of errors',
          schema: z
            .object({ errors: z.array(trackedError), nextCursor: z.string().nullable() })
            .meta({ id: 'ErrorPage' }),
        },
      },
    },
    async ({ who, query }) => {
      const { errors, nextCursor } = await errorTracker.list(who, query);
      return { status: 200, body: { errors: errors.map(present), nextCursor } };
    },
  ),
];
