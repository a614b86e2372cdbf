/** A running API in this process on real parts, and a client for it. Called by the integration tests. */
import { Agent, request as httpRequest } from 'node:http';
import type { RequestHandler } from 'express';
import { readConfig } from '../../api/src/config.ts';
import { generateKeys } from '../../api/src/embedded/keys.ts';
import { createLog } from '../../api/src/log.ts';
import { type Service, startService } from '../../api/src/service.ts';
import { contractFault } from './contract.ts';

const { databasePassword: _unused, ...KEYS } = generateKeys();

/** One set of keys for the whole process: two APIs of a test are two pods of one installation. */
export const TEST_KEYS = KEYS;

export const PASSWORD = 'Correct-Horse-9-Staple';

export interface ApiOptions {
  readonly databaseUrl: string;
  readonly redisUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly nowMs?: () => number;
  readonly beforeRoutes?: RequestHandler;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined where there is none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly rawBody?: string | Buffer;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

const parseBody = (text: string): Readonly<Record<string, unknown>> => {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
};

let users = 0;

export class Api {
  readonly #service: Service;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  /** Something of the test's own answers too: the document knows nothing of that. */
  readonly #isFaulty: boolean;

  private constructor(service: Service, isFaulty: boolean) {
    this.#service = service;
    this.#isFaulty = isFaulty;
  }

  static async start({ databaseUrl, redisUrl = '', env = {}, nowMs, beforeRoutes }: ApiOptions): Promise<Api> {
    const { config, secrets } = readConfig({
      PORT: '0',
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      APP_ENV: 'development',
      BCRYPT_COST: '4',
      LOG_LEVEL: 'silent',
      RATE_LIMIT_PER_MINUTE: '1000000',
      LOCKOUT_BACKOFF_MS: '0', // tests of guessing set both
      LOCKOUT_ADDRESS_FAILURES: '1000000',
      EMAIL_VERIFICATION: 'optional', // tests of verification set it to required
      SHUTDOWN_GRACE_SECONDS: '1',
      ...KEYS,
      ...env,
    });
    const log = createLog(config.logLevel, undefined);
    return new Api(
      await startService({ config, secrets, log, ...(nowMs && { nowMs }), ...(beforeRoutes && { beforeRoutes }) }),
      beforeRoutes !== undefined,
    );
  }

  get port(): number {
    return this.#service.port;
  }

  stop(): Promise<void> {
    this.#agent.destroy();
    return this.#service.stop();
  }

  /** Begins to stop and lets open connections live: what a pod's end looks like to its clients. */
  beginStop(): Promise<void> {
    return this.#service.stop();
  }

  /** @throws when the answer is not what the OpenAPI document says of the request (contract.ts) */
  send(method: string, path: string, { body, rawBody, bearer, headers = {} }: RequestOptions = {}): Promise<Answer> {
    const payload = rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
    const sent = {
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...headers,
    };
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: '127.0.0.1', port: this.port, method, path, headers: sent, agent: this.#agent, timeout: 20_000 },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const status = response.statusCode ?? 0;
            const answer = { status, headers: response.headers, text, body: parseBody(text) };
            const fault = this.#isFaulty ? undefined : contractFault(method, path, answer);
            if (fault === undefined) resolve(answer);
            else reject(new Error(`${method} ${path}: ${fault}\n${text.slice(0, 500)}`));
          });
        },
      );
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error('no answer in 20 s')));
      request.end(payload);
    });
  }

  get(path: string, options: RequestOptions = {}): Promise<Answer> {
    return this.send('GET', path, options);
  }

  post(path: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return this.send('POST', path, { ...options, body });
  }

  refresh(refreshToken: string): Promise<Answer> {
    return this.post('/api/v1/auth/refresh', { refreshToken });
  }

  me(accessToken: string): Promise<Answer> {
    return this.get('/api/v1/auth/me', { bearer: accessToken });
  }

  validate(accessToken: string): Promise<Answer> {
    return this.get('/api/v1/auth/validate', { bearer: accessToken });
  }

  async register(email = `user-${(users += 1)}@example.com`): Promise<string> {
    const answer = await this.post('/api/v1/auth/register', { email, password: PASSWORD });
    // 202 where the address has to be proved first
    if (answer.status !== 201 && answer.status !== 202) throw new Error(`register: ${answer.status} ${answer.text}`);
    return email;
  }

  async login(email: string): Promise<Tokens> {
    const answer = await this.post('/api/v1/auth/login', { email, password: PASSWORD });
    if (answer.status !== 200) throw new Error(`login: ${answer.status} ${answer.text}`);
    return tokensOf(answer);
  }

  /** A new account with a session. */
  async newSession(): Promise<Tokens> {
    return this.login(await this.register());
  }

  /** One metric's value summed over its labels; 0 where it is not there. */
  async metric(name: string): Promise<number> {
    const { text } = await this.get('/api/metrics');
    const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }
}

export const tokensOf = ({ body, status, text }: Answer): Tokens => {
  const { accessToken, refreshToken, sessionId } = body;
  if (typeof accessToken !== 'string' || typeof refreshToken !== 'string' || typeof sessionId !== 'string') {
    throw new Error(`no tokens in ${status} ${text}`);
  }
  return { accessToken, refreshToken, sessionId };
};
