/** The requests that are served before the guard (routes/health.ts): uncounted, unlimited, without problem documents. Listed in docs/api.md. */
export interface Probe {
  readonly path: string;
  readonly summary: string;
}

export const PROBES: readonly Probe[] = [
  { path: '/api/health/live', summary: 'Say that the process answers: 200' },
  {
    path: '/api/health/ready',
    summary: 'Say whether it should get requests: 200 `ok` or `degraded` (no Redis), 503 `unavailable` or `draining`',
  },
  {
    path: '/api/health',
    summary:
      'Say the same to people, through the rate limit; `{"status":"ok","auth":"disabled"}` while authentication is off',
  },
  { path: '/api/metrics', summary: 'Show the metrics as Prometheus text' },
];
