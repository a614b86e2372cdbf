/**
 * Diagnoses for people, part by part. Mounted by app.ts through http/mount.ts; services/diagnostics.ts does the work. Always 200: the diagnosis
 * is the answer, and machines have the probes. Strangers get the word alone; `detail` needs `system_config:read`.
 */
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { DIAGNOSED, type Diagnosis, type Diagnostics } from '../services/diagnostics.ts';

export interface DiagnosticsRouteDeps {
  readonly diagnostics: Diagnostics;
}

const diagnosis = z
  .object({
    status: z.enum(['ok', 'degraded', 'unavailable']),
    detail: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'With the permission `system_config:read`, while it can be asked for.' }),
  })
  .meta({ id: 'Diagnosis' });

const SUMMARIES = {
  database: 'Diagnose PostgreSQL: reachable, how fast, writable, schema, row level security, pool',
  auth: 'Diagnose authentication: modes, keys, hash queue, Redis, sessions, mail and audit that wait',
  config: 'Diagnose the configuration: which variables are set, what is weak; never a value',
  upstream: 'Diagnose the auth service behind this one, where there is one: reachable, credentials, breaker',
  overall: 'Diagnose everything, in one word a part',
} as const;

const diagnose = (
  name: keyof typeof SUMMARIES,
  ask: (deps: DiagnosticsRouteDeps) => Promise<Diagnosis>,
  deps: DiagnosticsRouteDeps,
): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: `/api/health/${name}`,
      tag: 'Operation',
      summary: SUMMARIES[name],
      access: 'public',
      isStatic: true,
      answers: { 200: { description: 'The diagnosis', schema: diagnosis } },
    },
    async ({ identify }) => {
      const [{ status, detail }, mayKnow] = await Promise.all([ask(deps), deps.diagnostics.maySeeDetail(identify)]);
      return { status: 200, body: mayKnow ? { status, detail } : { status } };
    },
  );

export const diagnosticsEndpoints = (deps: DiagnosticsRouteDeps): readonly Endpoint[] => [
  ...DIAGNOSED.map((name) => diagnose(name, ({ diagnostics }) => diagnostics.part(name), deps)),
  diagnose('overall', ({ diagnostics }) => diagnostics.overall(), deps),
];
