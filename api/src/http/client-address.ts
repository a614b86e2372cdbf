/** The address a request came from, always a valid IP. Called by http/rate-limit.ts and the routes. */
import { isIP } from 'node:net';
import type { Request } from 'express';

/**
 * Express gives the last address that a trusted proxy vouches for, which is whatever text stood in the header. Anything that is no IP
 * counts as the connection's own address, so garbage changes nothing (authentik CVE-2024-47070).
 */
export const clientAddress = (request: Request): string => {
  const claimed = withoutZone(request.ip);
  return isIP(claimed) === 0 ? withoutZone(request.socket.remoteAddress) || '0.0.0.0' : claimed;
};

/** Without the zone of a link-local address, and a mapped IPv4 address as the IPv4 address that it is. */
const withoutZone = (address: string | undefined): string =>
  (address ?? '').replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
