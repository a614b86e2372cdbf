/**
 * Every `latchkey` that the documentation tells people to type, and the npm scripts that are the same or say how they are used: typed into bash
 * beside a running installation, in an order in which each finds what it needs. Which: test/support/page-runs.ts.
 */
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { World } from '../../support/admin.ts';
import { PASSWORD } from '../../support/api.ts';
import { installationEnv } from '../../support/backup.ts';
import { eventually } from '../../support/eventually.ts';
import { LivePrometheus } from '../../support/live-prometheus.ts';
import { type PageCommand, ROOT } from '../../support/page-commands.ts';
import { commandsOf, placeOf } from '../../support/page-runs.ts';
import { openPlainShell, type Said, type Shell } from '../../support/page-shell.ts';
import { createEmptyDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

/** Two environments with faults, for `config`. */
const FILES = {
  'staging.env': 'APP_ENV=staging\nPASSWORD_POLICY=nist\n',
  'production.env': 'APP_ENV=production\nLOG_LEVEL=debug\n',
  'probe-password': PASSWORD,
};
/** Somebody's store for files: it takes what comes. */
const AWS = '#!/bin/sh\ncat > "$HOME/stored.lkb"\n';

/** What only looks, at once; then what changes something, each line after those above it. */
const LOOKS =
  /^(LATCHKEY_\w+=|latchkey (--help|completion|doctor|config|monitor|report)\b|npm run (-s )?(latchkey|monitor:auth|db:(status|verify)|\w+ -- --help))/;
const CHANGES: readonly RegExp[] = [
  /^(latchkey db|npm run db:) ?(migrate|status|verify|import-profiles)/,
  /^latchkey audit (checkpoint|keys|retain)/,
  /^latchkey audit/,
  /^latchkey keys (list|rotate)/,
  /^latchkey keys retire/,
  /^latchkey backup (keygen|create)/,
  /^latchkey (backup|drill|restore)/,
  /^(latchkey cache|npm run cache)/,
  /^npm run \w+:pack/,
  /^(latchkey db |npm run db:)rollback/,
];
/** Exit code 1 is what they found, and they say it on standard output: a service without TLS, files with faults, a machine that is busy. */
const VERDICTS = /(latchkey|monitor:auth) (-- )?(doctor|config|monitor|report)/;
/** They end when their reader does. */
const ENDLESS = /monitor(?!.*--once)/;

const all = commandsOf('latchkey');
const distinct = all.filter(({ text }, index) => all.findIndex((each) => each.text === text) === index);
const keysShape = z.object({ keys: z.array(z.object({ keyId: z.string(), state: z.string() })) });

describe('the commands of the documentation that are latchkey', function () {
  this.timeout(240_000);
  let world: World;
  let redis: TestRedis;
  let prometheus: LivePrometheus;
  let shell: Shell;

  before(async () => {
    redis = await TestRedis.start();
    world = await World.create({ redisUrl: redis.url });
    const { port } = world.api;
    prometheus = await LivePrometheus.start('5s');
    const labels = { job: 'auth-api', __metrics_path__: '/api/metrics' };
    await prometheus.scrape([{ targets: [`127.0.0.1:${port}`], labels }]);
    shell = await openPlainShell(
      { latchkey: join(ROOT, 'api/bin/latchkey') },
      { PORT: String(port), ...installationEnv(world.database, redis.url) },
    );
    for (const [name, text] of Object.entries(FILES)) await shell.write(name, text);
    await shell.write('bin/aws', AWS);
    await chmod(join(shell.folder, 'bin/aws'), 0o755);
    for (const name of ['backups', 'bash_completion.d']) await mkdir(join(shell.folder, name));
    await world.api.register('probe@example.com');
    await eventually('Prometheus has scraped', 30_000, async () => {
      const answer = await fetch(`${prometheus.address}/api/v1/query?query=process_cpu_seconds_total{job="auth-api"}`);
      return (await answer.text()).includes('"metric"');
    });
  });
  after(async () => {
    await shell?.close();
    await prometheus?.stop();
    await world?.destroy();
    await redis?.drop();
  });

  const backup = async (): Promise<string> => {
    const [file = 'none'] = (await readdir(join(shell.folder, 'backups'))).filter((name) => name.endsWith('.lkb'));
    return join(shell.folder, 'backups', file);
  };
  /** The reader's own addresses, folders and names, and without what the page leaves to a tool of the reader's. */
  const placed = async ({ text }: PageCommand): Promise<string> => {
    const api = `http://127.0.0.1:${world.api.port}`;
    const file = text.includes('--checkpoints') ? 'kept.txt' : await backup();
    const typed = text
      .replace(/ \| jq .*$/, '')
      .replaceAll(/https:\/\/auth\.example\.com|http:\/\/10\.0\.0\.[56]:3000/g, api)
      .replace('http://prometheus:9090', prometheus.address)
      .replace(/(?<= )\/(backups|etc)(?=\b)/, (_whole, name: string) => join(shell.folder, name === 'etc' ? '' : name))
      .replace(/\bFILE\b/, file)
      .replace('<its id>', text.includes('retire') ? await keyThat('verifying') : '');
    return text.startsWith('npm ') ? `cd '${ROOT}' && ${typed}` : typed;
  };
  const keyThat = async (is: string): Promise<string> => {
    const { out } = await shell.run('latchkey keys list -o json');
    return keysShape.parse(JSON.parse(out)).keys.find(({ state }) => state === is)?.keyId ?? 'none';
  };
  const say = async (command: PageCommand): Promise<Said> => {
    const typed = await placed(command);
    // Where another key is published, that one goes first, as the page says.
    if (typed.endsWith('keys rotate --now')) await shell.run(`latchkey keys retire -- ${await keyThat('published')}`);
    if (!ENDLESS.test(typed)) return await shell.run(await prepared(typed));
    const begun = await shell.begin(typed, /\n/);
    await begun.end();
    return begun;
  };
  /** A restore wants a database of its own. */
  const prepared = async (typed: string): Promise<string> =>
    typed.startsWith('latchkey restore')
      ? `MIGRATION_DATABASE_URL=${(await createEmptyDatabase()).ownerUrl} ${typed}`
      : typed;

  /** What is wrong with it; nothing where it did what the page says. */
  const type = async (command: PageCommand): Promise<readonly string[]> => {
    const { code, out, err } = await say(command);
    const isVerdict = code === 1 && err === '' && VERDICTS.test(command.text);
    return code === 0 || isVerdict ? [] : [`${placeOf(command)}\n  exit code ${code}: ${err}${out}`];
  };

  it('each have their place in the order', () => {
    const without = distinct.filter(({ text }) => !LOOKS.test(text) && !CHANGES.some((change) => change.test(text)));
    expect(without.map(placeOf)).to.deep.equal([]);
    expect(distinct.length).to.be.above(55);
  });

  it('look, and say what they see', async () => {
    const faults = await Promise.all(distinct.filter(({ text }) => LOOKS.test(text)).map(type));
    expect(faults.flat()).to.deep.equal([]);
  });

  it('do what the pages say', async () => {
    const faults: string[] = [];
    for (const change of CHANGES) {
      const here = distinct.filter(
        ({ text }) => !LOOKS.test(text) && CHANGES.find((each) => each.test(text)) === change,
      );
      for (const command of here) faults.push(...(await type(command)));
      if (change.source.includes('checkpoint')) await shell.run('latchkey audit checkpoint > kept.txt');
    }
    expect(faults).to.deep.equal([]);
  });
});
