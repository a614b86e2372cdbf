/**
 * Which version of the API a request means, and what is on its way out. Called by http/guard.ts and http/mount.ts.
 * The path names the major version; `Latchkey-API-Version` lets a client say which one it was written for, and be refused instead of misunderstood.
 */
import type { RequestHandler } from 'express';
import { AppError } from '../errors.ts';

export const VERSION_HEADER = 'Latchkey-API-Version';
export const SUPPORTED_VERSIONS: readonly string[] = ['1'];
const CURRENT = '1';

/** Says the version of every answer. @throws AppError `api-version-unknown` that names the supported ones */
export const negotiateVersion: RequestHandler = (request, response, next) => {
  response.setHeader(VERSION_HEADER, CURRENT);
  const asked = request.headers['latchkey-api-version'];
  if (asked === undefined || (typeof asked === 'string' && SUPPORTED_VERSIONS.includes(asked))) return next();
  throw new AppError('api-version-unknown', {
    fields: [{ field: VERSION_HEADER, message: `must be one of ${SUPPORTED_VERSIONS.join(', ')}` }],
  });
};

/** Since when an endpoint or a path should not be used any more, and when it ends. */
export interface Deprecation {
  readonly sinceMs: number;
  readonly sunsetMs: number;
}

/** The unversioned paths of the first releases: they answer as their successors do. */
export const UNVERSIONED_PATHS: Deprecation = {
  sinceMs: Date.UTC(2026, 0, 1),
  sunsetMs: Date.UTC(2028, 0, 1),
};

/** `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and, where there is one, the way to the successor. */
export const announceDeprecation = ({ sinceMs, sunsetMs }: Deprecation, successor?: string): RequestHandler => {
  const since = `@${Math.floor(sinceMs / 1000)}`;
  const sunset = new Date(sunsetMs).toUTCString();
  return (_request, response, next) => {
    response.setHeader('Deprecation', since);
    response.setHeader('Sunset', sunset);
    if (successor !== undefined) response.append('Link', `<${successor}>; rel="successor-version"`);
    next();
  };
};
