/** Installs distribution packages with apt-get, without starting their services. parts.ts calls it. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { LocalClusterError, reasonOf } from '../failure.ts';
import { run } from '../run.ts';
import { candidates } from './on-path.ts';

const installTimeoutMs = 300_000;
const updateTimeoutMs = 120_000;
/** Debian asks this script before it starts a service; 101 means no. */
const policyFile = '/usr/sbin/policy-rc.d';

/** @throws LocalClusterError PART_MISSING: no apt, no root, or apt's own reason */
export async function installPackages(packages: readonly string[], signal: AbortSignal): Promise<void> {
  const list = packages.join(' ');
  if (candidates('apt-get').length === 0) {
    const message = `missing on this machine: ${list} (Debian's names)`;
    throw new LocalClusterError('PART_MISSING', `${message}: install them with your package manager and try again`);
  }
  if (process.getuid?.() !== 0) {
    const message = `missing on this machine: ${list}`;
    throw new LocalClusterError('PART_MISSING', `${message}: run as root: apt-get install -y ${list}`);
  }
  const apt = async (timeoutMs: number, ...args: readonly string[]) =>
    await run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
      timeoutMs,
      signal,
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    });
  const install = async () => await apt(installTimeoutMs, 'install', '-y', '--no-install-recommends', ...packages);
  await withoutServices(async () => {
    try {
      await install();
    } catch {
      // Fresh containers have no package lists.
      try {
        await apt(updateTimeoutMs, 'update');
        await install();
      } catch (cause) {
        const message = `apt-get could not install ${list}: ${reasonOf(cause)}`;
        throw new LocalClusterError('PART_MISSING', `${message}; install them by hand, or allow the package mirror`, {
          cause,
        });
      }
    }
  });
}

/** The distribution's Redis, Prometheus and containerd services would only take ports and memory. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const isOurs = !existsSync(policyFile);
  if (isOurs) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await work();
  } finally {
    if (isOurs) rmSync(policyFile, { force: true });
  }
}
