/**
 * Handlers one after the other, as Express' router runs them, but without a layer and a match of the path for each: at eight handlers a
 * request that is a cost of its own. Called by app.ts and http/mount.ts.
 */
import type { NextFunction, RequestHandler } from 'express';

export const chain =
  (handlers: readonly RequestHandler[]): RequestHandler =>
  (request, response, done) => {
    let index = 0;
    const next: NextFunction = (error?: unknown) => {
      // A middleware may say null for no error, as cors does; Express takes both.
      const handler = error === undefined || error === null ? handlers[index] : undefined;
      if (handler === undefined) return done(error);
      index += 1;
      try {
        const pending: unknown = handler(request, response, next);
        if (pending instanceof Promise) pending.catch(done);
      } catch (thrown) {
        done(thrown);
      }
    };
    next();
  };
