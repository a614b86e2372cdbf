/** Whether the user may apply the rollout, and whether the operator may do its work in that namespace. Called by plan.ts. */
import { type Permission, rolePermissions } from '../clients/kubernetes.ts';
import type { Access, Answer, Cluster } from './cluster.ts';

export interface Rights {
  /** What the user lacks to apply it; the verbs, none when all are there. */
  readonly user: readonly string[];
  readonly operator: OperatorRights;
}

export type OperatorRights =
  /** `missing` is empty when nothing is. */
  | { readonly kind: 'known'; readonly account: string; readonly missing: readonly string[] }
  | { readonly kind: 'unknown'; readonly account: string; readonly why: string };

/** @param account the operator's service account as `namespace/name` */
export async function readRights(cluster: Cluster, namespace: string, account: string): Promise<Rights> {
  const [user, operator] = await Promise.all([
    lackingOf(cluster, namespace),
    operatorRights(cluster, namespace, account),
  ]);
  return { user, operator };
}

/** As `kubectl apply` needs them. */
const APPLYING = ['get', 'create', 'patch'] as const;

async function lackingOf(cluster: Cluster, namespace: string): Promise<readonly string[]> {
  const answers = await Promise.all(
    APPLYING.map((verb) => cluster.mayI({ namespace, group: 'latchkey.dev', resource: 'authrollouts', verb })),
  );
  return APPLYING.filter((_verb, index) => answers[index] === 'no');
}

async function operatorRights(cluster: Cluster, namespace: string, account: string): Promise<OperatorRights> {
  const needed = distinct(rolePermissions.filter(({ scope }) => scope === 'watched'));
  const asked = needed.map((permission): Access => ({ ...permission, group: permission.apiGroup, namespace }));
  const [first, ...others] = asked;
  // One question first: who may not ask is told so once.
  const probe: Answer = first === undefined ? 'yes' : await cluster.may(account, first);
  if (typeof probe === 'object') return { kind: 'unknown', account, why: probe.unknown };
  const answers = [probe, ...(await Promise.all(others.map((access) => cluster.may(account, access))))];
  const missing = asked
    .filter((_access, index) => answers[index] === 'no')
    .map(({ verb, resource }) => `${verb} ${resource}`);
  return { kind: 'known', account, missing };
}

function distinct(permissions: readonly Permission[]): readonly Permission[] {
  const byText = new Map(permissions.map((one) => [`${one.apiGroup}/${one.resource}/${one.verb}`, one]));
  return [...byText.values()];
}
