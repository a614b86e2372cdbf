/** A JSON body of at most 1 MB, or a refusal that says what is wrong with it. Used by routes/auth.ts before zod sees the body. */
import { json, type RequestHandler } from 'express';
import { AppError } from '../errors.ts';

/** Something was sent, but not as JSON: the parser passed it by. */
const onlyJson: RequestHandler = (request, _response, next) => {
  const isSent =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (request.body === undefined && isSent) throw new AppError('unsupported-media-type');
  next();
};

export const jsonBody: readonly [RequestHandler, RequestHandler] = [
  json({ limit: '1mb', type: 'application/json' }),
  onlyJson,
];
