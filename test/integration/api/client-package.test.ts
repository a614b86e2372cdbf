/** The client as its user gets it: packed, installed by npm without a network, typed, under each Node, with the code that docs/client.md shows. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { z } from 'zod';
import { packClient } from '../../../api/client/pack.ts';
import repository from '../../../package.json' with { type: 'json' };
import { Api, PASSWORD } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const manifestShape = z.looseObject({ name: z.string(), version: z.string(), exports: z.unknown() });

/** What the page's examples take as given. */
const GIVEN = `
const { BASE_URL: baseUrl = '', EMAIL: email = '', PASSWORD: password = '', STORE: storePath = '' } = process.env;
const askForCode = async (): Promise<string> => '';
`;
const docs = readFileSync(join(ROOT, 'docs/client.md'), 'utf8');
const examples = [...docs.matchAll(/^## (.+?)\n(?:(?!^## )[\s\S])*?^```ts\n([\s\S]*?)^```/gm)].map(
  ([, title = '', code = '']) => ({ title, code: `${GIVEN}${code}` }),
);

describe('the npm package of the client', function () {
  this.timeout(120_000);
  let folder: string;
  let installed: string;
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-client-package-'));
    const tarball = await packClient(folder);
    const place = ['--prefix', folder, '--cache', join(folder, 'cache')];
    await run('npm', ['install', ...place, '--offline', '--no-audit', '--no-fund', tarball]);
    installed = join(folder, 'node_modules/@latchkey/client');
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
    await Promise.all(examples.map(({ code }, i) => writeFile(join(folder, `example-${i}.mts`), code)));
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
    await rm(folder, { recursive: true });
  });

  it('needs no other package, and says version and licence', async () => {
    const manifest = manifestShape.parse(JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')));
    expect(manifest).to.include({ name: '@latchkey/client', version: repository.version });
    expect(manifest).to.not.have.property('dependencies');
    expect(await readdir(installed)).to.include.members(['LICENSE', 'README.md', 'latchkey-client.js', 'types']);
    expect(await readFile(join(installed, 'latchkey-client.js'), 'utf8')).not.to.match(/\bfrom ?['"]|\brequire\(/);
  });

  it('has types for Node and for browsers, with which the examples of docs/client.md compile', async () => {
    const options = { strict: true, target: 'es2022', module: 'nodenext', noEmit: true, skipLibCheck: false };
    const forNode = { ...options, types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')], skipLibCheck: true };
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: forNode, include: ['example-*.mts'] }),
    );
    const page =
      "import { createClient } from '@latchkey/client';\nconst page: Promise<void> = createClient({ baseUrl: location.origin }).logout();\nvoid page;\n";
    await writeFile(join(folder, 'page.mts'), page);
    const forPages = { ...options, lib: ['es2022', 'dom', 'dom.iterable'], types: [] };
    await writeFile(join(folder, 'page.json'), JSON.stringify({ compilerOptions: forPages, include: ['page.mts'] }));
    for (const project of ['tsconfig.json', 'page.json']) {
      const { stdout } = await run(process.execPath, [TSC, '-p', join(folder, project)]).catch(
        (error: { stdout: string }) => error,
      );
      expect(stdout, project).to.equal('');
    }
  });

  it('does what docs/client.md shows, example by example', async () => {
    expect(examples.map(({ title }) => title)).to.have.length(6);
    for (const [i, { title }] of examples.entries()) {
      const env = {
        PATH: process.env['PATH'],
        BASE_URL: `http://127.0.0.1:${api.port}`,
        EMAIL: await api.register(),
        PASSWORD,
        STORE: join(folder, 'session.json'),
      };
      const { stderr, stdout } = await run(process.execPath, [join(folder, `example-${i}.mts`)], {
        env,
        timeout: 20_000,
      });
      expect(stderr.replaceAll(/^\(.*\n/gm, ''), title).to.equal('');
      if (title.startsWith('Tell')) expect(stdout).to.equal('E-mail address or password is wrong.\n');
      if (title.startsWith('Hear')) expect(stdout).to.match(/^signed in [\w-]+\nrefreshed\nsigned out logout\n$/);
      if (title.startsWith('Look')) expect(stdout).to.equal('GET /api/v1/auth/me 200\n');
    }
  });

  it('runs under every Node on this machine that it says it needs', async () => {
    const program = `import { createClient } from '@latchkey/client';
      const auth = createClient({ baseUrl: process.env.BASE_URL });
      await auth.login({ email: process.env.EMAIL, password: process.env.PASSWORD });
      await Promise.all(Array.from({ length: 30 }, () => auth.me()));
      await auth.logout();
      console.log((await auth.session()).state);`;
    await writeFile(join(folder, 'program.mjs'), program);
    const env = { BASE_URL: `http://127.0.0.1:${api.port}`, EMAIL: await api.register(), PASSWORD };
    const nodes = (process.env['PATH'] ?? '').split(delimiter).map((path) => join(path, 'node'));
    for (const node of new Set([process.execPath, ...nodes.filter((path) => existsSync(path))])) {
      const { stdout: version } = await run(node, ['--version']);
      if (Number(/^v(\d+)/.exec(version)?.[1]) < 20) continue;
      const { stdout, stderr } = await run(node, [join(folder, 'program.mjs')], { env });
      expect([stdout, stderr], version).to.deep.equal(['signed-out\n', '']);
    }
  });
});
