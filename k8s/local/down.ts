/**
 * Removes what the cluster made, in whatever state a run left it: it looks at the machine, not at a memory of what was
 * started. cluster.ts calls `tearDown` for `down`, after a failed start, and before a start that finds leftovers.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { paths, runDir, stateDir } from './layout.ts';
import { tearDownNetwork } from './network.ts';
import { killPids, stopProcess } from './processes.ts';
import { run, tryRun } from './run.ts';

export interface TearDownOptions {
  readonly keepLogs?: boolean;
}

/** The kubelet first, so that nothing is started again; the API server and etcd last. */
const stopOrder = [
  ['kubelet', 'kube-proxy', 'scrape-targets', 'kube-scheduler', 'kube-controller-manager'],
  ['envoy', 'contour', 'prometheus', 'redis', 'postgres'],
  ['containerd', 'kube-apiserver'],
  ['etcd'],
] as const;

/** Made on the way when they are missing; removed when nothing of anybody else is in them, the deepest first. */
const foldersOfOthers = [
  '/var/lib/cni/results',
  '/var/lib/cni/cache',
  '/var/lib/cni',
  '/var/lib/kubelet/device-plugins',
  '/var/lib/kubelet',
  '/var/log/containers',
  '/run/containerd/s',
  '/run/containerd',
] as const;

const removeTimeoutMs = 120_000;
const cgroupRoot = '/sys/fs/cgroup';

/** Stops every process and removes mounts, links, packet rules, control groups and files. */
export async function tearDown(options: TearDownOptions = {}): Promise<void> {
  if (!existsSync(stateDir) && !existsSync(runDir)) return;
  for (const group of stopOrder) await Promise.all(group.map(async (name) => await stopProcess(name)));
  const sockets = shimSockets();
  await killPids(leftoverPids());
  await removeSharedMemory();
  await unmountAll();
  await tearDownNetwork();
  removeCgroups();
  for (const socket of sockets) rmSync(socket, { force: true });
  removeTraces();
  await removeFolders(options.keepLogs === true ? besidesLogs() : [runDir, stateDir]);
}

/** `rm`, since image layers are a hundred thousand files, for which Node needs ten seconds. */
async function removeFolders(folders: readonly string[]): Promise<void> {
  await run('rm', ['-rf', '--one-file-system', ...folders], { timeoutMs: removeTimeoutMs });
}

/** A PostgreSQL that was killed leaves its System V segment; its pid file names it: "key id" on line 7. */
async function removeSharedMemory(): Promise<void> {
  const file = join(paths.postgres, 'data', 'postmaster.pid');
  if (!existsSync(file)) return;
  const id = readFileSync(file, 'utf8').split('\n')[6]?.trim().split(/\s+/)[1];
  if (id !== undefined && /^\d+$/.test(id)) await tryRun('ipcrm', ['--shmem-id', id]);
}

/** Container processes (by control group) and everything that was started with one of our folders in its command. */
function leftoverPids(): number[] {
  const inContainers = ourCgroups().flatMap((folder) => pidsIn(folder));
  const byCommand = allPids().filter((pid) => pid !== process.pid && isOurs(pid));
  return [...new Set([...inContainers, ...byCommand])];
}

function isOurs(pid: number): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    const program = readlinkSync(`/proc/${pid}/exe`);
    const isShim = words[0]?.includes('containerd-shim') === true && words.includes(paths.containerdSocket);
    return isShim || program.startsWith(`${stateDir}/`);
  } catch {
    return false; // ended meanwhile, or a kernel thread
  }
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function pidsIn(cgroup: string): number[] {
  try {
    return readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Every `kubepods` control group, the deepest first. A foreign kubelet is excluded before a start (network.ts). */
function ourCgroups(): string[] {
  const tops = existsSync(join(cgroupRoot, 'cgroup.controllers'))
    ? [cgroupRoot]
    : readdirSync(cgroupRoot).map((controller) => join(cgroupRoot, controller));
  return tops.map((top) => join(top, 'kubepods')).flatMap((folder) => (existsSync(folder) ? foldersIn(folder) : []));
}

function foldersIn(folder: string): string[] {
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...below.flatMap((entry) => foldersIn(join(folder, entry.name))), folder];
}

function removeCgroups(): void {
  for (const folder of ourCgroups()) {
    try {
      rmdirSync(folder);
    } catch {
      // a process that is still ending holds it; an empty group costs nothing and the next run takes it over
    }
  }
}

async function unmountAll(): Promise<void> {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${stateDir}/`) || point.startsWith(`${runDir}/`))
    .toReversed();
  for (const point of mounts) {
    if ((await tryRun('umount', [point])) === undefined) await run('umount', ['--lazy', point]);
  }
}

/** containerd's shims listen in a folder that containerd shares with others; each bundle notes its own socket. */
function shimSockets(): string[] {
  const tasks = join(paths.containerdRun, 'io.containerd.runtime.v2.task', 'k8s.io');
  if (!existsSync(tasks)) return [];
  return readdirSync(tasks).flatMap((id) => {
    try {
      return [
        readFileSync(join(tasks, id, 'address'), 'utf8')
          .replace('unix://', '')
          .trim(),
      ];
    } catch {
      return [];
    }
  });
}

/** What the kubelet, containerd and the CNI library write outside our folders, at places that cannot be set. */
function removeTraces(): void {
  // Named after sandboxes that nobody remembers; each says which network namespace it was for.
  removeEntries('/var/lib/cni/results', (_name, path) => readFileSync(path, 'utf8').includes(`${runDir}/`));
  removeEntries('/var/lib/kubelet/device-plugins', (name) => name === 'kubelet.sock');
  removeEntries('/var/log/containers', (_name, path) => linkTarget(path).startsWith(`${stateDir}/`));
  for (const folder of foldersOfOthers) removeWhenEmpty(folder);
}

function removeEntries(folder: string, isOurEntry: (name: string, path: string) => boolean): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (isOurEntry(name, path)) rmSync(path, { force: true });
  }
}

function removeWhenEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // not empty: somebody else uses it
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function besidesLogs(): readonly string[] {
  mkdirSync(paths.logs, { recursive: true });
  const others = readdirSync(stateDir).map((name) => join(stateDir, name));
  return [runDir, ...others.filter((path) => path !== paths.logs)];
}
