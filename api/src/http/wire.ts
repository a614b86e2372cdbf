/**
 * The edge below Express: how long a client may take, how large its head may be, and what it hears when it speaks no HTTP. Called by lifetime.ts
 * for the server and by http/guard.ts for what the parser lets through.
 */
import { randomUUID } from 'node:crypto';
import type { Server, ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestHandler, Response } from 'express';
import { AppError, type ErrorCode, PROBLEMS } from '../errors.ts';
import { problemOf } from './problems.ts';

/** A URL of ours is at most a few hundred bytes; a cursor or a token in a query may be long. */
const MAX_URL_LENGTH = 8_192;
const MAX_HEADERS = 100;
const MAX_CONNECTIONS = 10_000;

export const SERVER_OPTIONS = {
  /** Envoy keeps an idle upstream connection for an hour; whoever closes first must be Envoy, or a request meets a closed socket. */
  keepAliveTimeout: 3_620_000,
  /** A head that is not there after ten seconds, or a body after thirty, comes from somebody who wants to hold the connection. */
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  /** How late either may be noticed. */
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16_384,
  /** Answered by `checkHead` with a problem instead of an empty 400. */
  requireHostHeader: false,
} as const satisfies ServerOptions;

/** What the parser lets through and nobody needs. @throws AppError `uri-too-long` | `headers-too-large` | `malformed-request` */
export const checkHead: RequestHandler = (request, _response, next) => {
  if (request.originalUrl.length > MAX_URL_LENGTH) throw new AppError('uri-too-long');
  if (request.rawHeaders.length > 2 * MAX_HEADERS) throw new AppError('headers-too-large');
  if (request.headers.host === undefined && request.httpVersion !== '1.0') throw new AppError('malformed-request');
  next();
};

const codeOf = (error: NodeJS.ErrnoException): ErrorCode => {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return 'headers-too-large';
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'body-too-large';
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request-timeout';
    case undefined:
    default:
      return 'malformed-request';
  }
};

/** A whole answer as text, since there is no request to answer. */
const answerText = (code: ErrorCode): string => {
  const { status } = PROBLEMS[code];
  const requestId = randomUUID();
  const body = JSON.stringify(problemOf(new AppError(code), requestId));
  return [
    `HTTP/1.1 ${status} ${code}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    `X-Request-Id: ${requestId}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
};

/** Bounds the server and answers what is no HTTP with a problem. `open` are the responses in flight: an answer that has begun is only cut. */
export const guardWire = (server: Server, open: ReadonlySet<Response>): void => {
  server.maxConnections = MAX_CONNECTIONS;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const isAnswering = [...open].some((response) => response.socket === socket && response.headersSent);
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) socket.destroy();
    else socket.end(answerText(codeOf(error)));
  });
};
