/**
 * From a decision to the ordered list of writes. reconcile.ts hands the list to act.ts, which carries it out in order and
 * stops at the first that fails. A write that lowers the weight is always the first. Every action is idempotent.
 */

import type { Decision } from './decide.ts';
import type { Labels, Observation, PodTemplate, ServiceView } from './observation.ts';

/** RFC 6902; the shell sends it as application/json-patch+json and reports a failed test as `conflict`. */
export type PatchOperation =
  | { readonly op: 'test' | 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

export type Action =
  /** One PATCH on the HTTPRoute: tests, both weights, fence and record. `weight` and `lowers` are for logs and metrics. */
  | {
      readonly kind: 'write-route';
      readonly weight: number;
      readonly lowers: boolean;
      readonly patch: readonly PatchOperation[];
    }
  /** Annotation only: our token becomes the route's fence. */
  | { readonly kind: 'claim-fence'; readonly token: number; readonly patch: readonly PatchOperation[] }
  | { readonly kind: 'create-service'; readonly name: string; readonly selector: Labels }
  /** Merge-patch cannot drop keys of a map it does not name: replace spec.selector as a whole. */
  | {
      readonly kind: 'set-service-selector';
      readonly name: string;
      readonly from: ServiceView;
      readonly selector: Labels;
    }
  /** The shell adds apiVersion, kind, ownerReferences (rollout, route, target), strategy maxUnavailable 0, revisionHistoryLimit 10. */
  | {
      readonly kind: 'create-stable';
      readonly name: string;
      readonly replicas: number;
      readonly selector: Labels;
      readonly template: PodTemplate;
    }
  | {
      readonly kind: 'set-stable-template';
      readonly name: string;
      readonly template: PodTemplate;
      readonly revision: string;
    }
  /** Through deployments/scale. */
  | { readonly kind: 'scale'; readonly name: string; readonly replicas: number }
  | { readonly kind: 'add-finalizer' }
  | { readonly kind: 'remove-finalizer' };

/** What act.ts reports. `conflict`: a test of the patch failed, read and decide again at once. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'conflict' | 'failed'; readonly at: number; readonly code: string };

export declare function plan(observation: Observation, decision: Decision): readonly Action[];
