/** What the chart would have installed beside the AuthRollout, as far as the operator can see it. Used by rollout-scene.ts. */

const LABELS = { 'app.kubernetes.io/name': 'latchkey', 'app.kubernetes.io/instance': 'auth-api' };

export function target(version: string, replicas: number): object {
  const labels = { ...LABELS, 'latchkey.dev/track': 'canary' };
  const ports = [{ name: 'http', containerPort: 3000 }];
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'auth-api' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'api', image: `latchkey/api:${version}`, ports }] },
      },
    },
  };
}

export function service(track: string): object {
  const ports = [{ name: 'http', port: 80, targetPort: 'http' }];
  const selector = { ...LABELS, 'latchkey.dev/track': track };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: `auth-api-${track}` }, spec: { selector, ports } };
}

/** A rule of somebody else's comes first: the operator has to find its own by name. */
export function httpRoute(): object {
  const backend = (name: string, weight: number): object => ({ name, port: 80, weight });
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'auth-api' },
    spec: {
      parentRefs: [{ name: 'gateway' }],
      rules: [
        {
          name: 'docs',
          matches: [{ path: { type: 'PathPrefix', value: '/docs' } }],
          backendRefs: [backend('docs', 3)],
        },
        {
          name: 'api',
          matches: [{ path: { type: 'PathPrefix', value: '/api' } }],
          filters: [
            { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-kept', value: 'yes' }] } },
          ],
          backendRefs: [backend('auth-api-stable', 0), backend('auth-api-canary', 100)],
        },
      ],
    },
  };
}
