/** The address a request came from, in one spelling, and the client that it counts as. Called by http/rate-limit.ts, http/mount.ts and the routes. */
import { isIP, isIPv6 } from 'node:net';
import type { Request } from 'express';
import { ipKeyGenerator } from 'express-rate-limit';
import { LRUCache } from 'lru-cache';

/** What a provider gives one customer at least; whoever owns it can use each of its 2^72 addresses. */
const CLIENT_PREFIX_BITS = 56;
/** Reading an IPv6 address costs some 10 µs; most requests come from addresses that were there before. */
const MAX_KNOWN = 10_000;

/** Whatever is longer is no address, and a zone that somebody made up need not be kept. */
const MAX_ADDRESS_LENGTH = 64;

const known = new LRUCache<string, string>({ maxSize: MAX_KNOWN, sizeCalculation: () => 1 });
const spellings = new LRUCache<string, string>({ maxSize: MAX_KNOWN, sizeCalculation: () => 1 });

/**
 * Express gives the last address that a trusted proxy vouches for, which is whatever text stood in the header. Anything that is no IP
 * counts as the connection's own address, so garbage changes nothing (authentik CVE-2024-47070).
 */
export const clientAddress = (request: Request): string => {
  const { remoteAddress = '' } = request.socket;
  // Without the header there is nothing for Express to resolve.
  const claimed = request.headers['x-forwarded-for'] === undefined ? remoteAddress : (request.ip ?? '');
  return knownAddress(claimed) ?? knownAddress(remoteAddress) ?? '0.0.0.0';
};

/** `canonicalAddress`, remembered: a connection asks the same for each of its requests. */
const knownAddress = (text: string): string | undefined => {
  if (text.length > MAX_ADDRESS_LENGTH) return canonicalAddress(text);
  const before = spellings.get(text);
  if (before !== undefined) return before;
  const address = canonicalAddress(text);
  if (address !== undefined) spellings.set(text, address);
  return address;
};

/**
 * One spelling for one address: without the zone of a link-local address, compressed, in lower case, and a mapped IPv4 address as the IPv4
 * address that it is, however it is written. Dots elsewhere (`2001:db8::1.2.3.4`) are only another way to write 32 bits.
 */
export const canonicalAddress = (text: string): string | undefined => {
  const address = text.replace(/%.*$/, '');
  if (!isIPv6(address)) return isIP(address) === 4 ? address : undefined;
  const compressed = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed);
  if (mapped === null) return compressed;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
};

/** What limits count by: an IPv4 address, or the /56 of an IPv6 address (Better Auth CVE-2026-45364, express-rate-limit GHSA-46wh-pxpv-q5gq). */
export const clientOf = (canonical: string): string => {
  const before = known.get(canonical);
  if (before !== undefined) return before;
  const client = ipKeyGenerator(canonical, CLIENT_PREFIX_BITS);
  known.set(canonical, client);
  return client;
};
