/**
 * Helm and the operator's own rules share one list. On a real apiserver with the real Helm, the operator's patches made by its own core:
 * no upgrade drops a cohort rule, holds one fast, or brings one back. docs/adr/0027-cohorts.md quotes it.
 */
import { expect } from 'chai';
import { z } from 'zod';
import type { ProgrammableRoute, WriteRecord } from '../../../operator/src/core/observation.ts';
import { weightPatch } from '../../../operator/src/core/route-patch.ts';
import { readRoute } from '../../../operator/src/objects.ts';
import { type HelmAnswer, upgradeApi, type Values } from '../../contract/charts/helm.ts';
import { type TestApiserver, testApiserver } from '../../support/apiserver.ts';
import { serveDefinitions } from '../../support/definitions.ts';

const COHORT: Values = { config: { cohortCookie: 'lk_bucket' }, rollout: { cohort: { enabled: true } } };
const SERVED = { code: 0 } as const;
const names = { rule: 'api', stableService: 'auth-api-stable', canaryService: 'auth-api-canary', hasCohort: true };
const routeShape = z.looseObject({
  spec: z.looseObject({ rules: z.array(z.looseObject({ name: z.string() })) }),
});

class Release {
  readonly #server: TestApiserver;
  readonly #namespace: string;
  readonly #route: string;

  constructor(server: TestApiserver, namespace: string) {
    this.#server = server;
    this.#namespace = namespace;
    this.#route = `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes/auth-api`;
  }

  upgrade(tag: string, values: Values = {}, flags: readonly string[] = []): Promise<HelmAnswer> {
    const place = { namespace: this.#namespace, kubeconfig: this.#server.kubeconfig() };
    return upgradeApi(place, { image: { tag }, ...COHORT, ...values }, flags);
  }

  async rules() {
    return routeShape.parse(await this.#server.request('GET', this.#route)).spec.rules;
  }

  async names(): Promise<readonly string[]> {
    return (await this.rules()).map(({ name }) => name);
  }

  async cookie(): Promise<unknown> {
    const path = `/apis/latchkey.dev/v1alpha1/namespaces/${this.#namespace}/authrollouts/auth-api`;
    const rollout = z.looseObject({ spec: z.looseObject({ cohort: z.unknown().optional() }) });
    return rollout.parse(await this.#server.request('GET', path)).spec.cohort;
  }

  async write(weight: number, cohort?: string): Promise<void> {
    const seen = readRoute(await this.#server.request('GET', this.#route), names);
    if (seen.kind !== 'programmable') throw new Error(seen.kind);
    const route: ProgrammableRoute = seen;
    const record: WriteRecord = {
      weight,
      revision: 'aaaaaaaaaa',
      stepIndex: 0,
      decision: weight === 0 ? 'zero' : 'advance',
      reason: 'Advanced',
      at: new Date().toISOString(),
      ...(cohort === undefined ? {} : { cohort }),
    };
    const path = `${this.#route}?fieldManager=latchkey-operator`;
    await this.#server.request('PATCH', path, weightPatch(route, record, 7), 'application/json-patch+json');
  }
}

const OURS = ['latchkey-cohort-canary', 'latchkey-cohort-stable'] as const;

describe('helm upgrade beside a cohort', function () {
  this.timeout(90_000);
  let server: TestApiserver;
  let count = 0;

  async function midRun(): Promise<Release> {
    const release = new Release(server, `cohort-charts-${++count}`);
    expect(await release.upgrade('v1')).to.include(SERVED);
    expect(await release.cookie()).to.deep.equal({ cookie: 'lk_bucket' });
    await release.write(0);
    await release.write(25, 'lk_bucket');
    expect(await release.names()).to.deep.equal(['api', ...OURS]);
    return release;
  }

  before(async () => {
    server = await testApiserver();
    await serveDefinitions(server);
  });

  it('an upgrade in the middle of a run neither drops the two rules nor changes a letter of them', async () => {
    const release = await midRun();
    const before = await release.rules();
    expect(await release.upgrade('v2')).to.include(SERVED);
    expect(await release.rules()).to.deep.equal(before);
  });

  it('holds none of them fast: the operator moves them on and takes them away, and the next upgrade brings none back', async () => {
    const release = await midRun();
    expect(await release.upgrade('v2')).to.include(SERVED);
    await release.write(50, 'lk_bucket');
    expect(JSON.stringify(await release.rules())).to.contain('[0-9]|[1-4][0-9]');
    expect(await release.upgrade('v3')).to.include(SERVED);
    await release.write(0);
    expect(await release.names()).to.deep.equal(['api']);
    expect(await release.upgrade('v4')).to.include(SERVED);
    expect(await release.names()).to.deep.equal(['api']);
  });

  it('switched off in the middle of a run, it leaves the rules to the operator and asks for none', async () => {
    const release = await midRun();
    expect(await release.upgrade('v1', { rollout: { cohort: { enabled: false } } })).to.include(SERVED);
    expect(await release.cookie()).to.equal(undefined);
    expect(await release.names()).to.deep.equal(['api', ...OURS]);
  });

  it('a changed rule, forced, keeps them too: the operator lets its copies follow', async () => {
    const release = await midRun();
    const values = { route: { timeouts: { request: '15s' } } };
    expect(await release.upgrade('v1', values, ['--force-conflicts'])).to.include(SERVED);
    expect(await release.names()).to.deep.equal(['api', ...OURS]);
    await release.write(25, 'lk_bucket');
    for (const rule of await release.rules()) expect(rule).to.deep.include({ timeouts: { request: '15s' } });
  });

  it('refuses a cohort without a cookie, and says which value to set', async () => {
    const release = new Release(server, `cohort-charts-${++count}`);
    const answer = await release.upgrade('v1', { config: { cohortCookie: '' } });
    expect(answer.code).not.to.equal(0);
    expect(answer.stderr).to.contain('set config.cohortCookie');
  });
});
