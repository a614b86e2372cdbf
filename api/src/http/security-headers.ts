/**
 * What every answer tells a browser not to do. Mounted by http/guard.ts; app.ts prepares Express for it. The values are worked out once by
 * helmet and go out as one block of text: setting the same fifteen headers anew was a seventh of what an answer of `validate` left to collect.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Express, RequestHandler, Response } from 'express';
import helmet, { type HelmetOptions } from 'helmet';
import { localsOf } from './locals.ts';

/** Two years, the least that browsers' preload lists take. */
const HSTS_SECONDS = 63_072_000;

/** An API needs nothing of the device. */
const PERMISSIONS = [
  'accelerometer',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'magnetometer',
  'microphone',
  'payment',
  'usb',
]
  .map((feature) => `${feature}=()`)
  .join(', ');

/** An API has nothing to load or frame; the page of the reference sets a policy of its own. */
const optionsOf = (isHttps: boolean): HelmetOptions => ({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
  },
  frameguard: { action: 'deny' },
  referrerPolicy: { policy: 'no-referrer' },
  strictTransportSecurity: isHttps ? { maxAge: HSTS_SECONDS, includeSubDomains: true } : false,
});

/** The headers that helmet would set, by asking it once. */
const headersOf = (isHttps: boolean): readonly (readonly [string, string])[] => {
  const headers: [string, string][] = [];
  const page = {
    setHeader: (name: string, value: string) => headers.push([name, value]),
    removeHeader: () => undefined,
  };
  // Helmet reads nothing of the request and only calls these two methods of the response.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  helmet(optionsOf(isHttps))({} as IncomingMessage, page as unknown as ServerResponse, () => undefined);
  return [...headers, ['Permissions-Policy', PERMISSIONS], ['Cache-Control', 'no-store']];
};

/** `isHttps`: browsers reach this service by HTTPS only, and shall remember it. */
export const securityHeaders = (isHttps: boolean): RequestHandler => {
  const headers = headersOf(isHttps);
  const security = { headers, block: headers.map(([name, value]) => `${name}: ${value}\r\n`).join('') };
  return (_request, response, next) => {
    localsOf(response).security = security;
    next();
  };
};

/** For an answer that says some of them otherwise: each becomes a header of its own, which the answer may set anew. */
export const spellOutSecurityHeaders = (response: Response): void => {
  const locals = localsOf(response);
  for (const [name, value] of locals.security?.headers ?? []) response.setHeader(name, value);
  delete locals.security;
};

/** What Node's ServerResponse calls once an answer, with the status line, to write the head. It is not in its documentation. */
const WRITE_HEAD = '_storeHeader';

interface HeadWriter {
  [WRITE_HEAD](statusLine: string, headers: unknown): void;
}

/** Lets the block follow the status line of every answer of `app`. @throws TypeError where Node has no such place any more */
export const writeSecurityBlock = (app: Express): void => {
  // The prototype of every answer, as Express documents it; the types leave out what Node does not document.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const prototype = app.response as Response & HeadWriter;
  // Called with the answer that it belongs to.
  // oxlint-disable-next-line typescript/unbound-method
  const writeHead = prototype[WRITE_HEAD];
  if (typeof writeHead !== 'function') throw new TypeError('node:http writes the head of an answer elsewhere now');
  prototype[WRITE_HEAD] = function (this: Response & HeadWriter, statusLine, headers) {
    const block = localsOf(this).security?.block ?? '';
    writeHead.call(this, statusLine + block, headers);
  };
};
