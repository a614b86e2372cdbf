/**
 * Every command of the documentation is run by a test, or a rule of test/support/page-runs.ts says why not; here those are read whose program
 * can tell whether it understands them without doing anything.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { expect } from 'chai';
import { COMMANDS as LATCHKEY } from '../../../api/src/cli/commands.ts';
import { createMetrics } from '../../../api/src/metrics.ts';
import { parseOptions as parseLoad } from '../../../load/runner/options.ts';
import { createMetrics as createOperatorMetrics } from '../../../operator/src/metrics.ts';
import { COMMANDS as AUTHROLLOUT, parseOptions as parseAuthrollout } from '../../../operator/src/plugin/options.ts';
import repository from '../../../package.json' with { type: 'json' };
import { commandsIn, documentedCommands, ROOT, wordsOf } from '../../support/page-commands.ts';
import { commandsOf, placeOf, RULES, RUNNERS, ruleOf } from '../../support/page-runs.ts';

const all = documentedCommands();
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** Throws where the program would say that it does not understand. */
const understand: Readonly<Record<'npm' | 'kubectl' | 'latchkey', (words: readonly string[]) => Promise<void>>> = {
  npm: async ([verb = '', ...rest]) => {
    const [name = '', dashes, ...args] = verb === 'run' ? rest.filter((word) => word !== '-s') : [verb, ...rest];
    if (name === 'ci') return;
    const pattern = new RegExp(`^${name.replace('*', '.+')}$`);
    expect(
      Object.keys(repository.scripts).some((script) => pattern.test(script)),
      `npm script ${name}`,
    ).to.equal(true);
    expect([undefined, '--'], 'options of a script stand behind --').to.include(dashes);
    if (name === 'load' && args[0] !== 'SCENARIO') parseLoad(args);
    if (name === 'latchkey' || name === 'monitor:auth')
      await understand.latchkey(name === 'latchkey' ? args : ['monitor', ...args]);
  },
  latchkey: async ([name, ...args]) => {
    const command = await LATCHKEY.find((entry) => entry.name === name)?.load();
    if (command === undefined) throw new Error('there is no such command');
    const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: command.options });
    if (command.verbs.length > 0 && positionals.length > 0) expect(command.verbs).to.include(positionals[0]);
  },
  kubectl: async ([, name = '', ...args]) => {
    expect(AUTHROLLOUT).to.include(name);
    if (args.includes('auth-api')) parseAuthrollout([name, ...args]);
  },
};

/** The names that a query asks for. */
const metricsIn = (query: string): readonly string[] =>
  [
    ...query.replaceAll(/\{[^}]*\}|\b(by|without) ?\([^)]*\)|\[[^\]]*\]/g, '').matchAll(/\b[a-z]\w*_\w+\b(?! *\()/g),
  ].map(([name]) => name);

describe('the commands of the documentation', () => {
  it('are found wherever a page shows one: after $, in a block of sh, in a sentence, with what they say and without remarks', () => {
    const page = [
      'Say `kubectl get pods` \\| `latchkey db status`, not `kubectl`.',
      '```console',
      '$ one --flag    # why',
      'it says',
      '$ two <<EOF',
      'a: 1',
      'EOF',
      '```',
      '```sh',
      'x=1',
      'three $x',
      '```',
      '```promql',
      'up',
      '```',
      '```yaml',
      'four: 4',
      '```',
    ].join('\n');
    const found = commandsIn('p.md', page).map(({ line, kind, text, output }) => [line, kind, text, output]);
    expect(found).to.deep.equal([
      [1, 'inline', 'kubectl get pods', ''],
      [1, 'inline', 'latchkey db status', ''],
      [3, 'console', 'one --flag', 'it says'],
      [5, 'console', 'two <<EOF\na: 1\nEOF', ''],
      [10, 'sh', 'x=1\nthree $x', ''],
      [14, 'promql', 'up', ''],
    ]);
  });

  it('each have a rule that says how they are run, or why not, and each rule has a command', () => {
    expect(all.length).to.be.above(250);
    expect(all.filter((command) => ruleOf(command) === undefined).map(placeOf)).to.deep.equal([]);
    const used = new Set(all.map(ruleOf));
    expect(RULES.filter((rule) => !used.has(rule))).to.deep.equal([]);
    const unknown = { page: 'docs/new.md', line: 1, kind: 'console', text: 'terraform apply', output: '' } as const;
    expect(ruleOf(unknown)).to.equal(undefined);
  });

  it('are asked for by the tests that the rules name', () => {
    for (const runner of ['apiserver', 'cluster', 'api', 'drill'] as const)
      expect(read(RUNNERS[runner]), RUNNERS[runner]).to.include(`commandsOf('${runner}')`);
    const tests = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'test'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(tests.split('\n')).to.include.members(Object.values(RUNNERS));
  });

  it('are understood by their programs, where they are not run', async () => {
    for (const command of commandsOf('words'))
      for (const part of command.text.split(' && ')) {
        const [program, ...words] = wordsOf(part);
        if (program !== 'npm' && program !== 'latchkey' && program !== 'kubectl') throw new Error(placeOf(command));
        if (program === 'npm' && words[0] === 'install') continue;
        await understand[program](words).catch((error: unknown) => {
          throw new Error(`${placeOf(command)}: ${error instanceof Error ? error.message : String(error)}`);
        });
      }
  });

  it('look in the log for words that the service logs', () => {
    const said = execFileSync('git', ['grep', '-hE', 'log\\.(info|warn|error)\\(', '--', 'api/src', 'operator/src'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    const searched = all.flatMap((command) => {
      const words = /^kubectl .*logs .*\| grep (?:'([^']+)'|(\S+))/.exec(command.text);
      return words === null ? [] : [{ command, words: words[1] ?? words[2] ?? '' }];
    });
    expect(searched.length).to.be.at.least(3);
    for (const { command, words } of searched)
      expect(said, placeOf(command)).to.match(new RegExp(`'[^']*${words.replaceAll('"', '')}[^']*'`));
  });

  it('ask Prometheus for metrics that the service or the operator has', async () => {
    const shown = await Promise.all(
      [createMetrics(), createOperatorMetrics()].map(({ registry }) => registry.metrics()),
    );
    const names = [...shown.join('\n').matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
    );
    for (const command of all.filter(({ kind }) => kind === 'promql')) {
      expect(metricsIn(command.text), placeOf(command)).to.not.deep.equal([]);
      expect(names, placeOf(command)).to.include.members([...metricsIn(command.text)]);
    }
  });
});
