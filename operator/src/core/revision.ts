/**
 * Names, labels and revisions that follow from the target Deployment. observe.ts asks for names and revisions,
 * plan.ts for the labels of stable's copy.
 */

import type { DeploymentView, Labels, PodTemplate } from './observation.ts';

export const REVISION_LABEL = 'latchkey.dev/revision';
const TRACK_LABEL = 'latchkey.dev/track';

export function stableNameOf(target: string): string {
  return `${target}-stable`;
}

export function canaryServiceOf(target: string): string {
  return `${target}-canary`;
}

export function stableServiceOf(target: string): string {
  return `${target}-stable`;
}

/** JSON with sorted keys and without undefined: equal values give equal text whatever order the apiserver sent. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((entry) => canonicalJson(entry ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

/** The revision of a target's template: ten hex digits. `sha256` gives lower-case hex; hashing is the shell's. */
export function revisionOf(template: PodTemplate, sha256: (text: string) => string): string {
  return sha256(canonicalJson(template)).slice(0, 10);
}

/** The one selector label in which stable differs from the target, or undefined when the target selects by none. */
function distinguishingKey(selector: Labels): string | undefined {
  const preferred = [TRACK_LABEL, 'app.kubernetes.io/instance', 'app'].find((key) => key in selector);
  return preferred ?? Object.keys(selector).toSorted()[0];
}

/** Labels of stable: equal to the target's but for the distinguishing one. */
export function relabel(labels: Labels, selector: Labels): Labels {
  const key = distinguishingKey(selector);
  const value = key === undefined ? undefined : (labels[key] ?? selector[key]);
  if (key === undefined || value === undefined) return labels;
  return { ...labels, [key]: value === 'canary' ? 'stable' : `${value}-stable` };
}

/** The selector of stable's Deployment and Service. */
export function stableSelector(target: DeploymentView): Labels {
  return relabel(target.selector, target.selector);
}

/** The target's template as stable runs it: relabelled and stamped with its revision. */
export function stableTemplate(target: DeploymentView): PodTemplate {
  const labels = relabel(target.template.metadata?.labels ?? {}, target.selector);
  return {
    ...target.template,
    metadata: { ...target.template.metadata, labels: { ...labels, [REVISION_LABEL]: target.revision } },
  };
}

/** Pods that the canary needs to carry a weight: its share of stable's replicas, rounded up, never below one. */
export function canaryReplicas(stableReplicas: number, weight: number): number {
  if (weight <= 0) return 0;
  return Math.max(1, Math.ceil((stableReplicas * weight) / 100));
}

/** True when every pod that the Deployment wants runs its newest template and is ready, and no older pod is left. */
export function isFullyReady(deployment: DeploymentView, atLeast: number): boolean {
  return (
    deployment.observedGeneration >= deployment.generation &&
    deployment.replicas >= atLeast &&
    deployment.updatedReplicas >= deployment.replicas &&
    deployment.readyReplicas >= deployment.replicas &&
    deployment.currentReplicas <= deployment.updatedReplicas
  );
}
