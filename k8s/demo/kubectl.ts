// Speaks to the cluster as a person would: through kubectl. Called by the demo and by the end-to-end tests; what it
// returns is `unknown` and parsed by whoever asked (record.ts, install.ts, test/support).
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { type RunOptions, run } from '../local/run.ts';

export interface Kubectl {
  /** Lines for a shell after which plain `kubectl` means this cluster. */
  readonly setUpLines: readonly string[];
  run(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Applies manifests given as objects, server-side, as the field manager `latchkey-demo`. */
  apply(objects: readonly object[]): Promise<void>;
  /** One GET of an API path. */
  read(path: string): Promise<unknown>;
  /** Objects and changes of a collection from now on, as `{type, object}`; ends with the signal, reconnects by itself. */
  watch(collectionPath: string, signal: AbortSignal): AsyncGenerator;
}

const reconnectAfterMs = 200;

/** What chooses the cluster: a kubeconfig of its own, or a context of the user's. */
export type ChosenCluster = { readonly kubeconfig: string } | { readonly context: string };

export function openKubectl(file: string, cluster: ChosenCluster): Kubectl {
  const prefix = 'context' in cluster ? ['--context', cluster.context] : ['--kubeconfig', cluster.kubeconfig];
  const runKubectl = (args: readonly string[], options?: RunOptions): Promise<string> =>
    run(file, [...prefix, ...args], options);
  return {
    setUpLines:
      'context' in cluster
        ? [`kubectl config use-context ${cluster.context}`]
        : [`export KUBECONFIG=${cluster.kubeconfig} PATH=${dirname(file)}:$PATH`],
    run: runKubectl,
    apply: async (objects) => {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      await runKubectl(['apply', '--server-side', '--field-manager=latchkey-demo', '--force-conflicts', '-f', '-'], {
        input,
      });
    },
    read: async (path) => JSON.parse(await runKubectl(['get', '--raw', path])) as unknown,
    watch: (path, signal) => watchLines([file, ...prefix, 'get', '--raw', `${path}?watch=1`], signal),
  };
}

async function* watchLines(commandLine: readonly string[], signal: AbortSignal): AsyncGenerator {
  while (!signal.aborted) {
    for await (const line of linesOf(commandLine, signal)) yield JSON.parse(line) as unknown;
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, reconnectAfterMs));
  }
}

async function* linesOf(commandLine: readonly string[], signal: AbortSignal): AsyncGenerator<string> {
  const [file = '', ...args] = commandLine;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  child.on('error', () => undefined); // The stream ends, and the caller connects again.
  const stop = (): void => {
    child.kill('SIGKILL');
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const line of createInterface({ input: child.stdout })) if (line !== '') yield line;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
