/** A JSON body of at most 1 MB, or a refusal that says what is wrong with it. Used by http/mount.ts before zod sees the body. */
import { json, type RequestHandler } from 'express';
import { AppError } from '../errors.ts';
import { checkDigest } from './signature.ts';

/** No body of ours is deeper than four, or has more than some dozen fields. */
const MAX_DEPTH = 32;
const MAX_NODES = 10_000;

/** Something was sent, but not as JSON: the parser passed it by. */
const onlyJson: RequestHandler = (request, _response, next) => {
  const isSent =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (request.body === undefined && isSent) throw new AppError('unsupported-media-type');
  next();
};

/** A megabyte can hold half a million levels: whatever walks over it later would, by recursion, fall off the stack. */
const isReasonable = (body: unknown): boolean => {
  let level: readonly unknown[] = [body];
  let nodes = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    nodes += level.length;
    if (depth > MAX_DEPTH || nodes > MAX_NODES) return false;
    level = level.flatMap((node) => (typeof node === 'object' && node !== null ? Object.values(node) : []));
  }
  return true;
};

const onlyReasonable: RequestHandler = (request, _response, next) => {
  if (!isReasonable(request.body)) throw new AppError('malformed-json');
  next();
};

export const jsonBody: readonly RequestHandler[] = [
  json({ limit: '1mb', type: 'application/json', verify: (request, _response, body) => checkDigest(request, body) }),
  onlyJson,
  onlyReasonable,
];
