/**
 * Every command of the documentation is run by a test, or a rule of test/support/page-runs.ts says why not. Here those are read that take
 * minutes or hours: the project's own scripts, which people type.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createMetrics } from '../../../api/src/metrics.ts';
import { parseOptions as parseLoad } from '../../../load/runner/options.ts';
import { createMetrics as createOperatorMetrics } from '../../../operator/src/metrics.ts';
import repository from '../../../package.json' with { type: 'json' };
import { commandsIn, documentedCommands, ROOT, wordsOf } from '../../support/page-commands.ts';
import { commandsOf, placeOf, RULES, RUNNERS, ruleOf } from '../../support/page-runs.ts';

const all = documentedCommands();
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** Throws where npm or the script would say that it does not understand. */
const understand = ([program, verb = '', ...rest]: readonly string[]): void => {
  expect(program).to.equal('npm');
  const [name = '', dashes, ...args] = verb === 'run' ? rest : [verb, ...rest];
  if (name === 'ci') return;
  const pattern = new RegExp(`^${name.replace('*', '.+')}$`);
  expect(
    Object.keys(repository.scripts).some((script) => pattern.test(script)),
    `npm script ${name}`,
  ).to.equal(true);
  expect([undefined, '--'], 'options of a script stand behind --').to.include(dashes);
  if (name === 'load' && args[0] !== 'SCENARIO') parseLoad(args);
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
    for (const runner of ['apiserver', 'cluster', 'api', 'latchkey', 'drill'] as const)
      expect(read(RUNNERS[runner]), RUNNERS[runner]).to.include(`commandsOf('${runner}')`);
    const tests = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'test'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(tests.split('\n')).to.include.members(Object.values(RUNNERS));
  });

  it('name scripts that are there, with options that they take, where typing them takes minutes or hours', () => {
    const scripts = commandsOf('words');
    expect(scripts.length).to.be.above(20);
    for (const command of scripts) expect(() => understand(wordsOf(command.text)), placeOf(command)).to.not.throw();
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
