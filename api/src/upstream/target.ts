/**
 * Where a request to `/api/auth/*` goes, and what it means there. Called by proxy.ts. The host is never the client's choice, and nothing of the
 * path but plain segments is passed on, so no spelling of it leads anywhere else.
 */
import { AppError } from '../errors.ts';

export const PROXIED = '/api/auth';

export interface Target {
  /** What follows `/api/auth`: `/login`. */
  readonly rest: string;
  /** On the auth service, with query. */
  readonly path: string;
  readonly hasQuery: boolean;
  readonly isRead: boolean;
  readonly isRefresh: boolean;
  readonly isValidation: boolean;
  /** Every auth service has it: 404 there is a wrong address. */
  readonly mustExist: boolean;
  /** May have ended a session: what was said about tokens before is not said again. */
  readonly mayRevoke: boolean;
}

const PLAIN = /^(\/[\w.~-]+)+$/;
const DOTS = /\/\.\.?(\/|$)/;
const QUERY = /^[\w.~!$&'()*+,;=:@/?%-]*$/;
export const PROXIED_METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

const CERTAIN: ReadonlySet<string> = new Set(['/login', '/register', '/refresh', '/logout', '/validate', '/me']);
/** Changes that end no session. A refresh or a login may, by its rules; that is seen when the memory of validations has run out. */
const HARMLESS: ReadonlySet<string> = new Set(['/login', '/register', '/refresh']);

/**
 * @param base of the auth service, without a slash at its end; its path takes the place of `/api/auth`
 * @throws AppError `malformed-request` | `not-found` | `method-not-allowed`
 */
export const targetOf = (base: string, method: string, url: string): Target => {
  // A request line may hold a whole URL; which host it names is no business of ours.
  if (!url.startsWith(`${PROXIED}/`)) throw new AppError('malformed-request');
  if (!PROXIED_METHODS.includes(method)) throw new AppError('method-not-allowed');
  const [path = '', query] = url.split(/\?(.*)/s, 2);
  const rest = path.slice(PROXIED.length);
  if (!PLAIN.test(rest) || DOTS.test(rest)) throw new AppError('not-found');
  if (query !== undefined && !QUERY.test(query)) throw new AppError('malformed-request');
  const isValidation = rest === '/validate' && method !== 'HEAD';
  const isRead = method === 'GET' || method === 'HEAD' || (isValidation && method === 'POST');
  return {
    rest,
    path: `${pathOf(base)}${rest}${query === undefined ? '' : `?${query}`}`,
    hasQuery: query !== undefined,
    isRead,
    isRefresh: rest === '/refresh' && method === 'POST',
    isValidation,
    mustExist: CERTAIN.has(rest),
    mayRevoke: !isRead && !HARMLESS.has(rest),
  };
};

/** What stands on the auth service for our `/api/auth`. */
export const pathOf = (base: string): string => {
  const { pathname } = new URL(base);
  return pathname === '/' ? PROXIED : pathname;
};
