/**
 * Lets a request through that one of our services has signed. Called by http/mount.ts for endpoints with access `service`.
 *
 * The headers are a fixed profile of RFC 9421 (HTTP Message Signatures) with `hmac-sha256`, so any library for it can sign:
 *
 *   Content-Digest: sha-256=:<base64 of SHA-256 of the body>:
 *   Signature-Input: sig=("@method" "@path" "@query" "content-digest");created=<seconds>;keyid="<id>";nonce="<16 to 64>";alg="hmac-sha256"
 *   Signature: sig=:<base64 of HMAC-SHA-256 over the signature base>:
 *
 * Nothing of a request is read before its signature is good; the body is held against its digest when it has been read (http/json-body.ts).
 * @see https://www.rfc-editor.org/rfc/rfc9421 and https://www.rfc-editor.org/rfc/rfc9530
 */
import { createHash, createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { Nonces } from '../cache/nonces.ts';
import type { RedisConnections } from '../cache/redis.ts';
import type { ServiceKeys } from '../config/services.ts';
import { AppError } from '../errors.ts';

/** How far a service's clock may be from ours, and so how long a nonce has to be remembered on both sides of now. */
const MAX_SKEW_MS = 5 * 60_000;

const INPUT =
  /^sig=(\("@method" "@path" "@query" "content-digest"\);created=(\d{1,12});keyid="([a-z0-9][a-z0-9._-]{0,63})";nonce="([\w-]{16,64})";alg="hmac-sha256")$/;
const SIGNATURE = /^sig=:([A-Za-z0-9+/]{43}=):$/;
const DIGEST = /^sha-256=:([A-Za-z0-9+/]{43}=):$/;

/** A key that nobody has: who is unknown costs the same work as who is wrong. */
const NOBODY: readonly KeyObject[] = [createSecretKey(randomBytes(32))];

/** What the body must hash to, for requests whose signature was good; gone once it was held against it. */
const promisedDigests = new WeakMap<IncomingMessage, string>();

export interface SignatureDeps {
  readonly serviceKeys: ServiceKeys;
  readonly redis: RedisConnections | undefined;
  readonly nowMs: () => number;
}

interface Claim {
  readonly params: string;
  readonly createdMs: number;
  readonly serviceId: string;
  readonly nonce: string;
  readonly signature: Buffer;
  readonly digest: string;
}

const invalid = (why: string): AppError => new AppError('signature-invalid', { cause: new Error(why) });

const one = (request: IncomingMessage, name: string): string => {
  const value = request.headers[name];
  return typeof value === 'string' ? value : '';
};

/** @throws AppError `signature-invalid` unless the three headers are there, once each, in the one form that is understood. */
const claimOf = (request: IncomingMessage): Claim => {
  const input = INPUT.exec(one(request, 'signature-input'));
  const signature = SIGNATURE.exec(one(request, 'signature'));
  const digest = DIGEST.exec(one(request, 'content-digest'));
  if (input === null || signature === null || digest === null) throw invalid('a header is missing or malformed');
  const [, params = '', created = '', serviceId = '', nonce = ''] = input;
  const bytes = Buffer.from(signature[1] ?? '', 'base64');
  if (bytes.toString('base64') !== signature[1]) throw invalid('the signature has a second spelling');
  return {
    params,
    createdMs: Number(created) * 1000,
    serviceId,
    nonce,
    signature: bytes,
    digest: digest[1] ?? '',
  };
};

/** RFC 9421 §2.5. */
const signatureBase = (method: string, url: string, { params, digest }: Claim): string => {
  const [path = '', query = ''] = url.split(/\?(.*)/s, 2);
  return [
    `"@method": ${method}`,
    `"@path": ${path}`,
    `"@query": ?${query}`,
    `"content-digest": sha-256=:${digest}:`,
    `"@signature-params": ${params}`,
  ].join('\n');
};

/** @throws AppError `signature-invalid`, with why only in its cause */
export const createRequireService = ({ serviceKeys, redis, nowMs }: SignatureDeps): RequestHandler => {
  const nonces = new Nonces(redis, 2 * MAX_SKEW_MS);
  return async (request, _response, next) => {
    const claim = claimOf(request);
    const base = signatureBase(request.method, request.originalUrl, claim);
    // Every key, without an early exit, and the same for a service that does not exist.
    const matches = (serviceKeys.get(claim.serviceId) ?? NOBODY).map((key) =>
      timingSafeEqual(createHmac('sha256', key).update(base).digest(), claim.signature),
    );
    if (!matches.includes(true)) throw invalid('the signature does not fit');
    if (Math.abs(nowMs() - claim.createdMs) > MAX_SKEW_MS) throw invalid('it was made too long ago, or in the future');
    // Last, so that only a service can fill the memory.
    if (!(await nonces.use(`${claim.serviceId}:${claim.nonce}`))) throw invalid('the nonce was used before');
    promisedDigests.set(request, claim.digest);
    next();
  };
};

/** Holds a body against what its signed digest promised; other requests pass. @throws AppError `signature-invalid` */
export const checkDigest = (request: IncomingMessage, body: Buffer): void => {
  const promised = promisedDigests.get(request);
  if (promised === undefined) return;
  if (createHash('sha256').update(body).digest('base64') !== promised) throw invalid('the body is not what was signed');
  promisedDigests.delete(request);
};

/** After the body was read, or was not there to be read. */
export const requireCheckedBody: RequestHandler = (request, _response, next) => {
  checkDigest(request, Buffer.alloc(0)); // what the parser never saw is empty
  next();
};
