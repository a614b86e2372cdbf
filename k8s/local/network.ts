/**
 * The bridge that pods hang on, the kernel settings, and the way back. cluster.ts calls `setUpNetwork` before anything
 * listens; down.ts calls `tearDownNetwork` at the end.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { LocalClusterError } from './failure.ts';
import { bridge, paths } from './layout.ts';
import { run, tryRun } from './run.ts';

/** What the node changes in /proc/sys, ours and the kubelet's, so that `down` can put it back. */
const settings = [
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/route_localnet',
  'net/bridge/bridge-nf-call-iptables',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
] as const;

const settingsSchema = z.record(z.string(), z.string());
const linkSchema = z.array(z.object({ ifname: z.string() }));
const bridgeRules = [
  ['INPUT', '-i'],
  ['FORWARD', '-i'],
  ['FORWARD', '-o'],
] as const;

/** Chains that kube-proxy, the kubelet and the CNI plugins make. */
const ourChain = /^(KUBE-|CNI-)/;

/** Makes the bridge with its address and lets packets through. */
export async function setUpNetwork(): Promise<void> {
  await tryRun('modprobe', ['-a', 'bridge', 'br_netfilter', 'overlay']); // built in on many kernels
  rememberSettings();
  await run('ip', ['link', 'add', bridge.name, 'type', 'bridge']);
  await run('ip', ['address', 'add', `${bridge.address}/${bridge.prefix}`, 'dev', bridge.name]);
  await run('ip', ['link', 'set', bridge.name, 'up']);
  // Firewalls that drop by default (ufw, Docker's FORWARD policy) would cut pods off from each other and from the host.
  for (const [chain, flag] of bridgeRules)
    await run('iptables', ['-w', '-I', chain, flag, bridge.name, '-j', 'ACCEPT']);
  writeSetting('net/ipv4/ip_forward', '1');
  writeSetting('net/bridge/bridge-nf-call-iptables', '1');
}

/**
 * Refuses to start beside another Kubernetes, whose packet rules `down` could not tell from ours, and beside a network
 * that already uses our addresses.
 * @throws LocalClusterError OTHER_KUBERNETES
 */
export async function refuseForeignNetwork(): Promise<void> {
  const rules = (await tryRun('iptables-save', ['-t', 'nat'])) ?? '';
  if (rules.includes(':KUBE-SERVICES')) {
    const message = 'another Kubernetes programs the packet rules of this machine (chain KUBE-SERVICES exists): ';
    throw new LocalClusterError('OTHER_KUBERNETES', `${message}use it with --context NAME, or stop it first`);
  }
  const routes = (await tryRun('ip', ['-4', 'route', 'show', bridge.podCidr])) ?? '';
  if (routes.trim() !== '') {
    const message = `the addresses ${bridge.podCidr} are in use on this machine (${routes.trim().split('\n')[0]})`;
    throw new LocalClusterError('OTHER_KUBERNETES', `${message}: remove that network first`);
  }
}

/** Removes links, packet rules and connection-tracking entries, and puts the kernel settings back. */
export async function tearDownNetwork(): Promise<void> {
  const links = await tryRun('ip', ['-json', 'link', 'show', 'master', bridge.name]);
  const members = links === undefined || links.trim() === '' ? [] : linkSchema.parse(JSON.parse(links));
  for (const { ifname } of members) await tryRun('ip', ['link', 'delete', ifname]);
  await tryRun('ip', ['link', 'delete', bridge.name]);
  for (const family of ['iptables', 'ip6tables']) await removeChains(family);
  await tryRun('conntrack', ['--delete', '--src', bridge.podCidr]);
  restoreSettings();
}

async function removeChains(family: string): Promise<void> {
  for (const table of ['filter', 'nat', 'mangle']) {
    const before = await tryRun(`${family}-save`, ['-t', table]);
    const after = withoutOurChains(before ?? '');
    if (before !== undefined && after !== before) await run(`${family}-restore`, ['-w'], { input: after });
  }
}

/** The text of `iptables-save` without our chains, without every rule in or to them, and without the bridge's rules. */
export function withoutOurChains(saved: string): string {
  const isOurs = (line: string) => {
    const declared = /^:(\S+)/.exec(line)?.[1];
    const inChain = /^-A (\S+)/.exec(line)?.[1];
    const toChain = /\s-[jg] (\S+)/.exec(line)?.[1];
    const ofBridge = line.startsWith('-A ') && new RegExp(` -[io] ${bridge.name} `).test(line);
    return ofBridge || [declared, inChain, toChain].some((chain) => chain !== undefined && ourChain.test(chain));
  };
  return saved
    .split('\n')
    .filter((line) => !isOurs(line))
    .join('\n');
}

function rememberSettings(): void {
  if (existsSync(paths.settings)) return; // a dead run's note is older, and right
  const present = settings.filter((name) => existsSync(`/proc/sys/${name}`));
  const values = Object.fromEntries(present.map((name) => [name, readFileSync(`/proc/sys/${name}`, 'utf8').trim()]));
  writeFileSync(paths.settings, JSON.stringify(values, null, 2));
}

function restoreSettings(): void {
  if (!existsSync(paths.settings)) return;
  const before = settingsSchema.parse(JSON.parse(readFileSync(paths.settings, 'utf8')));
  for (const [name, value] of Object.entries(before)) writeSetting(name, value);
}

function writeSetting(name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${name}`, value);
  } catch {
    // read-only in some containers; the node's own check says later what does not work
  }
}
