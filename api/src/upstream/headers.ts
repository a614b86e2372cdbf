/**
 * Which headers pass, in both directions: those on a list. What is not on it cannot be used to smuggle a length, a host, an address, or the
 * credentials of this service, in whatever spelling. Called by proxy.ts.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { PROXIED, pathOf } from './target.ts';

const PASSED_UP: readonly string[] = [
  'accept',
  'accept-language',
  'authorization',
  'cookie',
  'if-match',
  'latchkey-api-version',
  'origin',
  'referer',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-csrf-token',
];

const PASSED_DOWN: readonly string[] = ['allow', 'content-language', 'content-type', 'etag', 'www-authenticate'];

/** What this instance says of itself to the auth service. */
export interface ServiceCredentials {
  readonly serviceId: string;
  readonly serviceSecret: string;
}

/** What it says of the client, by the rule of TRUST_PROXY, whatever the client's own headers say. */
export interface Forwarded {
  readonly address: string;
  readonly protocol: 'http' | 'https';
  readonly requestId: string;
}

/** Names that `Connection` makes good for one hop only. */
const hopByHop = ({ connection = '' }: IncomingHttpHeaders): ReadonlySet<string> =>
  new Set(connection.toLowerCase().split(/\s*,\s*/));

/** In our own name: nothing in them is the client's. */
export const serviceHeaders = ({ serviceId, serviceSecret }: ServiceCredentials): Readonly<Record<string, string>> => ({
  'x-service-id': serviceId,
  'x-service-secret': serviceSecret,
  via: VIA,
});

/** Says that a request has been here, or at another proxy of ours: one that comes round again is refused. */
const VIA = '1.1 latchkey-proxy';

export const hasBeenHere = ({ via = '' }: IncomingHttpHeaders): boolean => via.includes('latchkey-proxy');

export const headersUp = (
  incoming: IncomingHttpHeaders,
  { address, protocol, requestId }: Forwarded,
  body: Buffer | undefined,
): Readonly<Record<string, string | number>> => {
  const dropped = hopByHop(incoming);
  const passed = PASSED_UP.flatMap((name) => {
    const value = incoming[name];
    return typeof value !== 'string' || dropped.has(name) ? [] : [[name, value] as const];
  });
  const type = incoming['content-type'];
  return {
    ...Object.fromEntries(passed),
    ...(body === undefined ? {} : { 'content-length': body.length }),
    ...(body === undefined || type === undefined ? {} : { 'content-type': type }),
    'accept-encoding': 'identity',
    'x-forwarded-for': address,
    'x-forwarded-proto': protocol,
    'x-request-id': requestId,
  };
};

/**
 * A cookie of the auth service as one of this host: its path as clients know it here, and no domain, which a browser would refuse or, worse, share.
 */
const cookieHere = (cookie: string, base: string): string => {
  const there = pathOf(base);
  const [pair = '', ...attributes] = cookie.split(/;\s*/);
  const kept = attributes.flatMap((attribute) => {
    const [name = '', value = ''] = attribute.split(/=(.*)/s, 2);
    if (/^domain$/i.test(name.trim())) return [];
    if (!/^path$/i.test(name.trim())) return [attribute];
    const isThere = value === there || value.startsWith(`${there}/`);
    return [isThere ? `Path=${PROXIED}${value.slice(there.length)}` : attribute];
  });
  return [pair, ...kept].join('; ');
};

export const headersDown = (
  answered: IncomingHttpHeaders,
  status: number,
  base: string,
): Readonly<Record<string, string | string[]>> => {
  const passed = PASSED_DOWN.flatMap((name) => {
    const value = answered[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  const cookies = answered['set-cookie']?.map((cookie) => cookieHere(cookie, base));
  return {
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}), // RFC 9110 §15.5.2 asks for one
    ...Object.fromEntries(passed),
    ...(cookies === undefined ? {} : { 'set-cookie': cookies }),
  };
};
