/**
 * The compose files and Dockerfiles as a contract: what Docker will read is valid, what the API will be told is a configuration that it takes, and
 * what the security plan asks of containers holds for each. compose-spec.json is the schema of the Compose Specification as compose-go 2.16.2 ships
 * it (Apache-2.0, github.com/compose-spec/compose-go).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { parse } from 'yaml';
import { z } from 'zod';
import { productionEnv } from '../../../api/compose/make-env.ts';
import { readConfig } from '../../../api/src/config.ts';
import { PROBLEMS } from '../../../api/src/errors.ts';
import { readSmtpUrl } from '../../../api/src/mail/smtp-url.ts';
import { endpointSpecs } from '../../../api/src/routes/all.ts';

const ROOT = new URL('../../../', import.meta.url);
const FOLDER = new URL('api/compose/', ROOT);
const read = (file: string): string => readFileSync(new URL(file, ROOT), 'utf8');

const service = z.looseObject({
  image: z.string(),
  user: z.string().optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  restart: z.string().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  ports: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
  networks: z
    .union([z.array(z.string()), z.record(z.string(), z.looseObject({ ipv4_address: z.string().optional() }))])
    .optional(),
  deploy: z.looseObject({ resources: z.looseObject({ limits: z.looseObject({ memory: z.string() }) }) }).optional(),
});
const composeFile = z.looseObject({
  services: z.record(z.string(), service),
  networks: z.record(z.string(), z.looseObject({ internal: z.boolean().optional() })).optional(),
});
type Service = z.infer<typeof service>;

/** As Compose interpolates: `${NAME}`, `${NAME:-default}`, `${NAME:?why}`, `$$`. */
const interpolate = (text: string, variables: Readonly<Record<string, string>>, missing: Set<string>): string =>
  text.replaceAll(
    /\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (found, name: string | undefined, kind: string | undefined, word: string) => {
      if (name === undefined) return found === '$$' ? '$' : found;
      const value = variables[name];
      if (value !== undefined) return value;
      if (kind === '-') return word;
      missing.add(name);
      return '';
    },
  );

/** Values after the file was parsed, as Compose does: a JSON in a variable stays text. */
const interpolated = (value: unknown, text: (from: string) => string): unknown => {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map((each: unknown) => interpolated(each, text));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, interpolated(each, text)]));
};

const load = (name: string, variables: Readonly<Record<string, string>> = {}) => {
  const missing = new Set<string>();
  const parsed: unknown = parse(readFileSync(new URL(name, FOLDER), 'utf8'), { merge: true });
  return { raw: interpolated(parsed, (text) => interpolate(text, variables, missing)), missing };
};
const services = (name: string, variables?: Readonly<Record<string, string>>): Readonly<Record<string, Service>> =>
  composeFile.parse(load(name, variables).raw).services;
const named = (all: Readonly<Record<string, Service>>, name: string): Service => {
  const found = all[name];
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
};

const CHOICES = {
  host: 'auth.example.test',
  tlsFolder: '/etc/latchkey/tls',
  smtpUrl: 'smtps://u:p@smtp.example.test:465',
};
const ENV = productionEnv(CHOICES);
const FILES = ['compose.yaml', 'compose.production.yaml'] as const;

describe('the compose files', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validate = ajv.compile(JSON.parse(read('test/contract/containers/compose-spec.json')) as object);

  for (const file of FILES) {
    it(`${file} is what the Compose Specification allows`, () => {
      const { raw } = load(file, ENV);
      expect(validate(raw), JSON.stringify(validate.errors)).to.equal(true);
    });

    it(`${file} mounts only what is there`, () => {
      const sources = Object.values(services(file, ENV)).flatMap(({ volumes = [] }) =>
        volumes.map((each) => each.split(':')[0] ?? ''),
      );
      const ours = sources.filter((source) => source.startsWith('.'));
      expect(ours).to.not.be.empty;
      for (const source of ours) expect(existsSync(new URL(source, FOLDER)), source).to.equal(true);
    });
  }

  it('the schema refuses what is no compose file', () => {
    expect(validate({ services: { api: { imaeg: 'a' } } })).to.equal(false);
  });

  it('compose.yaml needs nothing to be set, and publishes on this machine alone', () => {
    expect([...load('compose.yaml').missing]).to.deep.equal([]);
    const ports = Object.values(services('compose.yaml')).flatMap((each) => each.ports ?? []);
    expect(ports).to.not.be.empty;
    for (const port of ports) expect(port).to.match(/^127\.0\.0\.1:/);
  });

  it('compose.yaml restarts the API when a source is saved, and catches its mails', () => {
    const api = named(services('compose.yaml'), 'api');
    expect(api.command).to.include('--watch').and.include('api/src/dev.ts');
    expect(api.volumes).to.include('../src:/app/api/src:ro');
    expect(api.environment?.['SMTP_URL']).to.match(/^smtp:\/\/mail:1025/);
  });
});

describe('compose.production.yaml', () => {
  const all = services('compose.production.yaml', ENV);
  const api = named(all, 'api');
  const nginx = named(all, 'nginx');
  const addressOf = ({ networks }: Service): string | undefined =>
    Array.isArray(networks) ? undefined : networks?.['edge']?.ipv4_address;

  it('has every variable from make-env.ts', () => {
    expect([...load('compose.production.yaml', ENV).missing]).to.deep.equal([]);
    expect([...load('compose.production.yaml').missing]).to.include.members(['PUBLIC_HOST', 'POSTGRES_PASSWORD']);
  });

  it('gives the API a configuration that it takes, with mail and without', () => {
    for (const smtpUrl of [CHOICES.smtpUrl, undefined]) {
      const made = productionEnv({ ...CHOICES, smtpUrl });
      const { environment = {} } = named(services('compose.production.yaml', made), 'api');
      const { config, secrets } = readConfig(environment);
      expect(config).to.include({
        appEnv: 'production',
        redirectsToHttps: true,
        publicUrl: 'https://auth.example.test',
      });
      expect(config.trustedProxies).to.deep.equal([addressOf(nginx)]);
      expect(secrets.databaseUrl).to.include(made['DATABASE_PASSWORD']);
    }
  });

  it('gives the API no secret that is not its own', () => {
    const values = Object.values(api.environment ?? {}).join();
    expect(values).to.not.include(ENV['POSTGRES_PASSWORD']);
    expect(Object.values(nginx.environment ?? {}).filter((value) => Object.values(ENV).includes(value))).to.deep.equal([
      CHOICES.host,
    ]);
  });

  it('lets nginx reach the API where it is, and nobody else be believed', () => {
    expect(nginx.environment?.['NGINX_API_ADDRESS']).to.equal(`${addressOf(api)}:${api.environment?.['PORT']}`);
    expect(api.environment?.['TRUST_PROXY']).to.equal(addressOf(nginx));
  });

  it('fills in every variable of the template', () => {
    const template = readFileSync(new URL('nginx/latchkey.conf.template', FOLDER), 'utf8').replaceAll(/^\s*#.*$/gm, '');
    for (const [, name = ''] of template.matchAll(/\$\{(\w+)\}/g)) expect(nginx.environment).to.have.property(name);
  });

  it('publishes nginx alone, and keeps the stores on a network without a way out', () => {
    const published = Object.entries(all).filter(([, { ports }]) => ports !== undefined);
    expect(published.map(([name]) => name)).to.deep.equal(['nginx']);
    for (const name of ['postgres', 'redis', 'migrate']) expect(named(all, name).networks).to.deep.equal(['data']);
    expect(composeFile.parse(load('compose.production.yaml', ENV).raw).networks?.['data']?.internal).to.equal(true);
  });

  for (const [name, each] of Object.entries(all)) {
    it(`runs ${name} as a user, on a root that cannot be written, without capabilities, bounded`, () => {
      expect(each.user).to.match(/^[1-9]\d*:[1-9]\d*$/);
      expect(each.read_only).to.equal(true);
      expect(each.cap_drop).to.deep.equal(['ALL']);
      expect(each.security_opt).to.include('no-new-privileges:true');
      expect(each.deploy?.resources.limits.memory).to.match(/^\d+[MG]$/);
      expect(each.image)
        .to.match(/:[\w.-]+$/)
        .and.not.match(/:(latest|stable)$/);
      if (name !== 'migrate') expect(each.healthcheck?.test).to.not.be.empty;
    });
  }
});

describe('make-env.ts', () => {
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, [fileURLToPath(new URL('make-env.ts', FOLDER)), ...args], { encoding: 'utf8' });

  it('writes a line a variable, that a shell and Compose read alike', () => {
    const { status, stdout } = run('--host', 'auth.example.test');
    expect(status).to.equal(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).to.include('PUBLIC_HOST=auth.example.test').and.include('EMAIL_VERIFICATION=optional');
    for (const line of lines) expect(line).to.match(/^[A-Z_]+=[^\s$#'\\]+$/);
  });

  it('keeps a password of the mail server that has a dollar sign, which Compose would take for a variable', () => {
    const { SMTP_URL: url } = productionEnv({ ...CHOICES, smtpUrl: 'smtps://us$er:pa$$word@smtp.example.test:465' });
    expect(url).to.not.include('$');
    expect(readSmtpUrl(url ?? '', 'production').auth).to.deep.equal({ user: 'us$er', pass: 'pa$$word' });
  });

  it('makes other secrets each time', () => {
    const again = productionEnv(CHOICES);
    const same = Object.keys(ENV).filter((name) => ENV[name] === again[name]);
    expect(same).to.have.members(['PUBLIC_HOST', 'TLS_FOLDER', 'SMTP_URL', 'MAIL_FROM']);
  });

  it('refuses a host that is none, and says so', () => {
    for (const args of [[], ['--host', 'https://a'], ['--host', 'a b'], ['--hots', 'a']]) {
      const { status, stdout, stderr } = run(...args);
      expect([status, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.include('--host');
    }
  });
});

describe('the nginx configuration', () => {
  const template = readFileSync(new URL('nginx/latchkey.conf.template', FOLDER), 'utf8');
  const pattern = /location ~ (\^\/api\/\(v1\/\)\?auth\S+) \{\s+limit_req zone=auth/.exec(template)?.[1];

  it('counts among the five a second everything that the API limits as a login, a registration or a link, and nothing hot', () => {
    const isGuarded = (path: string): boolean => new RegExp(pattern ?? '$.').test(path);
    const specs = endpointSpecs();
    const paths = (limited: boolean): readonly string[] =>
      specs
        .filter(({ limit }) => (limit !== undefined) === limited)
        .flatMap(({ path, aliases = [] }) => [path, ...aliases]);
    expect(paths(true).filter((path) => !isGuarded(path))).to.deep.equal([]);
    // The other methods of paths that are limited.
    const shared = new Set(paths(true));
    expect(paths(false).filter((path) => isGuarded(path) && !shared.has(path))).to.deep.equal([]);
  });

  it('answers with problems that the API has too, but for the one that only a proxy can have', () => {
    const text = readFileSync(new URL('nginx/problems.conf', FOLDER), 'utf8');
    const documents = [...text.matchAll(/return (\d+) '(\{.*\})';/g)];
    expect(documents).to.have.length(10);
    for (const [, status, json = ''] of documents) {
      const document = z
        .object({ type: z.string(), title: z.string(), status: z.number(), code: z.string() })
        .parse(JSON.parse(json));
      expect([document.status, document.type]).to.deep.equal([Number(status), `urn:latchkey:problem:${document.code}`]);
      if (document.code === 'upstream-unavailable') continue;
      expect(PROBLEMS)
        .to.have.property(document.code)
        .that.includes({ status: document.status, title: document.title });
    }
  });
});

describe('the Dockerfiles', () => {
  for (const file of ['api/Dockerfile', 'operator/Dockerfile']) {
    const lines = read(file).split('\n');
    const all = (word: string): readonly string[] => lines.filter((line) => line.startsWith(`${word} `));

    it(`${file} builds in one stage and serves from another, which has nothing to build with`, () => {
      const stages = all('FROM');
      expect(stages).to.have.length(2);
      expect(stages[0]).to.match(/ AS \w+$/);
      expect(lines.slice(lines.indexOf(stages[1] ?? '')).join('\n')).to.not.match(/npm (ci|install)|apt-get/);
      for (const stage of stages) expect(stage).to.match(/^FROM node:24-bookworm-slim\b/);
    });

    it(`${file} runs as a numbered user that is not root`, () => {
      expect(all('USER')).to.deep.equal(['USER 65532:65532']);
      expect(lines.findLastIndex((line) => line.startsWith('USER '))).to.be.below(
        lines.findLastIndex((line) => line.startsWith('ENTRYPOINT ')),
      );
    });
  }

  it('leave development packages and everything unnamed out', () => {
    expect(read('api/Dockerfile')).to.include('npm ci --omit=dev');
    expect(read('.dockerignore')).to.match(/^\*$/m);
  });
});
