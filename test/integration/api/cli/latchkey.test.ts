/** The program `latchkey`: its help, what it says to what it does not know, completion, and that it starts as its users start it. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { describe as sentenceOf } from '../../../../api/src/cli/command.ts';
import { COMMANDS } from '../../../../api/src/cli/commands.ts';
import { runLatchkey, type Said } from '../../../support/command-line.ts';

const path = (relative: string): string => fileURLToPath(new URL(`../../../../${relative}`, import.meta.url));

const start = (file: string, args: readonly string[]): Promise<Said> =>
  new Promise((resolve) => {
    const { PATH = '' } = process.env;
    execFile(file, [...args], { env: { PATH }, timeout: 25_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    );
  });

describe('latchkey', () => {
  it('lists its commands, each with a summary, on help, and on standard error with 2 when nothing is asked', async () => {
    const help = await runLatchkey(['--help']);
    for (const { name, summary } of COMMANDS) expect(help.out).to.match(new RegExp(`^  ${name} +${summary}`, 'm'));
    expect(help.code).to.equal(0);
    expect(await runLatchkey([])).to.deep.equal({ code: 2, out: '', err: help.out });
  });

  it('explains each command, in the same words for --help and help, with its exit codes', async () => {
    for (const { name, load } of COMMANDS) {
      const { out, code } = await runLatchkey([name, '--help']);
      expect([code, (await load()).name], name).to.deep.equal([0, name]);
      expect(out, name)
        .to.match(new RegExp(`^Usage: latchkey ${name}`))
        .and.to.include('Exit codes:');
      expect((await runLatchkey(['help', name])).out).to.equal(out);
      for (const option of Object.keys((await load()).options).filter((one) => name !== 'completion' || one === 'help'))
        expect(out, name).to.include(`--${option}`);
    }
  });

  it('names the command that was meant, and the sub-command, exit 2', async () => {
    for (const [args, sentence] of [
      [['docter'], 'latchkey: there is no command docter; did you mean doctor?'],
      [['xyzzy'], 'latchkey: there is no command xyzzy: audit, backup, cache,'],
      [['keys', 'rotat'], 'keys: there is no command rotat; did you mean rotate?'],
      [['db'], 'db: a command is needed: migrate, status'],
      [['db', 'migrate', '--dryrun'], "db: Unknown option '--dryrun'"],
    ] as const) {
      const { code, out, err } = await runLatchkey(args);
      expect([code, out, err.startsWith(sentence)], err).to.deep.equal([2, '', true]);
    }
  });

  it('keeps passwords out of what it says of an address that it cannot use', async () => {
    const url = 'postgres://u:secret-Word@127.0.0.1:1/x';
    for (const args of [
      ['db', 'status'],
      ['keys', 'list'],
      ['cache', 'clear'],
    ]) {
      const env = { MIGRATION_DATABASE_URL: url, REDIS_URL: url.replace('postgres', 'redis') };
      const { code, out, err } = await runLatchkey(args, { env });
      expect([code, (out + err).includes('secret-Word')], err).to.deep.equal([1, false]);
      expect(err.length).to.be.above(args[0]?.length ?? 0);
    }
    const quoting = new AggregateError([new Error(`no route to ${url}`)]);
    expect(sentenceOf(quoting)).to.equal('no route to [address]@127.0.0.1:1/x');
  });

  it('completes commands, sub-commands, options and their values, and nothing where nothing fits', async () => {
    for (const [words, wanted] of [
      [['do'], 'doctor\n'],
      [['keys', 'r'], 'rotate\nretire\n'],
      [['db', 'migrate', '--d'], '--dry-run\n'],
      [['config', 'validate', '--environment', 'st'], 'staging\n'],
      [['doctor', '-o', ''], 'text\njson\n'],
      [['report', '-o', ''], 'markdown\njson\n'],
      [['nothing', ''], ''],
      [['keys', 'list', ''], ''],
    ] as const)
      expect((await runLatchkey(['__complete', ...words])).out, words.join(' ')).to.equal(wanted);
  });

  it('completes in bash', async () => {
    const script = `PATH=${path('api/bin')}:$PATH; source <(latchkey completion bash); COMP_WORDS=(latchkey keys ro); COMP_CWORD=2; _latchkey; echo "\${COMPREPLY[@]}"`;
    expect(await start('bash', ['--norc', '--noprofile', '-c', script])).to.deep.equal({
      code: 0,
      out: 'rotate\n',
      err: '',
    });
  });

  it('starts by the file that the image has on its PATH', async () => {
    const { code, out } = await start(path('api/bin/latchkey'), ['--help']);
    expect([code, out.startsWith('Usage: latchkey COMMAND')]).to.deep.equal([0, true]);
    expect(readFileSync(path('api/Dockerfile'), 'utf8')).to.include('COPY api/bin/latchkey /usr/local/bin/latchkey');
    expect(readFileSync(path('.dockerignore'), 'utf8')).to.include('!api/bin\n');
  });
});
