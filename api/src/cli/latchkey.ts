/**
 * `latchkey COMMAND …`: the service's own command line, for people, scripts and Kubernetes Jobs. The entry: picks the command (commands.ts), which
 * reads its own options. In the image it is on the PATH (api/bin/latchkey). docs/latchkey-cli.md shows what to do with it.
 */
import { EXIT, type ExitCode, unknownWord } from './command.ts';
import { COMMANDS } from './commands.ts';
import { complete } from './completion.ts';
import { processTerminal, type Terminal } from './terminal.ts';

const width = Math.max(...COMMANDS.map(({ name }) => name.length));

export const HELP = `Usage: latchkey COMMAND [options]

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}   ${summary}`).join('\n')}

latchkey COMMAND --help shows its options and the variables that it reads. It reads the same environment as the service:
in a pod, kubectl -n auth exec deploy/auth-api-stable -- latchkey doctor

Exit codes: 0 done and nothing found, 1 something was found or it failed, 2 wrong usage, 3 the running service cannot be reached
`;

/** What the scripts of completion.ts call. */
const COMPLETE = '__complete';
const ASKS_HELP = new Set(['help', '--help', '-h']);

/** `latchkey help db` is `latchkey db --help`. */
const turned = ([word = '', next, ...rest]: readonly string[]): readonly string[] =>
  word === 'help' && next !== undefined ? [next, '--help'] : [word, ...(next === undefined ? [] : [next, ...rest])];

/** Runs one command line and resolves to the exit code. */
export const latchkey = async (args: readonly string[], terminal: Terminal): Promise<ExitCode> => {
  const [word = '', ...rest] = turned(args);
  if (word === COMPLETE) {
    const found = await complete(rest, COMMANDS);
    if (found.length > 0) await terminal.write(`${found.join('\n')}\n`);
    return EXIT.done;
  }
  if (ASKS_HELP.has(word)) {
    await terminal.write(HELP);
    return EXIT.done;
  }
  const entry = COMMANDS.find(({ name }) => name === word);
  if (entry !== undefined) return (await entry.load()).run(rest, terminal);
  const names = COMMANDS.map(({ name }) => name);
  terminal.complain(word === '' ? HELP : `latchkey: ${unknownWord(word, names)}\n\nSee latchkey --help\n`);
  return EXIT.usage;
};

if (import.meta.main) process.exitCode = await latchkey(process.argv.slice(2), processTerminal());
