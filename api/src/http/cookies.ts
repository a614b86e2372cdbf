/**
 * The cookies of a browser's session. Read by http/authenticate.ts, http/csrf.ts and routes/auth.ts; written through http/browsers.ts.
 * `__Host-` binds a cookie to this very host over HTTPS; `__Secure-` does it for the one that has a narrower path.
 */
import { parseCookie, stringifySetCookie } from 'cookie';
import type { Request } from 'express';

export const ACCESS_COOKIE = '__Host-latchkey';
export const REFRESH_COOKIE = '__Secure-latchkey-refresh';
/** Sent to refresh and logout, and to nothing that is asked all the time. */
export const REFRESH_PATH = '/api/v1/auth';

export interface CookieToSet {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  /** Whether scripts may read it. */
  readonly isReadable: boolean;
  /** 0 takes it away. */
  readonly maxAgeSeconds: number;
}

/** undefined for none; whatever else the header holds, it never throws. */
export const readCookie = (request: Request, name: string): string | undefined => {
  const { cookie } = request.headers;
  if (cookie === undefined) return undefined;
  const value = parseCookie(cookie)[name];
  return value === '' ? undefined : value;
};

export const writeCookie = ({ name, value, path, isReadable, maxAgeSeconds }: CookieToSet): string =>
  stringifySetCookie({
    name,
    value,
    path,
    maxAge: maxAgeSeconds,
    httpOnly: !isReadable,
    secure: true,
    sameSite: 'strict',
  });
