/**
 * What an auth service can do, and what a client of the login proxy sees of it: the table of docs/login-proxy.md, as data.
 * test/integration/api/login-proxy-faults.test.ts makes a server do each; test/contract/api/login-proxy.test.ts holds the page against it.
 */
import type { Socket } from 'node:net';
import type { Category } from '../../api/src/core/upstream-faults.ts';
import { SERVICE_SECRET } from './login-proxy.ts';
import { answers, type Behaviour } from './misbehaving-upstream.ts';

/** A server that does it, or what stands in place of one. */
export type Fault = Behaviour | 'refuses' | 'full-backlog' | 'no-handshake';

export interface FaultRow {
  /** What it does, as the page says it. */
  readonly does: string;
  readonly fault: Fault;
  readonly status: number;
  readonly code?: string;
  readonly category: Category;
  /** Attempts in staging: of a change, such as a login, and of a read, such as `me`. In production there is one of either. */
  readonly change: number;
  readonly read: number;
  readonly retryAfterSeconds?: number;
  /** A deadline ends it, this often a request in production. */
  readonly waitsFor?: 'connect' | 'read';
}

const HEAD = 'HTTP/1.1';
const json = (status: string, body: unknown, headers: readonly string[] = []): Behaviour =>
  answers(JSON.stringify(body), status, headers);
const raw =
  (text: string): Behaviour =>
  (socket) =>
    void socket.end(text);
const page = (status: string): Behaviour =>
  raw(`${HEAD} ${status}\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>`);
const problem = (status: string, code: string, headers: readonly string[] = []): Behaviour =>
  json(status, { code, title: 'x', detail: 'at 10.1.2.3: SELECT secret FROM users' }, headers);

const reset = (socket: Socket): void => void socket.resetAndDestroy();
const halfAnswer = `${HEAD} 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"half":`;

/** One byte now and again, so that only a deadline for the whole answer ends it. */
const drip: Behaviour = (socket) => {
  socket.write(halfAnswer);
  const timer = setInterval(() => socket.write(' '), 50);
  socket.on('close', () => clearInterval(timer));
};

const flood: Behaviour = (socket) => {
  socket.write(`${HEAD} 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
};

const once = { change: 1, read: 1 } as const;
const reads = { change: 1, read: 3 } as const;
const always = { change: 3, read: 3 } as const;

const unreachable = { status: 503, code: 'upstream-unreachable', category: 'unreachable', ...always } as const;
const connectTimeout = {
  status: 503,
  code: 'upstream-connect-timeout',
  category: 'connect-timeout',
  waitsFor: 'connect',
  ...always,
} as const;
const readTimeout = {
  status: 504,
  code: 'upstream-read-timeout',
  category: 'read-timeout',
  waitsFor: 'read',
  ...reads,
} as const;
const lost = { status: 502, code: 'upstream-connection-lost', category: 'connection-lost', ...reads } as const;
const refusedService = {
  status: 503,
  code: 'upstream-service-refused',
  category: 'service-refused',
  retryAfterSeconds: 30,
  ...once,
} as const;
const misconfigured = { status: 502, code: 'upstream-misconfigured', category: 'misconfigured', ...once } as const;
const failed = { status: 502, code: 'upstream-failed', category: 'failed', ...reads } as const;
const unavailable = { status: 503, code: 'upstream-unavailable', category: 'unavailable' } as const;
const invalid = { status: 502, code: 'upstream-answer-invalid', category: 'answer-invalid', ...once } as const;
const answered = { category: 'answered', ...once } as const;

export const FAULT_ROWS: readonly FaultRow[] = [
  { does: 'refuses the connection', fault: 'refuses', ...unreachable },
  { does: 'takes no connection: its queue is full', fault: 'full-backlog', ...connectTimeout },
  { does: 'takes the connection and no TLS handshake', fault: 'no-handshake', ...connectTimeout },
  { does: 'hears the request and says nothing', fault: () => undefined, ...readTimeout },
  { does: 'begins an answer and stops', fault: (socket) => void socket.write(halfAnswer), ...readTimeout },
  { does: 'sends its answer byte by byte, for ever', fault: drip, ...readTimeout },
  { does: 'closes its half of the connection without an answer', fault: (socket) => void socket.end(), ...lost },
  { does: 'closes it in the middle of the answer', fault: raw(halfAnswer), ...lost },
  { does: 'resets the connection', fault: reset, ...lost },
  {
    does: 'resets it in the middle of the answer',
    fault: (socket) => void socket.write(halfAnswer, () => reset(socket)),
    ...lost,
  },
  {
    does: '400 with a problem',
    fault: problem('400 Bad Request', 'invalid-request'),
    status: 400,
    code: 'invalid-request',
    ...answered,
  },
  {
    does: '401 with a problem: the user’s password',
    fault: problem('401 Unauthorized', 'invalid-credentials'),
    status: 401,
    code: 'invalid-credentials',
    ...answered,
  },
  {
    does: '401 without a body',
    fault: raw(`${HEAD} 401 Unauthorized\r\nContent-Length: 0\r\n\r\n`),
    status: 401,
    ...answered,
  },
  {
    does: '401 with the challenge `Service`: our credentials',
    fault: problem('401 Unauthorized', 'unauthorized', ['WWW-Authenticate: Service realm="auth"']),
    ...refusedService,
  },
  {
    does: '403 with a problem: the user’s rights',
    fault: problem('403 Forbidden', 'password-change-needed'),
    status: 403,
    code: 'password-change-needed',
    ...answered,
  },
  {
    does: '403 with the code `service-credentials-invalid`',
    fault: problem('403 Forbidden', 'service-credentials-invalid'),
    ...refusedService,
  },
  { does: '403 without a code', fault: json('403 Forbidden', { detail: 'forbidden' }), ...refusedService },
  {
    does: '404 for `login` or another endpoint that must be there',
    fault: problem('404 Not Found', 'not-found'),
    ...misconfigured,
  },
  { does: '404 with a page', fault: page('404 Not Found'), ...misconfigured },
  {
    does: '409 with a problem',
    fault: problem('409 Conflict', 'email-taken'),
    status: 409,
    code: 'email-taken',
    ...answered,
  },
  {
    does: '429 with `Retry-After: 7`',
    fault: problem('429 Too Many Requests', 'slow-down', ['Retry-After: 7']),
    status: 429,
    code: 'rate-limited',
    category: 'rate-limited',
    retryAfterSeconds: 7,
    ...once,
  },
  {
    does: '429 without a time',
    fault: page('429 Too Many Requests'),
    status: 429,
    code: 'rate-limited',
    category: 'rate-limited',
    retryAfterSeconds: 30,
    ...once,
  },
  { does: '500', fault: problem('500 Internal Server Error', 'internal'), ...failed },
  { does: '500 with a page', fault: page('500 Internal Server Error'), ...failed },
  { does: '502, 504 of a gateway before it', fault: page('502 Bad Gateway'), ...failed },
  {
    does: '503 with `Retry-After: 0`',
    fault: problem('503 Service Unavailable', 'overloaded', ['Retry-After: 0']),
    retryAfterSeconds: 0,
    ...unavailable,
    ...always,
  },
  {
    does: '503 with `Retry-After: 120`',
    fault: problem('503 Service Unavailable', 'maintenance', ['Retry-After: 120']),
    retryAfterSeconds: 120,
    ...unavailable,
    ...once,
  },
  {
    does: '503 without a time',
    fault: page('503 Service Unavailable'),
    retryAfterSeconds: 2,
    ...unavailable,
    ...reads,
  },
  {
    does: 'redirects',
    fault: raw(`${HEAD} 302 Found\r\nLocation: http://10.1.2.3/login\r\nContent-Length: 0\r\n\r\n`),
    ...invalid,
  },
  { does: '200 with a page', fault: page('200 OK'), ...invalid },
  {
    does: '200 that says JSON and is none',
    fault: raw(`${HEAD} 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"half":`),
    ...invalid,
  },
  { does: '200 with more than 256 KB', fault: flood, ...invalid },
  {
    does: 'a head of more than 16 KB',
    fault: raw(`${HEAD} 200 OK\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`),
    ...invalid,
  },
  {
    does: 'two lengths that differ',
    fault: raw(`${HEAD} 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}`),
    ...invalid,
  },
  { does: 'no HTTP at all', fault: raw('\u0000\u0001SSH-2.0-OpenSSH_9.9\r\n'), ...invalid },
  { does: 'HTTP/0.9: a body without a head', fault: raw('{"accessToken":"x"}\r\n'), ...invalid },
  {
    does: 'our own secret in its answer',
    fault: json('200 OK', { headers: { 'x-service-secret': SERVICE_SECRET } }),
    ...invalid,
  },
];

const answerOf = ({ status, code, retryAfterSeconds }: FaultRow): string =>
  [`${status}`, ...(code === undefined ? [] : [`\`${code}\``])].join(' ') +
  (retryAfterSeconds === undefined ? '' : `, \`Retry-After: ${retryAfterSeconds}\``);

/** Between the marks of docs/login-proxy.md. */
export const faultTable = (): string =>
  [
    '| the auth service | the client gets | `category` | attempts in staging: change, read |',
    '|---|---|---|---|',
    ...FAULT_ROWS.map((row) => `| ${row.does} | ${answerOf(row)} | \`${row.category}\` | ${row.change}, ${row.read} |`),
  ].join('\n');
