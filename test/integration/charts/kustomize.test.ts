/**
 * kubectl and the operator write the same objects. k8s/README.md's way of installing, of rolling out and of going on in the middle of a run, with
 * the real kubectl on a real apiserver; the operator's writes are made as it makes them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { partsFor } from '../../../k8s/local/parts.ts';
import { run } from '../../../k8s/local/run.ts';
import { kustomization } from '../../contract/charts/kustomize.ts';
import { type TestApiserver, testApiserver } from '../../support/apiserver.ts';
import { serveDefinitions } from '../../support/definitions.ts';

const AUTHORED = 'fieldManager=latchkey-operator';
const JSON_PATCH = 'application/json-patch+json';
const routeShape = z.looseObject({
  spec: z.looseObject({
    rules: z.tuple([z.looseObject({ backendRefs: z.array(z.looseObject({ weight: z.number() })) })]),
  }),
});
const deploymentShape = z.looseObject({
  spec: z.looseObject({
    replicas: z.number(),
    template: z.looseObject({ spec: z.looseObject({ containers: z.tuple([z.looseObject({ image: z.string() })]) }) }),
  }),
});

describe('kubectl apply -k beside the operator', function () {
  this.timeout(90_000);
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-overlay-'));
  let server: TestApiserver;
  let kubectl: (args: readonly string[]) => Promise<string>;
  let count = 0;

  /** An overlay of somebody's own on k8s/overlays/staging, in a namespace of its own; each call is the next version of it. */
  const overlay = (namespace: string, tag: string, of = ''): string => {
    const own = mkdtempSync(join(folder, 'own-'));
    const resources = [relative(own, kustomization(`overlays/staging${of}`))];
    const images = [{ name: 'latchkey/api', newName: 'registry.example.com/latchkey/api', newTag: tag }];
    writeFileSync(join(own, 'kustomization.yaml'), JSON.stringify({ namespace, resources, images }));
    return own;
  };
  const apply = (namespace: string, tag: string): Promise<string> =>
    kubectl(['apply', '--server-side', '-k', overlay(namespace, tag)]);
  const createRoute = (namespace: string): Promise<string> =>
    kubectl(['create', '-k', overlay(namespace, 'any', '/route')]);

  const pathOf = (namespace: string) => ({
    route: `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes/auth-api`,
    deployment: `/apis/apps/v1/namespaces/${namespace}/deployments/auth-api`,
  });
  const weights = async (namespace: string): Promise<readonly number[]> => {
    const { spec } = routeShape.parse(await server.request('GET', pathOf(namespace).route));
    return spec.rules[0].backendRefs.map(({ weight }) => weight);
  };
  const deployment = async (namespace: string) => {
    const { spec } = deploymentShape.parse(await server.request('GET', pathOf(namespace).deployment));
    return { replicas: spec.replicas, image: spec.template.spec.containers[0].image };
  };

  /** Installed as the page says, adopted by the operator, and brought by it to 25 % on three pods. */
  const midRun = async (): Promise<string> => {
    const namespace = `kustomize-${++count}`;
    await kubectl(['create', 'namespace', namespace]);
    await createRoute(namespace);
    await apply(namespace, 'v1');
    const { route, deployment: target } = pathOf(namespace);
    const backends = '/spec/rules/0/backendRefs';
    const move = [
      { op: 'replace', path: `${backends}/0/weight`, value: 75 },
      { op: 'replace', path: `${backends}/1/weight`, value: 25 },
    ];
    await server.request('PATCH', `${route}?${AUTHORED}`, move, JSON_PATCH);
    const scale = { spec: { replicas: 3 } };
    await server.request('PATCH', `${target}/scale?${AUTHORED}`, scale, 'application/merge-patch+json');
    return namespace;
  };

  before(async () => {
    server = await testApiserver();
    await serveDefinitions(server);
    const parts = await partsFor(['kubectl']);
    const kubeconfig = server.kubeconfig();
    kubectl = (args) => run(parts.kubectl, ['--kubeconfig', kubeconfig, ...args]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('a new image in the middle of a run arrives, and moves neither the weights nor the replicas', async () => {
    const namespace = await midRun();
    expect(await weights(namespace)).to.deep.equal([75, 25]);
    await apply(namespace, 'v2');
    expect(await weights(namespace)).to.deep.equal([75, 25]);
    expect(await deployment(namespace)).to.deep.equal({ replicas: 3, image: 'registry.example.com/latchkey/api:v2' });
  });

  it('a second making of the route is refused and moves no weight', async () => {
    const namespace = await midRun();
    const said = await createRoute(namespace).catch((error: unknown) => String(error));
    expect(said).to.include('already exists');
    expect(await weights(namespace)).to.deep.equal([75, 25]);
  });

  it('the definitions and policies of k8s/ are taken in one command', async () => {
    // Forced, since other tests of this apiserver made them in another name.
    const flags = ['--server-side', '--force-conflicts', '--dry-run=server'];
    const said = await kubectl(['apply', ...flags, '-f', kustomization('')]);
    expect(said.match(/^customresourcedefinition/gm)).to.have.length(4);
    expect(said.match(/^validatingadmissionpolicy\.admission/gm)).to.have.length(2);
  });

  it('the first install serves from its own pods', async () => {
    const namespace = `kustomize-${++count}`;
    await kubectl(['create', 'namespace', namespace]);
    await createRoute(namespace);
    await apply(namespace, 'v1');
    expect(await weights(namespace)).to.deep.equal([0, 100]);
    expect(await deployment(namespace)).to.include({ replicas: 1 });
  });
});
