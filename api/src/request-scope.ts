/**
 * The request that the code at hand works for. Entered by app.ts for everything but the hot paths; read by db/database.ts, which hands it to
 * the transaction, so that every audit row says who called, from where, and in which request: also the rows that triggers write.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { RequestHandler } from 'express';
import { knownCallerOf } from './http/authenticate.ts';
import { clientAddress } from './http/client-address.ts';
import { localsOf } from './http/locals.ts';

/** What an audit row says of its request. */
export interface RequestTrace {
  readonly requestId: string;
  readonly ip: string;
  readonly userAgent?: string;
  readonly actorId?: string;
  readonly sessionId?: string;
}

const scope = new AsyncLocalStorage<() => RequestTrace>();

const MAX_AGENT = 256;

/** Everything behind it runs in the scope of its request. */
export const enterRequestScope = (): RequestHandler => (request, response, next) => {
  const userAgent = request.get('user-agent')?.slice(0, MAX_AGENT);
  const trace = (): RequestTrace => {
    const caller = knownCallerOf(response); // not known yet when the scope begins
    return {
      requestId: String(localsOf(response).requestId),
      ip: clientAddress(request),
      ...(userAgent !== undefined && { userAgent }),
      ...(caller !== undefined && { actorId: caller.userId, sessionId: caller.sessionId }),
    };
  };
  scope.run(trace, next);
};

/** undefined in background work. */
export const currentRequest = (): RequestTrace | undefined => scope.getStore()?.();
