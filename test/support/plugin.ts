/** Runs `kubectl authrollout` as its user does: a process of its own, with a kubeconfig. Used by test/integration/operator. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Scene } from './rollout-scene.ts';

const MAIN = fileURLToPath(new URL('../../operator/src/plugin/main.ts', import.meta.url));

/** Where it runs. */
export type Stage = Pick<Scene, 'namespace' | 'server'>;

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The arguments of node for a command line of the plugin in the scene's namespace. */
export function commandLine(scene: Stage, args: readonly string[], kubeconfig?: string): readonly string[] {
  const place = args.includes('-A') ? [] : ['--namespace', scene.namespace];
  return [MAIN, ...args, '--kubeconfig', kubeconfig ?? scene.server.kubeconfig(), ...place];
}

export function runPlugin(scene: Stage, args: readonly string[], kubeconfig?: string): Promise<Said> {
  return new Promise((resolve) => {
    execFile(process.execPath, commandLine(scene, args, kubeconfig), { timeout: 30_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}
