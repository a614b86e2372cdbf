/**
 * Reads Kubernetes objects as far as we need them and makes the core's views of them. Called by observe.ts and sentinel.ts.
 * Shapes are loose: a field that Kubernetes adds tomorrow must not stop a rollback.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { viewCohort } from './core/cohort-view.ts';
import type { ContainerImage } from './core/decision-record.ts';
import type { BackendView, DeploymentView, PodTemplate, RouteView, ServiceView } from './core/observation.ts';
import { REVISION_LABEL, revisionOf } from './core/revision.ts';
import { FENCE_ANNOTATION, WRITE_ANNOTATION } from './core/route-record.ts';

const count = z.number().int().default(0);
const labels = z.record(z.string(), z.string());
const managedFields = z
  .array(
    z.looseObject({
      manager: z.string().default('unknown'),
      time: z.string().default(''),
      fieldsV1: z.unknown().optional(),
    }),
  )
  .default([]);

const metadata = z.looseObject({
  name: z.string(),
  namespace: z.string().default(''),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: count,
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).default([]),
  annotations: labels.optional(),
  managedFields,
});

export const rolloutObject = z.looseObject({ metadata, spec: z.unknown().optional(), status: z.unknown().optional() });
export type RolloutMetadata = z.infer<typeof metadata>;

const podTemplate = z.looseObject({ metadata: z.looseObject({ labels: labels.default({}) }).default({ labels: {} }) });

const deploymentObject = z.looseObject({
  metadata,
  spec: z.looseObject({
    replicas: z.number().int().default(1),
    selector: z.looseObject({ matchLabels: labels.default({}) }),
    template: podTemplate,
  }),
  status: z
    .looseObject({ observedGeneration: count, replicas: count, updatedReplicas: count, readyReplicas: count })
    .prefault({}),
});

export interface ReadDeployment {
  readonly view: DeploymentView;
  readonly resourceVersion: string;
}

export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** @param role the target's revision is computed from its template; stable carries its own as a label. */
export function readDeployment(object: unknown, role: 'target' | 'stable'): ReadDeployment {
  const { metadata: meta, spec, status } = deploymentObject.parse(object);
  const template: PodTemplate = spec.template;
  const labelled = spec.template.metadata.labels[REVISION_LABEL] ?? '';
  return {
    resourceVersion: meta.resourceVersion,
    view: {
      name: meta.name,
      uid: meta.uid,
      revision: role === 'target' ? revisionOf(template, sha256Hex) : labelled,
      template,
      selector: spec.selector.matchLabels,
      generation: meta.generation,
      observedGeneration: status.observedGeneration,
      replicas: spec.replicas,
      currentReplicas: status.replicas,
      updatedReplicas: status.updatedReplicas,
      readyReplicas: status.readyReplicas,
    },
  };
}

const serviceObject = z.looseObject({ metadata, spec: z.looseObject({ selector: labels.default({}) }) });

export function readService(object: unknown): ServiceView {
  const service = serviceObject.parse(object);
  return { name: service.metadata.name, selector: service.spec.selector };
}

const parentCondition = z.looseObject({
  type: z.string(),
  status: z.string(),
  observedGeneration: count,
  reason: z.string().default(''),
  message: z.string().default(''),
});
const backendRef = z.looseObject({ name: z.string().default(''), weight: z.number().int().optional() });
const routeObject = z.looseObject({
  metadata,
  spec: z.looseObject({
    rules: z
      .array(z.looseObject({ name: z.string().optional(), backendRefs: z.array(backendRef).default([]) }))
      .default([]),
  }),
  status: z
    .looseObject({
      parents: z
        .array(
          z.looseObject({
            conditions: z.array(parentCondition).default([]),
          }),
        )
        .default([]),
    })
    .prefault({}),
});
type RouteObject = z.infer<typeof routeObject>;

/** Where the two backends must be found. */
export interface RoutePlace {
  readonly rule: string;
  readonly stableService: string;
  readonly canaryService: string;
  /** Whether spec.cohort is set. */
  readonly hasCohort?: boolean;
}

export function readRoute(object: unknown, place: RoutePlace): RouteView {
  const route = routeObject.parse(object);
  const { uid, resourceVersion, annotations } = route.metadata;
  const ruleIndex = route.spec.rules.findIndex((rule) => rule.name === place.rule);
  const rule = route.spec.rules[ruleIndex];
  if (rule === undefined)
    return { kind: 'rule-missing', uid, ruleNames: route.spec.rules.flatMap(({ name }) => name ?? []) };
  const backend = (name: string): BackendView | undefined => {
    const index = rule.backendRefs.findIndex((ref) => ref.name === name);
    return index === -1 ? undefined : { name, index, weight: rule.backendRefs[index]?.weight };
  };
  const stable = backend(place.stableService);
  const canary = backend(place.canaryService);
  if (stable === undefined || canary === undefined) {
    return { kind: 'backends-missing', uid, backendNames: rule.backendRefs.map(({ name }) => name) };
  }
  return {
    kind: 'programmable',
    uid,
    resourceVersion,
    ruleName: place.rule,
    ruleIndex,
    stable,
    canary,
    hasAnnotations: annotations !== undefined,
    fence: annotations?.[FENCE_ANNOTATION],
    write: annotations?.[WRITE_ANNOTATION],
    rulesManager: lastRulesManager(route),
    accepted: isAccepted(route),
    ...cohortOf(object, route, place),
  };
}

/** spec.rules is one atomic field, so whoever changed any part of it last owns `f:rules`. */
function lastRulesManager(route: RouteObject): { name: string; at: string } | undefined {
  const ownsRules = z.looseObject({
    'f:spec': z.looseObject({ 'f:rules': z.unknown().refine((owned) => owned !== undefined) }),
  });
  const owners = route.metadata.managedFields.filter((entry) => ownsRules.safeParse(entry.fieldsV1).success);
  const last = owners.toSorted((one, other) => one.time.localeCompare(other.time)).at(-1);
  return last === undefined ? undefined : { name: last.manager, at: last.time };
}

/** From the object as it came: the copies must be copies, without the defaults of our own schemas. */
function cohortOf(object: unknown, route: RouteObject, { rule, hasCohort = false }: RoutePlace) {
  const { rules } = z.object({ spec: z.object({ rules: z.unknown() }) }).parse(object).spec;
  const cohort = viewCohort(rules, rule, { isAsked: hasCohort, refusal: refusalOf(route) });
  return cohort === undefined ? {} : { cohort };
}

/** Reasons that are about where the route is attached, whatever its rules say. */
const ATTACHMENT: ReadonlySet<string> = new Set([
  'NotAllowedByListeners',
  'NoMatchingListenerHostname',
  'NoMatchingParent',
  'Pending',
]);

/** What a Gateway says against the rules of this generation: the whole route refused, or some of its rules dropped. */
function refusalOf(route: RouteObject): string | undefined {
  const refused = route.status.parents
    .flatMap(({ conditions }) => conditions)
    .find(
      ({ type, status, reason, observedGeneration }) =>
        observedGeneration === route.metadata.generation &&
        ((type === 'Accepted' && status === 'False' && !ATTACHMENT.has(reason)) ||
          (type === 'PartiallyInvalid' && status === 'True')),
    );
  return refused && `a Gateway refused the route, ${refused.type} ${refused.reason}: ${refused.message}`.slice(0, 512);
}

function isAccepted(route: RouteObject): boolean {
  const { parents } = route.status;
  const accepted = parents.every(({ conditions }) =>
    conditions.some(
      ({ type, status, observedGeneration }) =>
        type === 'Accepted' && status === 'True' && observedGeneration === route.metadata.generation,
    ),
  );
  return parents.length > 0 && accepted;
}

const replicaSets = z.object({
  items: z.array(
    z.looseObject({
      metadata: z.looseObject({ ownerReferences: z.array(z.looseObject({ uid: z.string() })).default([]) }),
      spec: z.looseObject({ template: podTemplate }),
    }),
  ),
});

/** The template that a Deployment ran before, from the ReplicaSet that it keeps for that; without the label that it added itself. */
export function readPreviousTemplate(list: unknown, deploymentUid: string): PodTemplate | undefined {
  const owned = replicaSets
    .parse(list)
    .items.find(({ metadata: meta }) => meta.ownerReferences.some(({ uid }) => uid === deploymentUid));
  if (owned === undefined) return undefined;
  const { template } = owned.spec;
  const kept = Object.entries(template.metadata.labels).filter(([key]) => key !== 'pod-template-hash');
  return { ...template, metadata: { ...template.metadata, labels: Object.fromEntries(kept) } };
}

const podObject = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.looseObject({
    containers: z.array(
      z.looseObject({
        ports: z.array(z.looseObject({ name: z.string().optional(), containerPort: z.number() })).default([]),
      }),
    ),
  }),
  status: z
    .looseObject({
      phase: z.string().optional(),
      podIP: z.string().optional(),
      containerStatuses: z
        .array(z.looseObject({ name: z.string(), imageID: z.string().default('') }))
        .nullish()
        .catch([]),
    })
    .prefault({}),
});

/** A pod as the sentinel needs it, and what it runs. */
export interface PodRead {
  readonly pod: string;
  readonly createdAtMs: number;
  readonly url: string;
  /** As the kubelet names them, by digest: a tag may be moved, and what ran is what was judged. */
  readonly images: readonly ContainerImage[];
}

/**
 * A pod that gets requests; undefined for one without an address, or at its end. A pod that is being deleted gets no new ones, and while the
 * canary has weight it is of the revision before: what it counted must not be held against this one.
 */
export function readPod(object: unknown, port: string, path: string): PodRead | undefined {
  const { metadata: meta, spec, status } = podObject.parse(object);
  const { podIP, phase } = status;
  const isEnding = meta.deletionTimestamp !== undefined || phase === 'Failed' || phase === 'Succeeded';
  if (podIP === undefined || isEnding) return undefined;
  const ports = spec.containers.flatMap((container) => container.ports);
  // A pod without the named port exists and does not answer: port 0 refuses every connection.
  const number = ports.find(({ name }) => name === port)?.containerPort ?? 0;
  const host = podIP.includes(':') ? `[${podIP}]` : podIP;
  const url = `http://${host}:${number}${path}`;
  const images = (status.containerStatuses ?? []).map(({ name, imageID }) => ({ container: name, image: imageID }));
  return { pod: meta.name, createdAtMs: Date.parse(meta.creationTimestamp), url, images };
}
