/** What the chart latchkey makes of an auth service behind the API. */
import { expect } from 'chai';
import { configOf } from './environment.ts';
import { type KubernetesObject, only, render, workload } from './helm.ts';

describe('chart latchkey', () => {
  it('gives the login proxy its address and its secret by reference, only where there is one', async () => {
    const authUpstream = { url: 'https://auth.internal/api/v1/auth', attempts: 2, readTimeoutMs: 4_000 };
    const objects = await render('latchkey', { config: { authUpstream } });
    expect(configOf(objects, { AUTH_UPSTREAM_SERVICE_SECRET: 'a-secret-of-enough-letters' }).upstream).to.deep.equal({
      url: authUpstream.url,
      serviceId: 'latchkey-proxy',
      attempts: 2,
      connectTimeoutMs: 2_000,
      readTimeoutMs: 4_000,
      healthPath: '/api/health/ready',
      repeatsRefresh: false,
      validationCacheMs: 800,
    });
    const secretsOf = (rendered: readonly KubernetesObject[]): readonly string[] =>
      workload(only(rendered, 'Deployment', 'auth-api'))
        .template.spec.containers.flatMap(({ env }) => env)
        .filter(({ valueFrom }) => valueFrom !== undefined)
        .map(({ name }) => name);
    expect(secretsOf(objects)).to.include('AUTH_UPSTREAM_SERVICE_SECRET');
    expect(secretsOf(await render('latchkey'))).not.to.include('AUTH_UPSTREAM_SERVICE_SECRET');
    expect(JSON.stringify(await render('latchkey'))).not.to.include('AUTH_UPSTREAM');
  });
});
