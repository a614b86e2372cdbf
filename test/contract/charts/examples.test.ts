/** The manifests of k8s/examples, read with the operator's own schema. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { parseSpec, type Spec } from '../../../operator/src/core/spec.ts';

const FOLDER = fileURLToPath(new URL('../../../k8s/examples/', import.meta.url));
const objectShape = z.looseObject({ kind: z.string(), spec: z.unknown() });
const ruleShape = z.looseObject({
  rules: z.tuple([
    z.looseObject({
      name: z.string(),
      backendRefs: z.array(z.looseObject({ name: z.string(), weight: z.number() })),
    }),
  ]),
});

const objectsIn = (file: string) =>
  parseAllDocuments(readFileSync(`${FOLDER}${file}`, 'utf8')).map((document) => objectShape.parse(document.toJS()));

function specOf(file: string): Spec {
  const [rollout] = objectsIn(file).filter(({ kind }) => kind === 'AuthRollout');
  const reading = parseSpec(rollout?.spec);
  if (reading.kind === 'invalid') throw new Error(reading.violations.join('\n'));
  return reading.spec;
}

describe('k8s/examples', () => {
  it('the full AuthRollout differs from the shortest only in replicas and cohort: every other figure is the default', () => {
    expect(specOf('authrollout-full.yaml')).to.deep.equal({
      ...specOf('authrollout.yaml'),
      replicas: 4,
      cohortCookie: 'lk_bucket',
    });
  });

  it('every route has the rule and the backends that the AuthRollout names', () => {
    const { rule, targetName } = specOf('authrollout.yaml');
    const routes = readdirSync(FOLDER, { encoding: 'utf8' })
      .filter((file) => file.endsWith('.yaml'))
      .flatMap((file) => objectsIn(file).filter(({ kind }) => kind === 'HTTPRoute'));
    expect(routes).to.have.length(2);
    for (const { spec } of routes) {
      const [first] = ruleShape.parse(spec).rules;
      const weights = first.backendRefs.map(({ name, weight }) => [name, weight]);
      expect(first.name).to.equal(rule);
      expect(weights).to.deep.equal([
        [`${targetName}-stable`, 0],
        [`${targetName}-canary`, 100],
      ]);
    }
  });
});
