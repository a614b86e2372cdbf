/** A server below HTTP that hears whole requests and then does what a test says: an auth service in every kind of trouble. Used by the tests of the login proxy. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

export type Behaviour = (socket: Socket, request: string) => void;

/** A whole answer in JSON, as an auth service gives it. */
export const answers =
  (body = '{"ok":true}', status = '200 OK', headers: readonly string[] = []): Behaviour =>
  (socket) => {
    const head = [`HTTP/1.1 ${status}`, 'Content-Type: application/json', `Content-Length: ${body.length}`, ...headers];
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  };

const HEAD_END = '\r\n\r\n';

/** The first whole request in `text`, and what is left; undefined while there is none. */
const cut = (text: string): { readonly request: string; readonly rest: string } | undefined => {
  const headEnd = text.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const length = Number(/^content-length: (\d+)$/im.exec(text.slice(0, headEnd))?.[1] ?? 0);
  const end = headEnd + HEAD_END.length + length;
  return text.length < end ? undefined : { request: text.slice(0, end), rest: text.slice(end) };
};

export class MisbehavingUpstream {
  behave: Behaviour;
  /** Every request that was heard whole, as it came; without those that only ask how it is, which come when they like. */
  readonly heard: string[] = [];
  readonly healthHeard: string[] = [];
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(behave: Behaviour) {
    this.behave = behave;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#hear(socket));
  }

  static async start(behave: Behaviour): Promise<MisbehavingUpstream> {
    const upstream = new MisbehavingUpstream(behave);
    upstream.#server.listen(0, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends every connection that is open, as a server does with idle ones. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Also where it is closed. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cutAll();
    await closed;
  }

  #hear(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined); // the other side may hang up on us: that is the point
    socket.on('end', () => socket.end());
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let found = cut(text); found !== undefined; found = cut(text)) {
        text = found.rest;
        (found.request.startsWith('GET /api/health') ? this.healthHeard : this.heard).push(found.request);
        this.behave(socket, found.request);
      }
    });
  }
}

/** A port that nobody listens at: it was free a moment ago. */
export const refusingPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

export interface FullBacklog {
  readonly port: number;
  readonly close: () => Promise<void>;
}

const LISTEN_AND_SLEEP = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

/** Listens and accepts nobody: the thread sleeps, and its queue is full, so that the kernel lets every further connection wait for ever. */
export const fullBacklog = async (): Promise<FullBacklog> => {
  const worker = new Worker(LISTEN_AND_SLEEP, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  const fillers = Array.from({ length: 4 }, () => connect({ port, host: '127.0.0.1' }).on('error', () => undefined));
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')));
  return {
    port,
    close: async () => {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
};
