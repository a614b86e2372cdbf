/** What every command of the plugin gets and how it answers. Used by commands.ts and the files of single commands; main.ts makes it. */
import type { Cluster } from './cluster.ts';
import type { Options } from './options.ts';
import type { Rollouts } from './rollouts.ts';

/** A refusal of ours, with what to do instead. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

export interface Terminal {
  readonly isInteractive: boolean;
  readonly columns: number;
  readonly hasColour: boolean;
  readonly write: (text: string) => void;
  /** How far a long command is, for people only; an empty text takes it away. */
  readonly note: (text: string) => void;
  readonly nowMs: () => number;
}

export interface CommandDeps {
  readonly rollouts: Rollouts;
  readonly cluster: Cluster;
  readonly options: Options;
  /** The namespace that was asked for, or the context's. */
  readonly namespace: string;
  readonly terminal: Terminal;
}

export function lines(terminal: Terminal, text: readonly string[]): void {
  terminal.write(`${text.join('\n')}\n`);
}

export function json(terminal: Terminal, value: unknown): void {
  lines(terminal, [JSON.stringify(value, undefined, 2)]);
}
