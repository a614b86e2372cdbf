/**
 * The rules of a spec that JSON Schema cannot say, in CEL, each with a sentence that says what to change. definitions.ts puts
 * them into the CRD at their path; core/spec-rules.ts says the same for objects that are older than a rule.
 *
 * Every list and string below a rule is bounded in core/spec-schema.ts, because the apiserver refuses a CRD whose rules
 * could cost too much (test/integration/operator/crd.test.ts creates it on a real one).
 *
 * @see https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
 */

import { JOB_FRESH_LIMIT, LATENCY_BUCKETS_MS } from '../core/spec-schema.ts';

export type CelRule = {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  /** Where the error points to, relative to the rule's place. */
  readonly fieldPath?: string;
};

/** Zeroed counts as active: its canary pods are kept and wait for an approval. */
const isActive =
  "has(oldSelf.status) && has(oldSelf.status.phase) && oldSelf.status.phase in ['Progressing', 'Promoting', 'Zeroed']";

const bounds = LATENCY_BUCKETS_MS.map((bound) => `duration('${bound}ms')`).join(', ');
const boundsText = LATENCY_BUCKETS_MS.map((bound) => `${bound}ms`).join(', ');

const isBound = (severity: string): CelRule => ({
  rule: `[${bounds}].exists(bound, bound == duration(self.${severity}))`,
  message: `is no bound of the latency histogram: use one of ${boundsText}`,
  fieldPath: `.${severity}`,
});

/**
 * Rules by the place they stand at; `[]` is the items of a list. The lists' messages name no figures: the estimated cost of turning
 * weights into text exceeds the budget a hundredfold.
 */
export const ROLLOUT_RULES: Readonly<Record<string, readonly CelRule[]>> = {
  '': [
    {
      rule: `!(${isActive}) || self.spec.targetRef == oldSelf.spec.targetRef`,
      message: 'targetRef cannot change while a run is active: wait for phase Succeeded or RolledBack',
      fieldPath: '.spec.targetRef',
    },
    {
      rule: `!(${isActive}) || self.spec.route == oldSelf.spec.route`,
      message: 'route cannot change while a run is active: wait for phase Succeeded or RolledBack',
      fieldPath: '.spec.route',
    },
  ],
  'spec.schedule': [
    {
      rule: 'self.map(step, step.weight).isSorted() && self.all(step, self.exists_one(other, other.weight == step.weight))',
      message: 'weights must rise from step to step: make each greater than the one before it',
    },
    {
      rule: 'self[self.size() - 1].weight == 100',
      message: 'the last step must have weight 100: add or change the last step',
    },
  ],
  'spec.schedule[]': [
    {
      rule: 'duration(self.checkEvery) <= duration(self.hold)',
      messageExpression:
        "'checkEvery ' + self.checkEvery + ' is longer than hold ' + self.hold + ': shorten checkEvery or lengthen hold'",
      message: 'checkEvery is longer than hold: shorten checkEvery or lengthen hold',
    },
    {
      rule: "duration(self.checkEvery) >= duration('1s')",
      message: 'checkEvery must be 1s or more',
      fieldPath: '.checkEvery',
    },
  ],
  'spec.schedule[].checkpoints[]': [
    {
      rule: '[has(self.query), has(self.job), has(self.person)].filter(isThere, isThere).size() == 1',
      message: 'name exactly one of query, job and person',
    },
  ],
  'spec.schedule[].checkpoints[].query': [
    { rule: 'has(self.atLeast) || has(self.atMost)', message: 'set atLeast, atMost or both' },
    {
      rule: '!has(self.atLeast) || !has(self.atMost) || self.atLeast <= self.atMost',
      message: 'set atLeast no greater than atMost',
    },
  ],
  'spec.schedule[].checkpoints[].job': [
    {
      rule: `duration(self.freshFor) > duration('0s') && duration(self.freshFor) <= duration('${JOB_FRESH_LIMIT}')`,
      message: `freshFor must be above 0 and at most ${JOB_FRESH_LIMIT}`,
      fieldPath: '.freshFor',
    },
  ],
  'spec.matrix.errorRate': [
    {
      rule: 'self.p0 > self.p1 && self.p1 > self.p2 && self.p2 > self.p3',
      message: 'order the thresholds p0 > p1 > p2 > p3',
    },
  ],
  'spec.matrix.latencyP95': [
    isBound('p1'),
    isBound('p2'),
    isBound('p3'),
    {
      rule: 'duration(self.p1) > duration(self.p2) && duration(self.p2) > duration(self.p3)',
      message: 'order the thresholds p1 > p2 > p3',
    },
  ],
  'spec.matrix.complaints': [{ rule: 'self.p1 > self.p2', message: 'set p1 greater than p2' }],
};

export const APPROVAL_RULES: Readonly<Record<string, readonly CelRule[]>> = {
  spec: [
    { rule: 'self == oldSelf', message: 'an approval cannot be changed: delete it and create another' },
    {
      rule: "!has(self.answer) || self.answer == 'yes' || has(self.checkpoint)",
      message: 'only a checkpoint can be answered with no: name it in spec.checkpoint',
    },
  ],
};

export const COMPLAINT_RULES: Readonly<Record<string, readonly CelRule[]>> = {
  spec: [{ rule: 'self == oldSelf', message: 'a complaint cannot be changed: delete it and create another' }],
};
