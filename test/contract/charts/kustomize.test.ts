/** k8s/base and k8s/overlays say what the charts say: one truth, two ways to install it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { z } from 'zod';
import { kustomizeFiles } from '../../../k8s/base/generate.ts';
import { blocksOf } from '../../support/page-commands.ts';
import { exampleValues, type KubernetesObject, only, readObjects, render, workload } from './helm.ts';
import { built, builtIn, ENVIRONMENTS, kustomization, NAMESPACES } from './kustomize.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** What only Helm keeps right (k8s/base/generate.ts). */
const HELMS = ['helm.sh/chart', 'helm.sh/resource-policy', 'app.kubernetes.io/managed-by', 'app.kubernetes.io/version'];

const secretRef = z.object({ secretKeyRef: z.object({ name: z.string() }) });

const without = (names: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(names).filter(([name]) => !HELMS.includes(name)));

/** Objects by kind and name, without Helm's own; env by name, since no variable of ours refers to another. */
const comparable = (objects: readonly KubernetesObject[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    objects
      .filter(({ metadata }) => metadata.annotations['helm.sh/hook'] === undefined)
      .map(({ metadata, ...rest }) => {
        const { labels, annotations } = metadata;
        const plain = {
          ...rest,
          metadata: { ...metadata, labels: without(labels), annotations: without(annotations) },
        };
        return [`${rest.kind} ${metadata.name}`, rest.kind === 'Deployment' ? withEnvByName(plain) : plain];
      }),
  );

const withEnvByName = (object: KubernetesObject): unknown => {
  const spec = workload(object);
  const containers = spec.template.spec.containers.map((container) => {
    const env = container.env.filter(({ name }) => name !== 'APP_VERSION').map((each) => [each.name, each]);
    return { ...container, env: Object.fromEntries(env) as unknown };
  });
  return { ...object, spec: { ...spec, template: { ...spec.template, spec: { ...spec.template.spec, containers } } } };
};

const definitions = (): readonly KubernetesObject[] =>
  readdirSync(`${ROOT}k8s`)
    .filter((file) => file.endsWith('.yaml'))
    .flatMap((file) => readObjects(readFileSync(`${ROOT}k8s/${file}`, 'utf8')));

describe('k8s for people without Helm', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-overlay-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('has in k8s/base what the charts render today', async () => {
    const texts = await kustomizeFiles();
    expect(texts.size).to.equal(4);
    for (const [path, text] of texts)
      expect(readFileSync(`${ROOT}${path}`, 'utf8'), `${path}: run npm run generate`).to.equal(text);
  });

  for (const environment of ENVIRONMENTS) {
    describe(`overlays/${environment}`, () => {
      let applied: readonly KubernetesObject[];
      let route: readonly KubernetesObject[];

      before(async () => {
        const folders = [`overlays/${environment}`, `overlays/${environment}/route`];
        [applied = [], route = []] = await Promise.all(folders.map(built));
      });

      it('makes with its route the objects that the chart makes of its example, field by field', async () => {
        const fromChart = comparable(await render('latchkey', exampleValues(environment), NAMESPACES[environment]));
        const fromOverlay = comparable([...applied, ...route]);
        expect(Object.keys(fromOverlay).toSorted()).to.deep.equal(Object.keys(fromChart).toSorted());
        for (const [name, object] of Object.entries(fromChart)) expect(fromOverlay[name], name).to.deep.equal(object);
      });

      it('leaves the route out of what is applied again and again: its weights are the operator’s', () => {
        expect(applied.map(({ kind }) => kind))
          .to.include('Deployment')
          .and.not.to.include('HTTPRoute');
        expect(route.map(({ kind }) => kind)).to.deep.equal(['HTTPRoute']);
      });

      it('has no Secret, and every secret by reference', () => {
        expect(applied.map(({ kind }) => kind)).not.to.include('Secret');
        const [api] = workload(only(applied, 'Deployment')).template.spec.containers;
        const referred = api?.env.filter(({ valueFrom }) => valueFrom !== undefined).map(({ name }) => name);
        expect(referred).to.include.members(['DATABASE_URL', 'JWT_PRIVATE_KEY', 'PASSWORD_PEPPER', 'REDIS_URL']);
      });
    });
  }

  it('refers to a Secret that kustomize names by its content, so that a changed secret is a new revision', async () => {
    const secretNames = async (pepper: string): Promise<ReadonlySet<unknown>> => {
      const resources = [relative(folder, kustomization('overlays/production'))];
      const secretGenerator = [{ name: 'auth-api', files: ['PASSWORD_PEPPER'] }];
      writeFileSync(join(folder, 'PASSWORD_PEPPER'), pepper);
      writeFileSync(
        join(folder, 'kustomization.yaml'),
        JSON.stringify({ namespace: 'auth', resources, secretGenerator }),
      );
      const objects = await builtIn(folder);
      const [api] = workload(only(objects, 'Deployment')).template.spec.containers;
      const referred = api?.env.flatMap(
        ({ valueFrom }) => secretRef.safeParse(valueFrom).data?.secretKeyRef.name ?? [],
      );
      expect(new Set(referred)).to.deep.equal(new Set([only(objects, 'Secret').metadata.name]));
      return new Set(referred);
    };
    expect(await secretNames('one')).not.to.deep.equal(await secretNames('two'));
  });

  it('takes the overlay that k8s/README.md shows: its image, its variable', async () => {
    const [example = ''] = blocksOf('k8s/README.md', 'yaml');
    const ours = relative(folder, kustomization('overlays/production'));
    expect(example).to.include('[latchkey/k8s/overlays/production]');
    writeFileSync(join(folder, 'kustomization.yaml'), example.replace('latchkey/k8s/overlays/production', ours));
    const { containers, initContainers } = workload(only(await builtIn(folder), 'Deployment')).template.spec;
    for (const { image } of [...containers, ...initContainers])
      expect(image).to.equal('registry.example.com/latchkey/api:1.1.0');
    expect(containers[0]?.env).to.deep.include({ name: 'PUBLIC_URL', value: 'https://login.example.org' });
  });

  it('makes of the definitions in k8s and of base/latchkey-operator the objects of the operator’s chart', async () => {
    const fromChart = comparable(await render('latchkey-operator'));
    const fromHere = comparable([...definitions(), ...(await built('base/latchkey-operator'))]);
    expect(fromHere).to.deep.equal(fromChart);
  });
});
