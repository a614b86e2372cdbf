/** What the machine must have before anything is fetched or started. cluster.ts calls it first. */
import { canConnect } from './control-plane.ts';
import { LocalClusterError } from './failure.ts';
import { ports } from './layout.ts';

/** @throws LocalClusterError NOT_LINUX, NOT_ROOT */
export function checkMachine(): void {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    const message = `the local cluster runs on Linux x64 only (this is ${process.platform} ${process.arch})`;
    throw new LocalClusterError('NOT_LINUX', `${message}: use your own cluster with --context NAME`);
  }
  if (process.getuid?.() !== 0) {
    const message = 'the local cluster needs root for its network, mounts and containers';
    throw new LocalClusterError(
      'NOT_ROOT',
      `${message}: run it with sudo, or use your own cluster with --context NAME`,
    );
  }
}

/** @throws LocalClusterError PORT_TAKEN */
export async function refuseTakenPorts(): Promise<void> {
  for (const [name, port] of Object.entries(ports)) {
    if (!(await canConnect('127.0.0.1', port))) continue;
    const message = `port ${port} is taken on this machine, and the local cluster needs it (${name})`;
    throw new LocalClusterError(
      'PORT_TAKEN',
      `${message}: stop what listens there (ss -ltnp "sport = :${port}" shows it)`,
    );
  }
}
