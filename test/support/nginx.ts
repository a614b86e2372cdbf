/** A real nginx with the configuration of api/compose, on loopback ports and as nobody in particular. Called by the tests of containers. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { eventually } from './eventually.ts';

const FOLDER = fileURLToPath(new URL('../../api/compose/nginx/', import.meta.url));
export const HOST = 'auth.example.test';
/** The image runs as 101; what matters is that it is not root. */
const NOBODY = { uid: 65_534, gid: 65_534 };

/** What the image's entrypoint does (envsubst), for variables of this prefix alone. @throws when one is not given */
export const fillIn = (template: string, variables: Readonly<Record<string, string>>): string =>
  template.replaceAll(/\$\{(NGINX_\w+)\}/g, (_found, name: string) => {
    const value = variables[name];
    if (value === undefined) throw new Error(`the template wants ${name}`);
    return value;
  });

const replaceEach = (text: string, changes: Readonly<Record<string, string>>): string =>
  Object.entries(changes).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the configuration has no "${from}" any more`);
    return changed.replaceAll(from, to);
  }, text);

const makeCertificate = async (folder: string): Promise<void> => {
  const files = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')];
  const name = ['-subj', `/CN=${HOST}`, '-addext', `subjectAltName=DNS:${HOST}`, '-days', '2', '-nodes'];
  const key = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  await promisify(execFile)('openssl', ['req', ...key, ...files, ...name]);
};

export interface NginxOptions {
  readonly program: string;
  readonly apiPort: number;
  /** Text of nginx.conf that is changed for the test, such as a time to wait. @throws at the start when it is not there */
  readonly changes?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Names and values as they came, so that a doubled header shows. */
  readonly names: readonly string[];
  readonly text: string;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Another loopback address is another client. */
  readonly from?: string;
  /** Over HTTP without TLS. */
  readonly isPlain?: boolean;
}

export class Nginx {
  readonly httpPort: number;
  readonly httpsPort: number;
  /** As it was at the start. */
  readonly certificate: Buffer;
  readonly #program: string;
  readonly #folder: string;
  readonly #process: ChildProcess;
  /** What it said: nothing, unless something is wrong. */
  words = '';

  private constructor(given: {
    readonly program: string;
    readonly folder: string;
    readonly ports: readonly [number, number];
    readonly child: ChildProcess;
    readonly certificate: Buffer;
  }) {
    this.#program = given.program;
    this.#folder = given.folder;
    [this.httpPort, this.httpsPort] = given.ports;
    this.#process = given.child;
    this.certificate = given.certificate;
    given.child.stderr?.on('data', (chunk: Buffer) => (this.words += chunk.toString()));
  }

  static async start({ program, apiPort, changes = {} }: NginxOptions): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-nginx-'));
    const ports = [await freePort(), await freePort()] as const;
    await writeConfiguration(folder, ports, { apiPort, changes });
    const isRoot = process.getuid?.() === 0;
    const owned = ['', 'tls', 'tls/tls.key', 'conf.d', 'acme'].map((name) => join(folder, name));
    if (isRoot) for (const path of owned) await chown(path, NOBODY.uid, NOBODY.gid);
    const args = ['-c', join(folder, 'nginx.conf'), '-e', 'stderr', '-g', 'daemon off;'];
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], ...(isRoot ? NOBODY : {}) });
    process.once('exit', () => child.kill('SIGTERM')); // a killed master would leave its workers behind
    const certificate = await readFile(join(folder, 'tls/tls.crt'));
    const nginx = new Nginx({ program, folder, ports, child, certificate });
    await eventually('nginx listens', 20_000, () => {
      if (child.exitCode !== null) throw new Error(`nginx ended: ${nginx.words}`);
      return isListening(ports[1]);
    });
    return nginx;
  }

  /** One request on a connection of its own. */
  ask(path: string, { body, from, isPlain = false, method = 'GET', headers = {} }: Ask): Promise<Answer> {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const options: RequestOptions = {
      host: '127.0.0.1',
      port: isPlain ? this.httpPort : this.httpsPort,
      path,
      agent: false,
      method,
      headers: { host: HOST, ...length, ...headers },
      ...(from === undefined ? {} : { localAddress: from }),
    };
    const tls = { servername: HOST, ca: this.certificate };
    return new Promise((resolve, reject) => {
      const request = isPlain ? httpRequest(options) : httpsRequest({ ...options, ...tls });
      request.once('response', (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.once('end', () => {
          const names = response.rawHeaders.filter((_value, at) => at % 2 === 0).map((name) => name.toLowerCase());
          resolve({ status: response.statusCode ?? 0, headers: response.headers, names, text });
        });
      });
      request.once('error', reject);
      request.end(body);
    });
  }

  /** The lines of its access log, which it writes when a request is over. */
  async log(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const text = await readFile(join(this.#folder, 'access.log'), 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Puts another certificate where the first one is, as whoever renews it does. @returns what it is told by from now on */
  async renewCertificate(): Promise<string> {
    await makeCertificate(join(this.#folder, 'tls'));
    return new X509Certificate(await readFile(join(this.#folder, 'tls/tls.crt'))).fingerprint256;
  }

  /** Breaks the key that lies there. */
  async spoilKey(): Promise<void> {
    await writeFile(join(this.#folder, 'tls/tls.key'), 'no key');
  }

  /** `nginx -s reload`. @throws when nginx refuses, with what it says */
  async reload(): Promise<void> {
    const args = ['-c', join(this.#folder, 'nginx.conf'), '-e', 'stderr', '-s', 'reload'];
    await promisify(execFile)(this.#program, args);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const gone = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      await gone;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const isListening = async (port: number): Promise<boolean> => {
  const socket = connectTcp({ host: '127.0.0.1', port });
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isOpen;
};

const writeConfiguration = async (
  folder: string,
  [httpPort, httpsPort]: readonly [number, number],
  { apiPort, changes }: Required<Pick<NginxOptions, 'apiPort' | 'changes'>>,
): Promise<void> => {
  for (const name of ['tls', 'conf.d', 'acme']) await mkdir(join(folder, name));
  await makeCertificate(join(folder, 'tls'));
  const places = {
    '/tmp/': `${folder}/`,
    '/dev/stdout': `${folder}/access.log`,
    '/etc/nginx/conf.d': `${folder}/conf.d`,
  };
  const main = replaceEach(await readFile(join(FOLDER, 'nginx.conf'), 'utf8'), { ...places, ...changes });
  await writeFile(join(folder, 'nginx.conf'), main);
  // Beside the others: a clone may lie where only its owner gets through.
  await copyFile(join(FOLDER, 'problems.conf'), join(folder, 'problems.conf'));
  const servers = fillIn(await readFile(join(FOLDER, 'latchkey.conf.template'), 'utf8'), {
    NGINX_PUBLIC_HOST: HOST,
    NGINX_API_ADDRESS: `127.0.0.1:${apiPort}`,
    NGINX_HTTP_PORT: String(httpPort),
    NGINX_HTTPS_PORT: String(httpsPort),
    NGINX_TLS_FOLDER: join(folder, 'tls'),
    NGINX_ACME_FOLDER: join(folder, 'acme'),
    NGINX_PROBLEMS: join(folder, 'problems.conf'),
  });
  await writeFile(join(folder, 'conf.d/latchkey.conf'), servers);
};
