/**
 * What every answer tells a browser not to do. Mounted by http/guard.ts. The values are worked out once by helmet and set as they are: its
 * middleware writes the same thirteen headers anew for every request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestHandler } from 'express';
import helmet, { type HelmetOptions } from 'helmet';

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
  return (_request, response, next) => {
    for (const [name, value] of headers) response.setHeader(name, value);
    next();
  };
};
