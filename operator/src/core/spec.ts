/**
 * What the platform engineer wrote, as the core and the shell use it. observe.ts calls parseSpec on what the apiserver
 * returned; the result is part of the Observation.
 */

import * as z from 'zod';
import type { ApprovalRole } from './approval-schema.ts';
import { durationToMs } from './duration.ts';
import { specViolations } from './spec-rules.ts';
import {
  cohortSchema,
  matrixSchema,
  metricsSchema,
  routeSchema,
  type SpecManifest,
  specSchema,
  targetRefSchema,
} from './spec-schema.ts';

export type Step = {
  readonly weight: number;
  readonly holdMs: number;
  readonly checkEveryMs: number;
  /** What must say yes before the step; absent where nothing must, and in records of an operator that knew none. */
  readonly checkpoints?: readonly Checkpoint[];
};

/** One go or no-go before a step. */
export type Checkpoint = { readonly name: string } & (
  | {
      readonly kind: 'query';
      readonly promql: string;
      readonly atLeast: number | undefined;
      readonly atMost: number | undefined;
    }
  | { readonly kind: 'job'; readonly job: string; readonly freshMs: number }
  | { readonly kind: 'person'; readonly role: ApprovalRole }
);

/** The decision matrix with durations in milliseconds; shares are 0–1. */
export type Matrix = {
  readonly confidence: number;
  readonly minRequests: number;
  readonly serviceDown: { readonly p0Ms: number };
  readonly errorRate: { readonly p0: number; readonly p1: number; readonly p2: number; readonly p3: number };
  readonly latencyP95: { readonly p1Ms: number; readonly p2Ms: number; readonly p3Ms: number };
  readonly authFailureRate: { readonly p1: number; readonly minLogins: number };
  readonly databaseErrors: { readonly p1PerMinute: number };
  readonly complaints: { readonly p1: number; readonly p2: number; readonly windowMs: number };
  readonly dataLoss: { readonly p0: number };
};

/** The spec as the core and the shell use it. */
export type Spec = {
  readonly targetName: string;
  readonly httpRoute: string;
  readonly rule: string;
  readonly replicas: number | undefined;
  readonly schedule: readonly Step[];
  readonly prometheusAddress: string;
  readonly podPort: string;
  readonly podPath: string;
  readonly blindLimitMs: number;
  readonly proveWithinMs: number;
  readonly matrix: Matrix;
  /** 100 where the manifest names none. */
  readonly maxWeight: number;
  /** Absent in records of an operator that knew no cohorts. */
  readonly cohortCookie?: string | undefined;
  readonly paused: boolean;
};

/**
 * `usable` is what the severe rules work with when the manifest is invalid: the parts that can be read, defaults for the
 * rest. A typo in the schedule must not keep a P0 from reaching the route. Undefined when target or route cannot be read.
 */
export type SpecReading =
  | { readonly kind: 'valid'; readonly spec: Spec }
  | { readonly kind: 'invalid'; readonly violations: readonly string[]; readonly usable: Spec | undefined };

/** Reads AuthRollout.spec; never throws. Violations say which field and what to change. */
export function parseSpec(manifest: unknown): SpecReading {
  const parsed = specSchema.safeParse(manifest);
  const violations = parsed.success
    ? specViolations(parsed.data)
    : parsed.error.issues.map((issue) => `spec.${issue.path.join('.')}: ${issue.message}`);
  if (parsed.success && violations.length === 0) return { kind: 'valid', spec: toSpec(parsed.data) };
  return { kind: 'invalid', violations, usable: salvage(manifest) };
}

const salvageSchema = z.object({
  targetRef: targetRefSchema,
  route: routeSchema,
  metrics: z.unknown().optional(),
  matrix: z.unknown().optional(),
  maxWeight: z.unknown().optional(),
  cohort: z.unknown().optional(),
  zero: z.unknown().optional(),
});

function salvage(manifest: unknown): Spec | undefined {
  const outer = salvageSchema.safeParse(manifest);
  if (!outer.success) return undefined;
  const keep = <T>(schema: z.ZodType<T>, value: unknown): T | undefined => schema.safeParse(value).data;
  const parsed = specSchema.safeParse({
    targetRef: outer.data.targetRef,
    route: outer.data.route,
    metrics: keep(metricsSchema, outer.data.metrics) ?? { prometheus: { address: 'http://invalid' } },
    matrix: keep(matrixSchema, outer.data.matrix) ?? {},
    maxWeight: keep(specSchema.shape.maxWeight, outer.data.maxWeight),
    cohort: keep(cohortSchema.optional(), outer.data.cohort),
  });
  return parsed.success ? toSpec(parsed.data) : undefined;
}

function toSpec(manifest: SpecManifest): Spec {
  return {
    targetName: manifest.targetRef.name,
    httpRoute: manifest.route.httpRoute,
    rule: manifest.route.rule,
    replicas: manifest.replicas,
    schedule: manifest.schedule.map((entry) => ({
      weight: entry.weight,
      holdMs: durationToMs(entry.hold),
      checkEveryMs: durationToMs(entry.checkEvery),
      ...(entry.checkpoints === undefined ? {} : { checkpoints: entry.checkpoints.flatMap(toCheckpoint) }),
    })),
    prometheusAddress: manifest.metrics.prometheus.address,
    podPort: manifest.metrics.pod.port,
    podPath: manifest.metrics.pod.path,
    blindLimitMs: durationToMs(manifest.metrics.blindLimit),
    proveWithinMs: durationToMs(manifest.zero.proveWithin),
    matrix: toMatrix(manifest.matrix),
    maxWeight: manifest.maxWeight ?? 100,
    cohortCookie: manifest.cohort?.cookie,
    paused: manifest.paused,
  };
}

type CheckpointManifest = NonNullable<SpecManifest['schedule'][number]['checkpoints']>[number];

/** None for one that asks nothing, which spec-rules.ts refuses. */
function toCheckpoint({ name, query, job, person }: CheckpointManifest): readonly Checkpoint[] {
  if (query !== undefined) {
    const { promql, atLeast, atMost } = query;
    return [{ name, kind: 'query', promql, atLeast, atMost }];
  }
  if (job !== undefined) return [{ name, kind: 'job', job: job.name, freshMs: durationToMs(job.freshFor) }];
  return person === undefined ? [] : [{ name, kind: 'person', role: person.role }];
}

function toMatrix(manifest: SpecManifest['matrix']): Matrix {
  return {
    confidence: manifest.confidence,
    minRequests: manifest.minRequests,
    serviceDown: { p0Ms: durationToMs(manifest.serviceDown.p0) },
    errorRate: manifest.errorRate,
    latencyP95: {
      p1Ms: durationToMs(manifest.latencyP95.p1),
      p2Ms: durationToMs(manifest.latencyP95.p2),
      p3Ms: durationToMs(manifest.latencyP95.p3),
    },
    authFailureRate: manifest.authFailureRate,
    databaseErrors: { p1PerMinute: manifest.databaseErrors.p1 },
    complaints: {
      p1: manifest.complaints.p1,
      p2: manifest.complaints.p2,
      windowMs: durationToMs(manifest.complaints.window),
    },
    dataLoss: manifest.dataLoss,
  };
}
