/** The client with a clock that a test turns by hand and a server that answers by script. Used by the unit tests of the client, for what needs time. */
import {
  type Client,
  type ClientOptions,
  createClient,
  LatchkeyError,
  type Store,
} from '../../api/client/src/client.ts';
import { readRecord, type SessionRecord } from '../../api/client/src/session-record.ts';
import { ManualClock, settle } from './manual-clock.ts';

export const BASE = 'https://auth.example.com';
export const LIFE_MS = 900_000;

/** Lets everything happen that needs no time: a request takes several turns of the loop until it is sent, a body a few more. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 8; turn += 1) await settle();
};

/** In small steps, since what is begun on the way asks for time as well. */
export const pass = async (clock: ManualClock, ms: number): Promise<void> => {
  const stepMs = Math.max(100, Math.ceil(ms / 20));
  await settled();
  for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) {
    await clock.pass(Math.min(leftMs, stepMs));
    await settled();
  }
};

type Answer = (request: Request) => Response | Promise<Response>;

/** The tokens of the nth refresh. */
export const pairOf = (n: number): object => ({
  tokenType: 'Bearer',
  accessToken: `access-${n}`,
  refreshToken: `refresh-${n}`,
  expiresIn: LIFE_MS / 1000,
  sessionId: 'session',
});

export const refusal = (status: number, code: string, more: object = {}): Response =>
  Response.json({ code, title: code, ...more }, { status, headers: { 'content-type': 'application/problem+json' } });

export const gatewayPage = (status: number, headers: Readonly<Record<string, string>> = {}): Response =>
  new Response('<h1>not now</h1>', { status, headers: { 'content-type': 'text/html', ...headers } });

/** What all tabs of a browser share: each one hears of what another wrote. */
export class SharedPlace {
  #record: SessionRecord | undefined;
  readonly #listeners = new Set<() => void>();

  tab(): Store {
    let own: (() => void) | undefined;
    return {
      read: () => this.#record,
      write: (record) => {
        this.#record = record;
        for (const listener of this.#listeners) if (listener !== own) listener();
      },
      subscribe: (listener) => {
        own ??= listener;
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  get record(): SessionRecord | undefined {
    return readRecord(this.#record);
  }
}

export class ScriptedServer {
  /** `METHOD path credential`, where the credential is what a bearer or a refresh body says. */
  readonly asked: string[] = [];
  /** Refreshes that were carried out. */
  rotations = 0;
  /** Goes before what the server does by itself. */
  readonly script = new Map<string, Answer>();

  readonly fetch = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    const body = await request.clone().text();
    const sent: unknown = body.startsWith('{') ? JSON.parse(body) : {};
    const token = (sent as { readonly refreshToken?: string }).refreshToken;
    const credential = request.headers.get('authorization')?.slice('Bearer '.length) ?? token ?? '-';
    const path = pathname.replace('/api/v1/auth', '');
    this.asked.push(`${request.method} ${path} ${credential}`);
    const answer = this.script.get(path) ?? ((): Response => this.#answer(path, credential));
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(request.signal.reason);
      if (request.signal.aborted) aborted();
      request.signal.addEventListener('abort', aborted);
      Promise.resolve(answer(request)).then(resolve, reject);
    });
  };

  rotate(): Response {
    this.rotations += 1;
    return Response.json(pairOf(this.rotations));
  }

  #answer(path: string, credential: string): Response {
    switch (path) {
      case '/login':
        return Response.json({ ...pairOf(0), deviceToken: 'device' });
      case '/refresh':
        return credential === `refresh-${this.rotations}` ? this.rotate() : refusal(401, 'refresh-token-replayed');
      case '/logout':
        return new Response(null, { status: 204 });
      default:
        return credential === `access-${this.rotations}`
          ? Response.json({ user: { id: 'u' }, session: { id: 'session' }, valid: true, sessionId: 'session' })
          : refusal(401, 'access-token-expired');
    }
  }
}

export interface Scene {
  readonly clock: ManualClock;
  readonly server: ScriptedServer;
  readonly place: SharedPlace;
  readonly client: Client;
  /** Another tab. */
  readonly tab: (options?: Partial<ClientOptions>) => Client;
}

export const createScene = (options: Partial<ClientOptions> = {}): Scene => {
  const [clock, server, place] = [new ManualClock(), new ScriptedServer(), new SharedPlace()];
  const tab = (more: Partial<ClientOptions> = {}): Client =>
    createClient({ baseUrl: BASE, fetch: server.fetch, clock, store: place.tab(), ...options, ...more });
  return { clock, server, place, client: tab(), tab };
};

export const signedInScene = async (options: Partial<ClientOptions> = {}): Promise<Scene> => {
  const scene = createScene(options);
  await scene.client.login({ email: 'ada@example.com', password: 'Correct-Horse-9-Staple' });
  scene.server.asked.length = 0;
  return scene;
};

/** How a call ended: `done`, or the code. */
export const outcome = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'done';
  } catch (error) {
    return error instanceof LatchkeyError ? [error.code, error.reason].filter(Boolean).join(' ') : String(error);
  }
};

/** The events, in words. */
export const heardBy = (client: Client): readonly string[] => {
  const heard: string[] = [];
  client.on('signed-in', () => heard.push('signed-in'));
  client.on('refreshed', () => heard.push('refreshed'));
  client.on('signed-out', ({ reason }) => heard.push(`signed-out ${reason}`));
  return heard;
};
