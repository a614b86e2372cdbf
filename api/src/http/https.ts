/**
 * Sends plain HTTP on to HTTPS. Mounted by http/guard.ts where HTTPS_REDIRECT is set; TLS itself ends at the gateway (1.2 and up, docs/api/edges.md).
 *
 * What the connection to the client was, only a trusted proxy may say (Express' `trust proxy` and its `X-Forwarded-Proto`). The way on leads to
 * the configured host, never to the one that a header names. What changes something, or carries a body, is refused instead: it has been
 * readable on its way once, and must not be so twice unnoticed.
 */
import type { RequestHandler } from 'express';
import { AppError } from '../errors.ts';

export const requireHttps = (publicUrl: string): RequestHandler => {
  const { origin } = new URL(publicUrl);
  return (request, response, next) => {
    if (request.secure) return next();
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new AppError('https-required');
    // A request line may hold a whole URL; only a path goes behind our host.
    const path = request.originalUrl.startsWith('/') ? request.originalUrl : '/';
    response.status(308).setHeader('Location', `${origin}${path}`).end();
  };
};
