/**
 * Which pages of other origins may read our answers: those in ALLOWED_ORIGINS, exactly. Mounted by http/guard.ts before the rate limit, so that
 * a page can read its 429 too. No origin is ever reflected that is not on the list, and credentials go with the list.
 */
import cors from 'cors';
import type { RequestHandler } from 'express';

const PREFLIGHT_SECONDS = 600;

/** Nothing to do where no origin is allowed. */
export const allowOrigins = (origins: readonly string[]): readonly RequestHandler[] => {
  const allowed = new Set(origins);
  const answer = cors({
    origin: (origin, done) => done(null, origin !== undefined && allowed.has(origin)),
    credentials: true,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'X-CSRF-Token',
      'X-Request-Id',
      'Latchkey-API-Version',
      'If-Match',
    ],
    exposedHeaders: [
      'X-Request-Id',
      'Retry-After',
      'RateLimit',
      'RateLimit-Policy',
      'Deprecation',
      'Sunset',
      'Link',
      'Latchkey-API-Version',
      'ETag',
    ],
    maxAge: PREFLIGHT_SECONDS,
  });
  const vary: RequestHandler = (_request, response, next) => {
    response.vary('Origin'); // also where it is refused: a shared cache must not hand one origin's answer to another
    next();
  };
  return origins.length === 0 ? [] : [vary, answer];
};
