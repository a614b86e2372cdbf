/** The alerts of a chart as helm renders them. Used by their unit tests (test/contract/charts) and by their live tests. */
import { z } from 'zod';
import { type Chart, only, render } from '../contract/charts/helm.ts';

/** Where helm.ts renders each chart into: the namespace that its alerts speak of. */
export const RENDERED_INTO = { latchkey: 'auth', 'latchkey-operator': 'latchkey-system' } as const;

const severity = z.enum(['critical', 'high', 'medium', 'low']);
const ruleShape = z.object({
  alert: z.string(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.object({ severity, team: z.literal('auth-security'), namespace: z.enum(Object.values(RENDERED_INTO)) }),
  annotations: z.object({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
});
const groupsShape = z.object({
  groups: z.array(z.object({ name: z.string(), interval: z.string(), rules: z.array(ruleShape) })),
});

export type ChartRule = z.infer<typeof ruleShape>;

/** @throws ZodError where a rule lacks what every rule has */
export const ruleGroups = async (chart: Chart): Promise<z.infer<typeof groupsShape>['groups']> => {
  const objects = await render(chart, { prometheusRule: { enabled: true } });
  return groupsShape.parse(only(objects, 'PrometheusRule').spec).groups;
};
