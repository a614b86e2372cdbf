/** Runs `latchkey` in this process, as its user does: arguments, an environment, perhaps an input; what it wrote and its exit code. Used by the tests of the command line. */
import { latchkey } from '../../api/src/cli/latchkey.ts';
import type { Terminal } from '../../api/src/cli/terminal.ts';

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Stage {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly columns?: number;
  readonly rows?: number;
  readonly isInteractive?: boolean;
  readonly hasColour?: boolean;
  readonly nowMs?: () => number;
  readonly over?: AbortSignal;
  /** Told of each piece that is written. */
  readonly onWrite?: (text: string) => void;
  /** The same as bytes, for what is no text. */
  readonly onBytes?: (bytes: Buffer) => void;
}

/** Nothing of this process's own environment goes in. */
export const runLatchkey = async (args: readonly string[], stage: Stage = {}): Promise<Said> => {
  let [out, err] = ['', ''];
  const terminal: Terminal = {
    env: stage.env ?? {},
    isInteractive: stage.isInteractive ?? false,
    hasColour: stage.hasColour ?? false,
    columns: () => stage.columns ?? 200,
    rows: () => stage.rows ?? Number.POSITIVE_INFINITY,
    write: async (data) => {
      const bytes = Buffer.from(data);
      out += bytes.toString('utf8');
      stage.onWrite?.(bytes.toString('utf8'));
      stage.onBytes?.(bytes);
    },
    complain: (text) => (err += text),
    readInput: async () => stage.input ?? '',
    nowMs: stage.nowMs ?? (() => Date.now()),
    over: stage.over ?? new AbortController().signal,
  };
  const code = await latchkey(args, terminal);
  return { code, out, err };
};
