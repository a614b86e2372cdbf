/**
 * One keep-alive HTTP/1.1 connection that does as little as a client can, so that the client is never what is measured: the request is bytes
 * made beforehand, the answer is cut out of the stream by hand. Called by load.ts and the scenarios.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** The status line and the headers, as they came. */
  readonly head: string;
  readonly body: Buffer;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** The first whole answer in the bytes and how many bytes it took; undefined while some are missing. */
const cutAnswer = (bytes: Buffer): { readonly answer: Answer; readonly length: number } | undefined => {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const from = headEnd + 4;
  const end = bodyEnd(bytes, head, from);
  if (end === undefined || end > bytes.length) return undefined;
  return { answer: { status: Number(head.slice(9, 12)), head, body: bytes.subarray(from, end) }, length: end };
};

const bodyEnd = (bytes: Buffer, head: string, from: number): number | undefined => {
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) return from + Number(length);
  if (!/\r\ntransfer-encoding: chunked/i.test(head)) return from; // 204 and 304
  const last = bytes.indexOf(LAST_CHUNK, from);
  return last < 0 ? undefined : last + LAST_CHUNK.length;
};

export class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    return new Connection(socket);
  }

  /** One request at a time. @throws when the connection breaks. */
  exchange(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const cut = cutAnswer(this.#received);
    if (cut === undefined) return;
    this.#received = this.#received.subarray(cut.length);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(cut.answer);
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}

export interface RequestParts {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The bytes of a request, as a gateway would send them. */
export const requestBytes = ({ method, path, headers = {}, body }: RequestParts): Buffer => {
  const payload = body === undefined ? '' : JSON.stringify(body);
  const all = {
    host: '127.0.0.1',
    'user-agent': 'latchkey-bench/1',
    ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${payload}`);
};
