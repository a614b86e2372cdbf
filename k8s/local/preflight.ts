/** What the machine must have before anything is fetched or started. cluster.ts calls it first. */
import { LocalClusterError } from './failure.ts';

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
