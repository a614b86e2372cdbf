import { expect } from 'chai';
import { parse } from 'yaml';
import { CONDITION_TYPES } from '../../../operator/src/core/status.ts';
import { generatedFiles } from '../../../operator/src/crd/generate.ts';
import { type TestApiserver, testApiserver } from '../../support/apiserver.ts';
import { eventually } from '../../support/eventually.ts';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const ROLLOUTS = '/apis/latchkey.dev/v1alpha1/namespaces/crd-test/authrollouts';
const STRICT = '?fieldValidation=Strict';

type Json = { readonly [key: string]: unknown };

const step = (weight: number, hold = '30m', checkEvery = '1m'): Json => ({ weight, hold, checkEvery });

const checkpoints = (...asked: readonly Json[]): Json => ({ schedule: [{ ...step(100), checkpoints: asked }] });

const rollout = (name: string, spec: Json = {}): Json => ({
  apiVersion: 'latchkey.dev/v1alpha1',
  kind: 'AuthRollout',
  metadata: { name },
  spec: {
    targetRef: { name: 'auth-api' },
    route: { httpRoute: 'auth-api', rule: 'api' },
    metrics: { prometheus: { address: 'http://prometheus.monitoring:9090' } },
    ...spec,
  },
});

describe('the AuthRollout CRD on a real kube-apiserver', function crd() {
  this.timeout(120_000);
  let server: TestApiserver;
  let isOurs = false;

  before(async () => {
    server = await testApiserver();
    const manifest: unknown = parse(generatedFiles().get('k8s/crd.yaml') ?? '');
    isOurs = await server.request('POST', CRDS, manifest).then(() => true, ignoreConflict);
    await server.request('POST', '/api/v1/namespaces', { metadata: { name: 'crd-test' } });
    await eventually(
      'the CRD is served',
      15_000,
      async () =>
        await server.request('GET', ROLLOUTS).then(
          () => true,
          () => false,
        ),
    );
  });

  // Other suites of this process make the CRD themselves.
  after(async () => {
    if (!isOurs) return;
    await server.request('DELETE', `${CRDS}/authrollouts.latchkey.dev`);
    await eventually(
      'the CRD is gone',
      30_000,
      async () =>
        await server.request('GET', `${CRDS}/authrollouts.latchkey.dev`).then(
          () => false,
          () => true,
        ),
    );
  });

  const create = (manifest: Json): Promise<unknown> => server.request('POST', `${ROLLOUTS}${STRICT}`, manifest);
  const refusal = async (request: Promise<unknown>): Promise<string> =>
    await request.then(
      () => 'accepted',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );

  it('takes the shortest manifest and fills in the schedule and the matrix of the runbook', async () => {
    const created = JSON.stringify(await create(rollout('short')));
    expect(created).to.contain('{"checkEvery":"15m","hold":"4h","weight":100}');
    expect(created).to.contain('"errorRate":{"p0":0.05,"p1":0.01,"p2":0.005,"p3":0.001}');
  });

  const sixty = Array.from({ length: 60 }, (_, index) => step(index + 1));
  const refused: readonly { readonly why: string; readonly spec: Json; readonly says: RegExp }[] = [
    {
      why: 'weights that fall',
      spec: { schedule: [step(10), step(5), step(100)] },
      says: /make each greater than the one before it/,
    },
    {
      why: 'a weight twice',
      spec: { schedule: [step(10), step(10), step(100)] },
      says: /make each greater than the one before it/,
    },
    {
      why: 'a schedule that ends below 100',
      spec: { schedule: [step(5), step(50)] },
      says: /must have weight 100: add or change the last step/,
    },
    {
      why: 'a hold shorter than checkEvery',
      spec: { schedule: [step(100, '30s', '1m')] },
      says: /checkEvery 1m is longer than hold 30s: shorten checkEvery or lengthen hold/,
    },
    { why: 'sixty steps', spec: { schedule: sixty }, says: /must have at most 20 items/ },
    { why: 'an empty schedule', spec: { schedule: [] }, says: /should have at least 1 items/ },
    { why: 'a missing rule', spec: { route: { httpRoute: 'auth-api' } }, says: /spec\.route\.rule.*Required value/ },
    { why: 'an unknown field', spec: { stepz: [] }, says: /unknown field \\"spec\.stepz\\"/ },
    {
      why: 'an unknown field deep inside',
      spec: { matrix: { errorRate: { p9: 1 } } },
      says: /unknown field \\"spec\.matrix\.errorRate\.p9\\"/,
    },
    {
      why: 'a duration without a unit',
      spec: { schedule: [step(100, '30', '1m')] },
      says: /spec\.schedule\[0\]\.hold.*should match/,
    },
    {
      why: 'thresholds out of order',
      spec: { matrix: { errorRate: { p1: 0.9 } } },
      says: /order the thresholds p0 .* p1 .* p2 .* p3/,
    },
    {
      why: 'a latency that no bucket counts',
      spec: { matrix: { latencyP95: { p1: '450ms' } } },
      says: /is no bound of the latency histogram: use one of 5ms/,
    },
    {
      why: 'an address that is no URL',
      spec: { metrics: { prometheus: { address: 'prometheus' } } },
      says: /spec\.metrics\.prometheus\.address/,
    },
    {
      why: 'a checkpoint that asks nothing',
      spec: checkpoints({ name: 'go' }),
      says: /name exactly one of query, job and person/,
    },
    {
      why: 'a checkpoint that asks twice',
      spec: checkpoints({ name: 'go', job: { name: 'verify' }, person: { role: 'on-call' } }),
      says: /name exactly one of query, job and person/,
    },
    {
      why: 'two checkpoints of one name',
      spec: checkpoints({ name: 'go', job: { name: 'a' } }, { name: 'go', job: { name: 'b' } }),
      says: /spec\.schedule\[0\]\.checkpoints\[1\].*Duplicate value/,
    },
    {
      why: 'a query without a threshold',
      spec: checkpoints({ name: 'go', query: { promql: 'up' } }),
      says: /set atLeast, atMost or both/,
    },
    {
      why: 'thresholds that nothing can meet',
      spec: checkpoints({ name: 'go', query: { promql: 'up', atLeast: 1.5, atMost: 1 } }),
      says: /set atLeast no greater than atMost/,
    },
    {
      why: 'a Job that counts for days',
      spec: checkpoints({ name: 'go', job: { name: 'verify', freshFor: '48h' } }),
      says: /freshFor must be above 0 and at most 24h/,
    },
    {
      why: 'a person in a role that nobody can have',
      spec: checkpoints({ name: 'go', person: { role: 'boss' } }),
      says: /supported values: \\?"on-call/,
    },
    {
      why: 'six checkpoints',
      spec: checkpoints(...[1, 2, 3, 4, 5, 6].map((index) => ({ name: `c${index}`, job: { name: 'verify' } }))),
      says: /must have at most 5 items/,
    },
    {
      why: 'approvals, which are objects of their own',
      spec: { approvals: [] },
      says: /unknown field \\"spec\.approvals\\"/,
    },
  ];
  for (const [index, { why, spec, says }] of refused.entries()) {
    it(`refuses ${why} with a sentence that says what to change`, async () => {
      expect(await refusal(create(rollout(`refused-${index}`, spec)))).to.match(says);
    });
  }

  it('takes checkpoints of every kind, before each of twenty steps', async () => {
    const asked = [
      { name: 'capacity', query: { promql: 'max(load)', atMost: 0.6 } },
      { name: 'schema', job: { name: 'verify-0021' } },
      { name: 'go-live', person: { role: 'team-lead' } },
    ];
    const schedule = Array.from({ length: 20 }, (_, index) => ({ ...step((index + 1) * 5), checkpoints: asked }));
    expect(JSON.stringify(await create(rollout('checkpoints', { schedule })))).to.contain('"freshFor":"1h"');
  });

  it('keeps targetRef and route as they are while a run is active, and lets everything else change', async () => {
    await create(rollout('active'));
    const path = `${ROLLOUTS}/active`;
    const status = { phase: 'Progressing', weight: 5, stepIndex: 0 };
    await server.request('PATCH', `${path}/status`, { status }, 'application/merge-patch+json');
    const patch = (spec: Json): Promise<unknown> =>
      server.request('PATCH', path, { spec }, 'application/merge-patch+json');
    expect(await refusal(patch({ targetRef: { name: 'other' } }))).to.match(
      /targetRef cannot change while a run is active/,
    );
    expect(await refusal(patch({ route: { rule: 'other' } }))).to.match(/route cannot change while a run is active/);
    expect(await refusal(patch({ paused: true, schedule: [step(100)] }))).to.equal('accepted');
    await server.request('PATCH', `${path}/status`, { status: { phase: 'Succeeded' } }, 'application/merge-patch+json');
    expect(await refusal(patch({ targetRef: { name: 'other' } }))).to.equal('accepted');
  });

  it('keeps status apart from spec and refuses a condition twice', async () => {
    await create({ ...rollout('status'), status: { phase: 'Succeeded' } });
    expect(JSON.stringify(await server.request('GET', `${ROLLOUTS}/status`))).not.to.contain('Succeeded');
    const condition = { type: 'Ready', status: 'True', observedGeneration: 1, reason: 'UpToDate', message: '' };
    const timed = { ...condition, lastTransitionTime: '2030-01-01T00:00:00Z' };
    const write = server.request(
      'PATCH',
      `${ROLLOUTS}/status/status`,
      { status: { conditions: [timed, timed] } },
      'application/merge-patch+json',
    );
    expect(await refusal(write)).to.match(/Duplicate value/);
  });

  it('prints the columns that an engineer asks for first', async () => {
    const table = await server.request('GET', `${CRDS}/authrollouts.latchkey.dev`);
    const text = JSON.stringify(table);
    const names = [...text.matchAll(/"name":"(Phase|Step|Weight|Severity|Reason|Next|Age)"/g)].map(([, name]) => name);
    expect(names).to.deep.equal(['Phase', 'Step', 'Weight', 'Severity', 'Reason', 'Next', 'Age']);
    for (const type of CONDITION_TYPES) expect(text).to.contain(`"${type}"`);
  });
});

/** Another suite of the same process may have made it already. */
function ignoreConflict(error: unknown): false {
  if (!(error instanceof Error) || !error.message.includes('AlreadyExists')) throw error;
  return false;
}
