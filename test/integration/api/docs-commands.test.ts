/**
 * The commands of the documentation that need no cluster, typed as they stand there: curl against a running API, `latchkey` against its database,
 * SQL on the migrated schema. Which commands: test/support/page-runs.ts.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { World } from '../../support/admin.ts';
import { installationEnv } from '../../support/backup.ts';
import { runLatchkey } from '../../support/command-line.ts';
import { type PageCommand, wordsOf } from '../../support/page-commands.ts';
import { commandsOf, placeOf } from '../../support/page-runs.ts';
import { isAsShown } from '../../support/page-shell.ts';
import { TestRedis } from '../../support/redis.ts';
import { Clock, codeNow, enrol } from '../../support/totp.ts';

const all = commandsOf('api');
const only = (matches: (command: PageCommand) => boolean): PageCommand => {
  const found = all.filter(matches);
  if (found[0] === undefined || found.length > 1) throw new Error(`${found.length} commands`);
  return found[0];
};
const keysShape = z.object({ keys: z.array(z.object({ keyId: z.string(), state: z.string() })) });
/** Of one byte over and over, which `od` without -v leaves out. */
const SERVICE_KEY = Buffer.alloc(32, 7).toString('base64');

type Variables = Readonly<Record<string, string>>;

/** What bash says of it; a failure is thrown with its reason. */
const bash = (text: string, variables: Variables): Promise<string> =>
  new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], ...variables };
    execFile('bash', ['-c', text], { env, timeout: 20_000 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${text}\n${err}`, { cause: error }));
    });
  });

describe('the commands of the documentation', function () {
  this.timeout(60_000);
  let world: World;
  let redis: TestRedis;
  let folder: string;

  before(async () => {
    [redis, folder] = await Promise.all([TestRedis.start(), mkdtemp(join(tmpdir(), 'latchkey-docs-'))]);
    await mkdir(join(folder, 'backups'));
    world = await World.create({ redisUrl: redis.url, env: { SERVICE_KEYS: `billing:${SERVICE_KEY}` } });
  });
  after(async () => {
    await world?.destroy();
    await redis?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const here = (text: string): string =>
    text.replaceAll(
      /https:\/\/auth\.example\.com|http:\/\/localhost:3000|localhost:3000/g,
      `http://127.0.0.1:${world.api.port}`,
    );

  /**
   * Each curl of a block in turn, with its status against the one in the remark behind or below it. What an answer brings is what the next line
   * uses; `written` says what stands in the page in place of a reader's own values.
   */
  const walk = async (command: PageCommand, written: () => Variables = () => ({})): Promise<number> => {
    const lines = here(command.text).split('\n');
    const settings = lines.filter((line) => /^\w+=/.test(line)).join('\n');
    let answered: Variables = { api: here('http://localhost:3000/api/v1'), json: 'content-type: application/json' };
    let walked = 0;
    for (const [index, line] of lines.entries()) {
      if (!line.startsWith('curl ')) continue;
      const [, wanted] = /# (\d{3})/.exec(`${line} ${lines[index + 1] ?? ''}`) ?? [];
      const values = Object.entries({ ...written(), 'lko1.…': answered['mfaToken'] ?? '' });
      const typed = values.reduce((text, [name, value]) => text.replaceAll(name, value), line);
      const said = await bash(`${settings}\n${typed.replace('curl ', "curl -s -w '\\n%{http_code}' ")}`, answered);
      const at = said.lastIndexOf('\n');
      expect(said.slice(at + 1), `${line}\n${said}`).to.equal(wanted);
      const tokens = said.matchAll(/"(accessToken|refreshToken|mfaToken)":"([^"]+)"/g);
      answered = { ...answered, ...Object.fromEntries([...tokens].map(([, name = '', value = '']) => [name, value])) };
      walked += 1;
    }
    return walked;
  };

  it('walk through the first five requests', async () => {
    expect(await walk(only(({ page, kind }) => page === 'docs/api.md' && kind === 'sh'))).to.equal(5);
  });

  it('log in with a second factor', async () => {
    const clock = new Clock();
    const { email, secret } = await enrol(world.api, clock);
    const written = () => ({ 'ada@example.com': email, '123456': codeNow(secret, clock.nowMs) });
    expect(
      await walk(
        only(({ page, kind }) => page === 'docs/api/mfa.md' && kind === 'sh'),
        written,
      ),
    ).to.equal(2);
  });

  it('sign a request of another service', async () => {
    const { accessToken } = await world.api.newSession();
    const { text } = only(({ page, kind }) => page === 'docs/api/edges.md' && kind === 'sh');
    const said = await bash(text, { URL: here('http://localhost:3000'), ACCESS_TOKEN: accessToken, SERVICE_KEY });
    expect(JSON.parse(said), said).to.include({ active: true });
  });

  it('ask the running service, with the token of a person who may', async () => {
    const person = await world.person('super_admin');
    const wrong = { email: person.email, password: 'Wrong-Horse-9-Staple' };
    expect((await world.api.post('/api/v1/auth/login', wrong)).status).to.equal(401);
    const asked = all.filter(({ kind, text }) => kind === 'console' && text.startsWith('curl '));
    for (const command of asked) {
      const said = await bash(here(command.text), { accessToken: person.accessToken });
      const answer = JSON.parse(said) as Record<string, unknown>;
      if (command.text.includes('audit')) expect(answer['entries'], said).to.be.an('array').that.is.not.empty;
      else expect(answer['detail'], said).to.have.property('hashing');
    }
    expect(asked.length).to.equal(2);
  });

  it('ask the database for what it has', async () => {
    const statements = all.filter(({ kind }) => kind === 'sql');
    expect(statements.length).to.be.at.least(4);
    for (const { text } of statements) await world.database.query(text);
  });

  it('change the password of Redis: both are taken between the two, the old one no more after them', async () => {
    const cli = `redis-cli -e -p ${redis.port}`;
    const opens = (password: string): Promise<boolean> =>
      bash(`${cli} AUTH latchkey ${password}`, {}).then(
        () => true,
        () => false,
      );
    await redis.command((client) => client.acl('SETUSER', 'latchkey', 'on', '+@all', '~*', '>OLD-PASSWORD'));
    const taken: boolean[] = [];
    for (const { text } of all.filter((command) => command.text.startsWith('redis-cli '))) {
      await bash(text.replace('redis-cli', cli), {});
      taken.push(await opens('OLD-PASSWORD'), await opens('NEW-PASSWORD'));
    }
    expect(taken).to.deep.equal([true, true, false, true]);
  });

  it('of latchkey do and say what the pages show', async () => {
    const env = installationEnv(world.database, redis.url);
    const commands = all.filter(({ text }) => text.startsWith('latchkey '));
    expect(commands.length).to.be.at.least(10);
    let keyId = '';
    for (const command of commands) {
      if (command.text.endsWith('rotate --now')) keyId = await theOldKey(env);
      const place = (word: string): string =>
        word
          .replace('/backups', join(folder, 'backups'))
          .replace(/^\w+\.jsonl?$/, join(folder, '$&'))
          .replace('OLD_KEY_ID', keyId);
      const { code, out, err } = await runLatchkey(wordsOf(command.text).slice(1).map(place), { env });
      expect(code, `${placeOf(command)}\n${err}${out}`).to.equal(0);
      const [, file] = / > (\S+)$/.exec(command.text) ?? [];
      if (file !== undefined) await writeFile(place(file), out);
      const said = out.replaceAll(join(folder, 'backups'), '/backups').replaceAll(`${folder}/`, '');
      // The page shows a trail that somebody has edited.
      if (!command.output.startsWith('FAIL'))
        expect(isAsShown(command.output, said), `${placeOf(command)}\n${said}`).to.equal(true);
    }
  });

  /** On another day than the rotation that the page shows before: what that one has published is gone, and the configured key signs. */
  const theOldKey = async (env: Variables): Promise<string> => {
    const { out } = await runLatchkey(['keys', 'list', '-o', 'json'], { env });
    const { keys } = keysShape.parse(JSON.parse(out));
    const of = (wanted: string): string => keys.find(({ state }) => state === wanted)?.keyId ?? '';
    const { code, err } = await runLatchkey(['keys', 'retire', '--', of('published')], { env });
    expect(code, err).to.equal(0);
    return of('active');
  };
});
