/** What charts/latchkey renders: the operator's contract (operator/src/core) and the restricted Pod Security level. */
import { expect } from 'chai';
import { z } from 'zod';
import { parseSpec } from '../../../operator/src/core/spec.ts';
import { configOf } from './environment.ts';
import {
  exampleValues,
  type KubernetesObject,
  only,
  type PodSpec,
  podSpecs,
  render,
  type Values,
  workload,
} from './helm.ts';

const demo: Values = {
  image: { repository: 'latchkey/api', tag: '1.1.0' },
  config: {
    exposeVersion: true,
    logLevel: 'warn',
    rateLimitPerMinute: 1_000_000,
    trustProxy: ['10.244.0.0/24'],
    emailVerification: 'optional',
    publicUrl: 'https://auth.example.com',
    mailFrom: 'Example <no-reply@example.com>',
    allowedOrigins: ['https://app.example.com'],
    cohortCookie: 'lk_bucket',
  },
  route: {
    parentRefs: [
      { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'latchkey', namespace: 'gateway-system' },
    ],
  },
  rollout: {
    schedule: [
      { weight: 5, hold: '5s', checkEvery: '1s' },
      { weight: 100, hold: '30s', checkEvery: '5s' },
    ],
    prometheus: { address: 'http://10.90.0.1:9090' },
  },
};
const settings: Readonly<Record<string, Values>> = {
  default: {},
  'without a rollout': { rollout: { enabled: false } },
  demo,
  development: exampleValues('development'),
  staging: exampleValues('staging'),
  production: exampleValues('production'),
};

const serviceSpec = z.looseObject({
  selector: z.record(z.string(), z.string()),
  ports: z.array(z.looseObject({ port: z.number(), targetPort: z.string() })),
});
const routeSpec = z.looseObject({
  parentRefs: z.array(z.looseObject({ name: z.string() })),
  rules: z.array(
    z.looseObject({
      name: z.string(),
      matches: z.array(z.strictObject({ path: z.strictObject({ type: z.string(), value: z.string() }) })),
      backendRefs: z.array(z.looseObject({ name: z.string(), weight: z.number() })),
    }),
  ),
});
const configShape = z.looseObject({
  environment: z.string().default('production'),
  exposeVersion: z.boolean().default(false),
  trustProxy: z.array(z.string()).default([]),
});
const referenced = (containers: PodSpec['containers']): readonly string[] =>
  containers.flatMap(({ env }) => env.filter(({ valueFrom }) => valueFrom !== undefined).map(({ name }) => name));
const selectorOf = (objects: readonly KubernetesObject[], service: string) =>
  serviceSpec.parse(only(objects, 'Service', service).spec).selector;

for (const [title, values] of Object.entries(settings)) {
  describe(`chart latchkey, ${title}`, () => {
    let objects: readonly KubernetesObject[];
    before(async () => {
      objects = await render('latchkey', values);
    });

    it('the canary Service selects the pods of the Deployment', () => {
      const { selector, template } = workload(only(objects, 'Deployment', 'auth-api'));
      expect(selectorOf(objects, 'auth-api-canary')).to.deep.equal(selector.matchLabels);
      expect(template.metadata.labels).to.include(selector.matchLabels);
    });

    it('the stable Service selects what the operator makes of them: track stable, all else the same', () => {
      const { selector } = workload(only(objects, 'Deployment', 'auth-api'));
      expect(selector.matchLabels).to.include({ 'latchkey.dev/track': 'canary' });
      const wanted = { ...selector.matchLabels, 'latchkey.dev/track': 'stable' };
      expect(selectorOf(objects, 'auth-api-stable')).to.deep.equal(wanted);
    });

    it('the route sends everything to the canary Service until the operator turns it round', () => {
      const { rules } = routeSpec.parse(only(objects, 'HTTPRoute', 'auth-api').spec);
      const backend = { group: '', kind: 'Service', port: 80 };
      expect(rules.map((rule) => ({ name: rule.name, backends: rule.backendRefs }))).to.deep.equal([
        {
          name: 'api',
          backends: [
            { ...backend, name: 'auth-api-stable', weight: 0 },
            { ...backend, name: 'auth-api-canary', weight: 100 },
          ],
        },
      ]);
    });

    it('the route exposes the API and its health, and no metrics', () => {
      const { rules } = routeSpec.parse(only(objects, 'HTTPRoute', 'auth-api').spec);
      const paths = rules.flatMap((rule) => rule.matches).map(({ path }) => path);
      const prefixes = ['v1', 'health', 'docs', 'auth', 'users', 'audit', 'errors'].map((name) => `/api/${name}`);
      expect(paths).to.deep.equal([
        ...prefixes.map((value) => ({ type: 'PathPrefix', value })),
        { type: 'Exact', value: '/.well-known/jwks.json' },
      ]);
    });

    it('both Services lead from port 80 to the port named http', () => {
      for (const name of ['auth-api-stable', 'auth-api-canary']) {
        const { ports } = serviceSpec.parse(only(objects, 'Service', name).spec);
        expect(ports).to.deep.equal([{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }]);
      }
    });

    it('every container meets the restricted Pod Security level, with a read-only root', () => {
      const pods = podSpecs(objects);
      expect(pods).to.have.length(2);
      for (const { of, spec } of pods) {
        expect(spec.securityContext, of).to.deep.include({ runAsNonRoot: true, runAsUser: 65_532 });
        expect(spec.securityContext, of).to.deep.include({ seccompProfile: { type: 'RuntimeDefault' } });
        for (const container of [...spec.initContainers, ...spec.containers]) {
          expect(container.securityContext, `${of} ${container.name}`).to.deep.equal({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
        }
      }
    });

    it('the pod template is applied behind the route: the operator answers it with a write to the route', () => {
      const kinds = objects.map(({ kind }) => kind);
      expect(kinds.indexOf('Deployment')).to.be.greaterThan(kinds.indexOf('HTTPRoute'));
      expect(kinds.includes('AuthRollout') ? kinds.indexOf('AuthRollout') : Infinity).to.be.greaterThan(
        kinds.indexOf('HTTPRoute'),
      );
    });

    it('no pod gets a service account token', () => {
      for (const { of, spec } of podSpecs(objects)) expect(spec.automountServiceAccountToken, of).to.equal(false);
      expect(only(objects, 'ServiceAccount')).to.include({ automountServiceAccountToken: false });
    });

    it('secrets come by reference, and only the migration sees the owner of the schema', () => {
      expect(objects.map((object) => object.kind)).not.to.include('Secret');
      const { spec } = workload(only(objects, 'Deployment', 'auth-api')).template;
      expect(referenced(spec.initContainers)).to.deep.equal(['MIGRATION_DATABASE_URL', 'DATABASE_URL']);
      const keys = ['DATABASE_URL', 'JWT_PRIVATE_KEY', 'REFRESH_TOKEN_KEY', 'PASSWORD_PEPPER', 'ENCRYPTION_KEY'];
      const rest =
        'JWT_VERIFICATION_KEYS PASSWORD_PEPPERS_PREVIOUS ENCRYPTION_KEYS_PREVIOUS AUDIT_KEY AUDIT_KEYS_PREVIOUS SERVICE_KEYS';
      expect(referenced(spec.containers)).to.deep.equal([...keys, 'REDIS_URL', 'SMTP_URL', ...rest.split(' ')]);
    });

    it("gives an environment that the API's configuration accepts", () => {
      const config = configOf(objects);
      const asked = configShape.parse(values['config'] ?? {});
      expect(config).to.include({ appEnv: asked.environment, bcryptCost: 12 });
      expect(config.version !== undefined).to.equal(asked.exposeVersion);
      expect(config.trustedProxies).to.deep.equal(asked.trustProxy);
    });

    it('a pod outlives its own drain', () => {
      const { spec } = workload(only(objects, 'Deployment', 'auth-api')).template;
      const drain = spec.containers.flatMap(({ env }) => env).find(({ name }) => name === 'SHUTDOWN_GRACE_SECONDS');
      expect(spec.terminationGracePeriodSeconds).to.be.greaterThan(Number(drain?.value));
      expect(JSON.stringify(spec)).not.to.include('preStop');
    });

    it('a new chart version alone is no new revision: the pod template carries no label of the chart', () => {
      const { metadata } = workload(only(objects, 'Deployment', 'auth-api')).template;
      const names = Object.keys({ ...metadata.labels, ...metadata.annotations });
      expect(names.filter((name) => name.startsWith('helm.sh/') || name === 'app.kubernetes.io/version')).to.be.empty;
    });
  });
}

describe('chart latchkey', () => {
  it('has examples that carry the runbook’s matrix of environments', async () => {
    const of = async (environment: 'development' | 'staging' | 'production') => {
      const config = configOf(await render('latchkey', exampleValues(environment)));
      const { isAuthDisabled, isFeatureEnabled, rolloutPercentage, rateLimitPerMinute } = config;
      return { isAuthDisabled, isFeatureEnabled, rolloutPercentage, rateLimitPerMinute };
    };
    const open = { isAuthDisabled: false, isFeatureEnabled: true };
    const closed = { isAuthDisabled: true, isFeatureEnabled: true };
    expect(await of('development')).to.deep.equal({ ...closed, rolloutPercentage: 0, rateLimitPerMinute: 100 });
    expect(await of('staging')).to.deep.equal({ ...open, rolloutPercentage: 100, rateLimitPerMinute: 1_000 });
    expect(await of('production')).to.deep.equal({ ...open, rolloutPercentage: 5, rateLimitPerMinute: 5_000 });
  });

  it('leaves the replicas to the operator when there is a rollout, and sets them when there is none', async () => {
    const withRollout = workload(only(await render('latchkey', { replicas: 3 }), 'Deployment'));
    const without = workload(
      only(await render('latchkey', { replicas: 3, rollout: { enabled: false } }), 'Deployment'),
    );
    expect(withRollout).not.to.have.property('replicas');
    expect(without.replicas).to.equal(3);
  });

  it('makes an AuthRollout exactly when there is a rollout', async () => {
    const [withRollout, without] = [
      await render('latchkey'),
      await render('latchkey', { rollout: { enabled: false } }),
    ];
    expect(withRollout.map(({ kind }) => kind)).to.include('AuthRollout');
    expect(without.map(({ kind }) => kind)).not.to.include('AuthRollout');
  });

  for (const [title, values] of Object.entries({ default: {}, demo, paused: { rollout: { paused: true } } })) {
    it(`writes an AuthRollout that the operator accepts: ${title}`, async () => {
      const { spec } = only(await render('latchkey', values), 'AuthRollout');
      expect(parseSpec(spec)).to.have.property('kind', 'valid');
      expect(spec).to.deep.include({ route: { httpRoute: 'auth-api', rule: 'api' }, replicas: 2 });
    });
  }

  it("has the runbook's schedule by default", async () => {
    const reading = parseSpec(only(await render('latchkey'), 'AuthRollout').spec);
    if (reading.kind === 'invalid') throw new Error(reading.violations.join());
    const minutes = reading.spec.schedule.map((s) => [s.weight, s.holdMs / 60_000, s.checkEveryMs / 60_000]);
    expect(minutes).to.deep.equal([
      [5, 30, 1],
      [10, 30, 2],
      [25, 60, 5],
      [50, 120, 10],
      [100, 240, 15],
    ]);
  });

  it('passes the checkpoints of a step on as they are', async () => {
    const checkpoints = [
      { name: 'capacity', query: { promql: 'max(load{job="db"})', atLeast: 1, atMost: 1_000_000.5 } },
      { name: 'schema', job: { name: 'verify-0021', freshFor: '30m' } },
      { name: 'go-live', person: { role: 'team-lead' } },
    ];
    const schedule = [
      { weight: 5, hold: '30m', checkEvery: '1m' },
      { weight: 100, hold: '1h', checkEvery: '5m', checkpoints },
    ];
    const { spec } = only(await render('latchkey', { rollout: { schedule } }), 'AuthRollout');
    expect(spec).to.deep.include({ schedule });
    expect(parseSpec(spec)).to.have.property('kind', 'valid');
  });

  it('guards the pods that serve: stable with a rollout, the Deployment itself without', async () => {
    for (const [enabled, track] of [
      [true, 'stable'],
      [false, 'canary'],
    ] as const) {
      const budget = only(await render('latchkey', { rollout: { enabled } }), 'PodDisruptionBudget');
      const matchLabels = z.looseObject({ selector: z.looseObject({ matchLabels: z.unknown() }) }).parse(budget.spec);
      expect(matchLabels.selector.matchLabels).to.include({ 'latchkey.dev/track': track });
    }
  });

  it('says pause only when it means it, so that a pause by hand survives an upgrade', async () => {
    expect(only(await render('latchkey'), 'AuthRollout').spec).not.to.have.property('paused');
  });

  it('names a ceiling only when it is set, and 0 is one', async () => {
    expect(only(await render('latchkey'), 'AuthRollout').spec).not.to.have.property('maxWeight');
    const aborted = only(await render('latchkey', { rollout: { maxWeight: 0 } }), 'AuthRollout');
    expect(aborted.spec).to.have.property('maxWeight', 0);
  });

  it('gives the API and the AuthRollout the same cookie, and the AuthRollout only where the cohort is on', async () => {
    for (const enabled of [true, false]) {
      const objects = await render('latchkey', {
        config: { cohortCookie: 'lk_bucket' },
        rollout: { cohort: { enabled } },
      });
      const { spec } = workload(only(objects, 'Deployment', 'auth-api')).template;
      expect(spec.containers[0]?.env).to.deep.include({ name: 'COHORT_COOKIE', value: 'lk_bucket' });
      const reading = parseSpec(only(objects, 'AuthRollout').spec);
      expect(reading.kind === 'valid' && reading.spec.cohortCookie).to.equal(enabled ? 'lk_bucket' : undefined);
    }
  });

  it('versions the answer header and the image together', async () => {
    const { spec } = workload(only(await render('latchkey', { image: { tag: '2.0.1' } }), 'Deployment')).template;
    const [api] = spec.containers;
    expect(api?.image).to.equal('latchkey/api:2.0.1');
    expect(api?.env).to.deep.include({ name: 'APP_VERSION', value: '2.0.1' });
  });
});
