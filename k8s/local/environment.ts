/** What a program of the machine gets from this process. Called by run.ts and processes.ts; parts/on-path.ts searches the same folders. */
import { delimiter } from 'node:path';

type Variables = Readonly<Record<string, string | undefined>>;

/** Programs for root may be missing from the PATH of a user who became root, and kube-proxy looks for iptables there. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The PATH's own folders come first, so that a user's choice counts. */
export const programFolders = (): readonly string[] => [
  ...new Set([...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...systemFolders]),
];

export const environmentWith = (extra: Variables = {}): Variables => ({
  ...process.env,
  PATH: programFolders().join(delimiter),
  ...extra,
});
