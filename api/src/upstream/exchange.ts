/**
 * One request to the auth service and its whole answer, or what went wrong; never throws. Called by client.ts and preflight.ts.
 *
 * Two deadlines: one until the connection stands (name, TCP, TLS, and the wait for a free place among the connections), one from then until the
 * last byte of the answer, so that a drip of bytes ends too. Answers are at most 256 KB. Redirects are answers.
 *
 * What only reads shares connections. What changes something has one of its own: a shared one may just have been closed by the other
 * side, and then nobody knows whether the request was acted upon.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/** The longest of ours, two hundred sessions, has some 60 KB; with MAX_CONNECTIONS this bounds the memory. */
const MAX_ANSWER_BYTES = 262_144;
const MAX_HEAD_BYTES = 16_384;
/** Beyond these, requests wait for a connection within their first deadline. */
const MAX_CONNECTIONS = 128;
/** Node's own servers close an idle connection after five seconds: whoever closes first must be we. */
const IDLE_MS = 4_000;

export interface Outgoing {
  readonly method: string;
  /** With query; begins with a slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer | undefined;
  /** Changes nothing, so it may share a connection. */
  readonly isRead: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export type Exchanged =
  | { readonly kind: 'not-connected' | 'cut-off' | 'unreadable'; readonly why: string }
  | { readonly kind: 'connect-timeout' | 'read-timeout' }
  | { readonly kind: 'answer'; readonly answer: Answer };

export interface Exchange {
  readonly ask: (outgoing: Outgoing) => Promise<Exchanged>;
  readonly close: () => void;
}

export interface ExchangeDeps {
  /** Scheme, host and port count; the path is each request's. */
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly readTimeoutMs: number;
}

/** A shared connection that the other side had closed already. */
type Once = Exchanged | { readonly kind: 'stale' };

const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.message.slice(0, 100);

/** What an error means: before the connection stood, after it, or in what was read. */
const failureOf = (error: Error, isConnected: boolean): Exchanged => {
  const why = codeOf(error);
  if (!isConnected) return { kind: 'not-connected', why };
  return /^(HPE_|ERR_HTTP)/.test(why) ? { kind: 'unreadable', why } : { kind: 'cut-off', why };
};

/** Its body, once it is whole. */
const read = (response: IncomingMessage, done: (outcome: Exchanged) => void): void => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) return done({ kind: 'unreadable', why: `more than ${MAX_ANSWER_BYTES} bytes` });
    chunks.push(chunk);
  });
  response.on('error', (error) => done(failureOf(error, true)));
  response.on('end', () => {
    if (!response.complete) return done({ kind: 'cut-off', why: 'the answer is not whole' });
    const { statusCode: status = 0, headers } = response;
    done({ kind: 'answer', answer: { status, headers, body: Buffer.concat(chunks) } });
  });
};

/** Calls back when the connection stands: at once for one that stood before. */
const whenConnected = (request: ClientRequest, isTls: boolean, connected: () => void): void => {
  request.once('socket', (socket) => {
    if (socket.connecting) socket.once(isTls ? 'secureConnect' : 'connect', connected);
    else connected();
  });
};

type Deadlines = Pick<ExchangeDeps, 'connectTimeoutMs' | 'readTimeoutMs'>;

/** Follows one request to its end. */
const settle = (
  request: ClientRequest,
  isTls: boolean,
  { connectTimeoutMs, readTimeoutMs }: Deadlines,
): Promise<Once> =>
  new Promise((resolve) => {
    let isConnected = false;
    let hasAnswered = false;
    const done = (outcome: Once): void => {
      clearTimeout(timer);
      if (outcome.kind !== 'answer') request.destroy();
      resolve(outcome); // the first counts
    };
    let timer = setTimeout(() => done({ kind: 'connect-timeout' }), connectTimeoutMs);
    whenConnected(request, isTls, () => {
      isConnected = true;
      clearTimeout(timer);
      timer = setTimeout(() => done({ kind: 'read-timeout' }), readTimeoutMs);
    });
    request.on('response', (response) => {
      hasAnswered = true;
      read(response, done);
    });
    // Stays: what is destroyed may still fail, and nobody else would hear it.
    request.on('error', (error) => {
      const failure = failureOf(error, isConnected);
      done(failure.kind === 'cut-off' && request.reusedSocket && !hasAnswered ? { kind: 'stale' } : failure);
    });
  });

export const createExchange = ({ url, ...deadlines }: ExchangeDeps): Exchange => {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === 'https:';
  const Agent = isTls ? HttpsAgent : HttpAgent;
  const options = { maxSockets: MAX_CONNECTIONS, maxTotalSockets: MAX_CONNECTIONS };
  const shared = new Agent({ ...options, keepAlive: true, scheduling: 'lifo', timeout: IDLE_MS });
  const single = new Agent({ ...options, keepAlive: false });
  const target = {
    hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(port !== '' && { port }),
    maxHeaderSize: MAX_HEAD_BYTES,
    insecureHTTPParser: false,
  };
  const once = ({ method, path, headers, body }: Outgoing, agent: HttpAgent | HttpsAgent): Promise<Once> => {
    const request = (isTls ? httpsRequest : httpRequest)({ ...target, method, path, headers, agent });
    const settled = settle(request, isTls, deadlines);
    request.end(body);
    return settled;
  };
  const again = async (outgoing: Outgoing): Promise<Exchanged> => {
    const outcome = await once(outgoing, single);
    return outcome.kind === 'stale' ? { kind: 'cut-off', why: 'the connection was closed' } : outcome;
  };
  return {
    ask: async (outgoing) => {
      if (!outgoing.isRead) return again(outgoing);
      const outcome = await once(outgoing, shared);
      return outcome.kind === 'stale' ? again(outgoing) : outcome;
    },
    close: () => {
      shared.destroy();
      single.destroy();
    },
  };
};
