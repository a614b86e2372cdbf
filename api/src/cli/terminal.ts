/** Where a command reads and writes: the process's own streams, or a test's. Made by latchkey.ts; every command gets one. */

export interface Terminal {
  readonly env: Readonly<NodeJS.ProcessEnv>;
  /** Whether a person looks at standard output; false in a pipe, where pictures become lines. */
  readonly isInteractive: boolean;
  readonly hasColour: boolean;
  /** Asked anew for every picture, since windows change their size. */
  columns(): number;
  rows(): number;
  /** Resolves when it is written: a pipe that is read slowly holds the writer up. */
  write(data: string | Uint8Array): Promise<void>;
  complain(text: string): void;
  /** All of standard input. @throws Error where that is longer than 64 KiB */
  readInput(): Promise<string>;
  nowMs(): number;
  /** Aborted when somebody wants the command to end (Ctrl-C, SIGTERM). */
  readonly over: AbortSignal;
}

const INPUT_MAX = 65_536;
/** Where nobody looks, lines may be long. */
const PIPE_COLUMNS = 200;

const readInput = async (): Promise<string> => {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > INPUT_MAX) throw new Error('standard input is longer than 64 KiB');
  }
  return text;
};

const write = (data: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(data, (error) => (error ? reject(error) : resolve()));
  });

export const processTerminal = (): Terminal => {
  const isInteractive = process.stdout.isTTY;
  const over = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => over.abort());
  return {
    env: process.env,
    isInteractive,
    hasColour: isInteractive && (process.env['NO_COLOR'] ?? '') === '',
    columns: () => (isInteractive ? process.stdout.columns : PIPE_COLUMNS),
    rows: () => (isInteractive ? process.stdout.rows : Number.POSITIVE_INFINITY),
    write,
    complain: (text) => process.stderr.write(text),
    readInput,
    nowMs: () => Date.now(),
    over: over.signal,
  };
};

/** Progress of long work on standard error, for a person alone. */
export const progressTo =
  (terminal: Terminal) =>
  (what: string, count: number): void => {
    if (terminal.isInteractive) terminal.complain(`  ${what}: ${count}\n`);
  };
