/** The API as Kubernetes runs it: a process that gets an environment and signals. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get as httpGet, type IncomingMessage } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { freePort } from '../../../api/src/embedded/free-port.ts';
import { PASSWORD, TEST_KEYS } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const MAIN = fileURLToPath(new URL('../../../api/src/main.ts', import.meta.url));
const GRACE_SECONDS = 4;

interface Reply {
  readonly status: number;
  readonly isClosing: boolean;
  readonly sentMs: number;
}

class ApiProcess {
  readonly port: number;
  readonly child: ChildProcess;
  output = '';

  constructor(port: number, env: Readonly<Record<string, string>>) {
    this.port = port;
    const { PATH = '' } = process.env;
    this.child = spawn(process.execPath, [MAIN], {
      env: { PATH, PORT: String(port), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  get(path: string, agent?: Agent): Promise<Reply> {
    const sentMs = performance.now();
    return new Promise((resolve, reject) => {
      const done = (response: IncomingMessage): void => {
        response.resume();
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, isClosing: response.headers.connection === 'close', sentMs }),
        );
      };
      const request = httpGet({ host: '127.0.0.1', port: this.port, path, ...(agent && { agent }) }, done);
      request.on('error', reject);
    });
  }

  async exit(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }
}

describe('process', () => {
  let database: TestDatabase;
  let running: ApiProcess | undefined;

  before(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => {
    running?.child.kill('SIGKILL');
  });
  after(() => database?.drop());

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<ApiProcess> => {
    const api = new ApiProcess(await freePort(), {
      DATABASE_URL: database.url,
      APP_ENV: 'development',
      EMAIL_VERIFICATION: 'optional',
      RATE_LIMIT_PER_MINUTE: '1000000',
      SHUTDOWN_GRACE_SECONDS: String(GRACE_SECONDS),
      ...TEST_KEYS,
      ...env,
    });
    running = api;
    return api;
  };
  const untilReady = (api: ApiProcess) =>
    eventually('ready', 10_000, async () => (await api.get('/api/health/ready')).status === 200);

  it('drops no request at SIGTERM: not ready at once, serving on, closing connections, exit 0 within the grace', async () => {
    const api = await start({ BCRYPT_COST: '4' });
    await untilReady(api);
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const replies: Reply[] = [];
    const errors: unknown[] = [];
    const stopping = new AbortController();
    const client = async (): Promise<void> => {
      while (!stopping.signal.aborted)
        await api.get('/api/health', agent).then(
          (reply) => replies.push(reply),
          (error: unknown) => errors.push(error),
        );
    };
    const clients = Array.from({ length: 8 }, client);
    await eventually('traffic flows', 5_000, () => replies.length > 100);

    const termMs = performance.now();
    api.child.kill('SIGTERM');
    await eventually('ready says 503', 1_000, async () => (await api.get('/api/health/ready')).status === 503);
    const heardMs = performance.now();
    // The gateway hears it and stops sending; until then everything is served.
    await eventually('the gateway has heard it', 1_000, () => performance.now() - termMs > 500);
    stopping.abort();
    await Promise.all(clients);
    expect(await api.exit()).to.equal(0);
    expect(performance.now() - termMs).to.be.below(GRACE_SECONDS * 1_000);
    expect(errors).to.deep.equal([]);
    const late = replies.filter((reply) => reply.sentMs > heardMs);
    expect(late).not.to.be.empty;
    expect(
      late.every((reply) => reply.isClosing),
      'every later answer closes its connection',
    ).to.equal(true);
    agent.destroy();
  });

  it('finishes the logins that are being hashed at SIGTERM', async () => {
    const api = await start({ BCRYPT_COST: '10' });
    await untilReady(api);
    const post = (path: string, body: unknown) =>
      fetch(`http://127.0.0.1:${api.port}/api/v1/auth/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await post('register', { email: 'drain@example.com', password: PASSWORD });
    const logins = Array.from({ length: 8 }, () => post('login', { email: 'drain@example.com', password: PASSWORD }));
    await eventually('hashes run', 5_000, async () => {
      const { connections } = {
        connections: await fetch(`http://127.0.0.1:${api.port}/api/metrics`).then((answer) => answer.text()),
      };
      return /auth_login_attempts_total 8/.test(connections);
    });
    api.child.kill('SIGTERM');
    expect((await Promise.all(logins)).map((answer) => answer.status)).to.deep.equal(
      Array.from({ length: 8 }, () => 200),
    );
    expect(await api.exit()).to.equal(0);
  });

  it('stops at once at the second signal', async () => {
    const api = await start({ SHUTDOWN_GRACE_SECONDS: '60' });
    await untilReady(api);
    api.child.kill('SIGTERM');
    await eventually('it drains', 2_000, () => api.output.includes('draining'));
    api.child.kill('SIGTERM');
    expect(await api.exit()).to.equal(1);
  });

  it('says every violation of its configuration at once, no value of any, and exits 1', async () => {
    const api = await start({
      PORT: 'eighty',
      DATABASE_URL: 'mysql://someone:hunter2@db/x',
      JWT_PRIVATE_KEY: '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----',
      REFRESH_TOKEN_KEY: 'aHVudGVyMg==',
      TRUST_PROXY: 'everyone',
      EXPOSE_VERSION: 'yes',
    });
    expect(await api.exit()).to.equal(1);
    const lines = api.output.trim().split('\n');
    const named = ['PORT', 'DATABASE_URL', 'REFRESH_TOKEN_KEY', 'TRUST_PROXY', 'EXPOSE_VERSION', 'JWT_PRIVATE_KEY'];
    for (const name of named)
      expect(
        lines.filter((line) => line.startsWith(`config: ${name}`)),
        name,
      ).to.have.length(1);
    expect(lines).to.have.length(named.length);
    expect(api.output).not.to.match(/hunter2|aHVudGVyMg|eighty|everyone/);
  });

  it('does not start as a login proxy without the credentials for the auth service', async () => {
    const api = await start({ AUTH_UPSTREAM_URL: 'https://auth.example.com' });
    expect(await api.exit()).to.equal(1);
    expect(api.output).to.match(
      /^config: AUTH_UPSTREAM_SERVICE_ID: is missing.+\nconfig: AUTH_UPSTREAM_SERVICE_SECRET: .+\n$/,
    );
  });

  it('does not start in production with a cheap hash', async () => {
    const api = await start({ APP_ENV: 'production', BCRYPT_COST: '4' });
    expect(await api.exit()).to.equal(1);
    expect(api.output).to.match(
      /^config: BCRYPT_COST: must be at least 10 when APP_ENV is production; for example .+\n$/,
    );
  });

  it('logs neither passwords, tokens, addresses with passwords, nor SQL, even at trace level and when things fail', async () => {
    const api = await start({ BCRYPT_COST: '4', LOG_LEVEL: 'trace', REDIS_URL: 'redis://user:hunter2@127.0.0.1:1' });
    await untilReady(api);
    const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
      const answer = await fetch(`http://127.0.0.1:${api.port}/api/v1/auth/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return (await answer.json()) as Record<string, string>;
    };
    await post('register', { email: 'log@example.com', password: PASSWORD });
    const { accessToken = '', refreshToken = '' } = await post('login', {
      email: 'log@example.com',
      password: PASSWORD,
    });
    await database.query('ALTER TABLE auth.user_sessions RENAME TO hidden');
    await post('refresh', { refreshToken });
    await post('login', { email: 'log@example.com', password: PASSWORD }, { authorization: `Bearer ${accessToken}` });
    await database.query('ALTER TABLE auth.hidden RENAME TO user_sessions');
    api.child.kill('SIGTERM');
    await api.exit();
    expect(api.output).to.include('request failed');
    for (const secret of [
      PASSWORD,
      accessToken,
      refreshToken,
      'hunter2',
      ':test@',
      '$2b$',
      'SELECT',
      'INSERT',
      TEST_KEYS.PASSWORD_PEPPER,
    ]) {
      expect(api.output).not.to.include(secret);
    }
  });
});
