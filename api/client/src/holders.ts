/** The two ways to prove a session: a browser's cookies with their CSRF token, and tokens. Used by keeper.ts and client.ts. */
import { isSafe } from './exchange.ts';
import type { Held, SessionRecord } from './session-record.ts';

export interface Holder {
  /** What a login asks for. */
  readonly client: 'browser' | 'bearer';
  readonly credentials: 'include' | 'omit';
  /** Puts on what proves the session. */
  authorise(headers: Headers, method: string, held: Held | undefined): void;
  /** The body of a refresh or a logout; cookies go by themselves. */
  refreshBody(held: Held | undefined): { readonly refreshToken: string } | undefined;
  /** What may hold a session that nobody here knows of. */
  readonly unknown: Held | undefined;
  /** The CSRF token as it is now; undefined where none is known, or none is needed. */
  csrfToken(held: Held | undefined): string | undefined;
}

/** What holds the session now, or still has to end it. */
export const heldIn = (record: SessionRecord | undefined): Held | undefined =>
  record?.state === 'signed-in' ? record.held : record?.untold;

const CSRF_COOKIE = /(?:^|; ?)__Host-latchkey-csrf=([^;]*)/;

/** @param cookiesOfApi what scripts may read of the API's cookies; undefined for a page on another host, which reads none of them */
export const cookieHolder = (cookiesOfApi: () => string | undefined): Holder => {
  const csrfToken = (held: Held | undefined): string | undefined => {
    // The cookie first: another tab may have logged in since the record was read.
    const cookie = CSRF_COOKIE.exec(cookiesOfApi() ?? '')?.[1];
    const token = cookie ?? (held?.kind === 'cookies' ? held.csrfToken : undefined);
    return token === '' ? undefined : token;
  };
  return {
    client: 'browser',
    credentials: 'include',
    unknown: { kind: 'cookies', csrfToken: '' },
    csrfToken,
    refreshBody: () => undefined,
    authorise: (headers, method, held) => {
      const token = isSafe(method) ? undefined : csrfToken(held);
      if (token !== undefined) headers.set('x-csrf-token', token);
    },
  };
};

export const bearerHolder: Holder = {
  client: 'bearer',
  credentials: 'omit',
  unknown: undefined,
  csrfToken: () => undefined,
  refreshBody: (held) => (held?.kind === 'bearer' ? { refreshToken: held.refreshToken } : undefined),
  authorise: (headers, _method, held) => {
    if (held?.kind === 'bearer') headers.set('authorization', `Bearer ${held.accessToken}`);
  },
};
