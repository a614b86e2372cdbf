/**
 * What the platform engineer writes: the schema of AuthRollout.spec with the runbook's figures as defaults.
 * observe.ts calls parseSpec on what the apiserver returned; crd/generate.ts turns specSchema into the CRD.
 * The rules that JSON Schema cannot say stand twice: as CEL in crd/rules.ts, and in spec-rules.ts for objects older than the rule.
 */

import * as z from 'zod';
import { DURATION_PATTERN, durationToMs } from './duration.ts';
import { specViolations } from './spec-rules.ts';

/** Bounds of http_request_duration_seconds in milliseconds; a latency threshold is one of them, so that it can be counted. */
export const LATENCY_BUCKETS_MS = [5, 10, 25, 50, 100, 200, 300, 500, 1_000, 2_500, 5_000, 10_000] as const;

const duration = z.string().max(12).regex(DURATION_PATTERN);
const share = z.number().min(0).max(1);
const count = z.int().min(1).max(1_000_000);
const objectName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

const step = z.strictObject({
  weight: z.int().min(1).max(100).describe('Percent of the traffic that the canary gets in this step.'),
  hold: duration.describe('How long the step lasts at least.'),
  checkEvery: duration.describe('How often the checks run during the step; the sentinel looks every second anyway.'),
});

const targetRef = z.strictObject({
  kind: z.literal('Deployment').default('Deployment'),
  name: objectName.max(56).describe('The Deployment whose changed pod template starts a rollout.'),
});

const route = z.strictObject({
  httpRoute: z.string().min(1).max(253).describe('The HTTPRoute in the same namespace.'),
  rule: z
    .string()
    .min(1)
    .max(253)
    .describe('Name of the rule whose two backendRefs are <target>-stable and <target>-canary.'),
});

const metrics = z.strictObject({
  prometheus: z.strictObject({
    address: z
      .string()
      .max(512)
      .regex(/^https?:\/\/.+/)
      .describe('Where the checks of a step are queried, e.g. http://prometheus.monitoring:9090.'),
  }),
  pod: z
    .strictObject({
      port: z.string().min(1).max(15).default('http').describe('Name of the container port that serves metrics.'),
      path: z.string().min(1).max(256).default('/api/metrics'),
    })
    .prefault({}),
  blindLimit: duration
    .default('5m')
    .describe(
      'After checks have known nothing for this long the weight goes one step down, and again after each such time.',
    ),
});

const matrix = z.strictObject({
  confidence: z
    .number()
    .min(0.5)
    .max(0.999999)
    .default(0.999)
    .describe('One-sided confidence with which a rate must lie above its threshold before it counts as crossed.'),
  minRequests: count.default(30).describe('Fewer requests than this in the window are too little evidence to pass.'),
  serviceDown: z.strictObject({ p0: duration.default('5m') }).prefault({}),
  errorRate: z
    .strictObject({
      p0: share.default(0.05),
      p1: share.default(0.01),
      p2: share.default(0.005),
      p3: share.default(0.001),
    })
    .prefault({}),
  latencyP95: z
    .strictObject({ p1: duration.default('500ms'), p2: duration.default('300ms'), p3: duration.default('200ms') })
    .prefault({}),
  authFailureRate: z.strictObject({ p1: share.default(0.05), minLogins: count.default(10) }).prefault({}),
  databaseErrors: z.strictObject({ p1: count.default(10).describe('More than this many a minute.') }).prefault({}),
  complaints: z
    .strictObject({ p1: count.default(5), p2: count.default(3), window: duration.default('5m') })
    .prefault({}),
  dataLoss: z.strictObject({ p0: count.default(1) }).prefault({}),
});

const approval = z.strictObject({
  by: z.string().min(1).max(128).describe('Who approves.'),
  role: z.enum(['on-call', 'team-lead']),
  revision: z
    .string()
    .regex(/^[0-9a-f]{10}$/)
    .describe('The revision the approval is for: status.revision.'),
  stepIndex: z.int().min(0).max(19).describe('The step the approval is for: status.approvalNeeded.stepIndex.'),
  expiresAt: z.iso.datetime().max(32),
  reason: z.string().max(512).optional(),
});

const runbookSchedule = [
  { weight: 5, hold: '30m', checkEvery: '1m' },
  { weight: 10, hold: '30m', checkEvery: '2m' },
  { weight: 25, hold: '1h', checkEvery: '5m' },
  { weight: 50, hold: '2h', checkEvery: '10m' },
  { weight: 100, hold: '4h', checkEvery: '15m' },
];

/** AuthRollout.spec as it stands in the manifest, unknown fields refused. */
export const specSchema = z.strictObject({
  targetRef,
  route,
  replicas: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Replicas of stable; without it stable keeps what the target had, and an autoscaler may own it.'),
  schedule: z
    .array(step)
    .min(1)
    .max(20)
    .default(runbookSchedule)
    .describe('Steps with strictly rising weights, the last one 100.'),
  metrics,
  matrix: matrix.prefault({}).describe("The runbook's decision matrix; every figure can be set."),
  zero: z
    .strictObject({
      proveWithin: duration
        .default('10s')
        .describe('How long each stage of taking the traffic away may last before the next, harder one.'),
    })
    .prefault({}),
  approvals: z.array(approval).max(20).default([]),
  paused: z.boolean().default(false).describe('Holds every way up. Taking traffic away is never paused.'),
});

export type SpecManifest = z.output<typeof specSchema>;
export type Approval = SpecManifest['approvals'][number];
export type ApprovalRole = Approval['role'];

export type Step = { readonly weight: number; readonly holdMs: number; readonly checkEveryMs: number };

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
  readonly approvals: readonly Approval[];
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

const salvageSchema = z.object({ targetRef, route, metrics: z.unknown(), matrix: z.unknown(), zero: z.unknown() });

function salvage(manifest: unknown): Spec | undefined {
  const outer = salvageSchema.safeParse(manifest);
  if (!outer.success) return undefined;
  const keep = <T>(schema: z.ZodType<T>, value: unknown): T | undefined => schema.safeParse(value).data;
  const parsed = specSchema.safeParse({
    targetRef: outer.data.targetRef,
    route: outer.data.route,
    metrics: keep(metrics, outer.data.metrics) ?? { prometheus: { address: 'http://invalid' } },
    matrix: keep(matrix, outer.data.matrix) ?? {},
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
    })),
    prometheusAddress: manifest.metrics.prometheus.address,
    podPort: manifest.metrics.pod.port,
    podPath: manifest.metrics.pod.path,
    blindLimitMs: durationToMs(manifest.metrics.blindLimit),
    proveWithinMs: durationToMs(manifest.zero.proveWithin),
    matrix: toMatrix(manifest.matrix),
    approvals: manifest.approvals,
    paused: manifest.paused,
  };
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
