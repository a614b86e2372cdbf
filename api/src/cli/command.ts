/**
 * What every command of `latchkey` shares: options that node's parser reads, `-o`, `--help`, errors as sentences without credentials, exit codes.
 * Each command is a file beside this one that exports a `Command`; commands.ts lists them.
 */
import { parseArgs } from 'node:util';
import { nearest } from '../core/nearest.ts';
import { processTerminal, type Terminal } from './terminal.ts';

/** 3 is of the commands that ask a running service. */
export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly default?: string | boolean;
  /** What completion offers as its value. */
  readonly values?: readonly string[];
}
export type Options = Readonly<Record<string, Option>>;

type Value<O extends Option> =
  | (O['type'] extends 'boolean' ? boolean : string)
  | (O extends { readonly default: string | boolean } ? never : undefined);
export type Values<O extends Options> = { readonly [name in keyof O]: Value<O[name]> };

export interface Answer {
  /** What `-o json` prints; undefined where the command has written everything itself. */
  readonly data: unknown;
  readonly text: string;
  /** False is exit code 1: something was found, or it was not done. */
  readonly isGood: boolean;
}

export interface Call<O extends Options> {
  readonly operands: readonly string[];
  readonly values: Values<O>;
  readonly isJson: boolean;
  readonly terminal: Terminal;
}

export interface Command {
  readonly name: string;
  /** What `--help` prints. */
  readonly help: string;
  /** Its sub-commands; empty where it has none. */
  readonly verbs: readonly string[];
  readonly options: Options;
  /** Runs one command line, without the command's name, and resolves to the exit code. Never rejects. */
  run(args: readonly string[], terminal: Terminal): Promise<ExitCode>;
}

interface CommandSpec<O extends Options> {
  readonly name: string;
  readonly help: string;
  readonly verbs?: readonly string[];
  readonly options: O;
  /** @throws UsageError @throws CommandError */
  readonly work: (call: Call<O>) => Promise<Answer>;
}

/** The command line cannot be understood: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** It could not be done, with the exit code that says so. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

const SHARED = {
  output: { type: 'string', short: 'o', default: 'text', values: ['text', 'json'] },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies Options;

const withoutCredentials = (text: string): string => text.replaceAll(/\b\w+:\/\/[^\s@/]+@/g, '[address]@');

/** A sentence for people, without connection strings; the database's own sentence is the useful one. */
export const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return 'failed';
  // By its name: migrate.ts brings the database's driver along, which most commands never need.
  const cause = error.name === 'MigrationError' && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  const message = error instanceof AggregateError ? error.errors.map(describe).join('; ') : error.message;
  return withoutCredentials(`${message || 'nobody answers there'}${cause}`);
};

const isUsage = (error: unknown): boolean =>
  error instanceof UsageError ||
  (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));

const call = async <O extends Options>(
  { options, help, work }: CommandSpec<O>,
  args: readonly string[],
  terminal: Terminal,
): Promise<ExitCode> => {
  const all: Options = { ...SHARED, ...options };
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: all });
  if (values['help'] === true) {
    await terminal.write(help);
    return EXIT.done;
  }
  const { output } = values;
  const formats = all['output']?.values ?? [];
  if (!formats.some((format) => format === output)) throw new UsageError(`--output is ${formats.join(' or ')}`);
  const isJson = output === 'json';
  // node's parser has made of each option what its declaration says; the type of the declaration is the type of the value.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { data, text, isGood } = await work({ operands: positionals, values: values as Values<O>, isJson, terminal });
  if (data !== undefined) await terminal.write(`${isJson ? JSON.stringify(data, null, 2) : text}\n`);
  return isGood ? EXIT.done : EXIT.failed;
};

export const command = <const O extends Options>(spec: CommandSpec<O>): Command => ({
  name: spec.name,
  help: spec.help,
  verbs: spec.verbs ?? [],
  options: { ...SHARED, ...spec.options },
  run: async (args, terminal) => {
    try {
      return await call(spec, args, terminal);
    } catch (error) {
      terminal.complain(`${spec.name}: ${describe(error)}\n`);
      if (isUsage(error)) terminal.complain(`\nSee latchkey ${spec.name} --help\n`);
      return isUsage(error) ? EXIT.usage : error instanceof CommandError ? error.exitCode : EXIT.failed;
    }
  },
});

/** For a command's file that is started by itself: the chart's job and the npm scripts call `db.ts`. */
export const runAlone = async (alone: Command): Promise<void> => {
  process.exitCode = await alone.run(process.argv.slice(2), processTerminal());
};

/** The sub-command that was asked for. @throws UsageError */
export const verbOf = <const V extends string>(verbs: readonly V[], word: string | undefined): V => {
  const found = verbs.find((verb) => verb === word);
  if (found !== undefined) return found;
  throw new UsageError(word === undefined ? `a command is needed: ${verbs.join(', ')}` : unknownWord(word, verbs));
};

/** Says what was not understood, and what may have been meant. */
export const unknownWord = (word: string, known: readonly string[]): string => {
  const near = nearest(word, known);
  return `there is no command ${word}${near === undefined ? `: ${known.join(', ')}` : `; did you mean ${near}?`}`;
};
