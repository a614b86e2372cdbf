/** Puts the definitions that operator and charts need onto a test apiserver: HTTPRoute and ours. Called by rollout-scene.ts and test/integration/charts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { partsFor } from '../../k8s/local/parts.ts';
import { DEFINITIONS } from '../../operator/src/crd/definitions.ts';
import type { TestApiserver } from './apiserver.ts';

const crdShape = z.looseObject({
  status: z.looseObject({ conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).nullish() }),
});
const SERVED_WITHIN_MS = 20_000;

/** Returns when all are served; another test of the same process may have brought them already. */
export async function serveDefinitions(server: TestApiserver): Promise<void> {
  const { 'gateway-api-crds': folder } = await partsFor(['gateway-api-crds']);
  await createCrd(server, readFileSync(join(folder, 'gateway.networking.k8s.io_httproutes.yaml'), 'utf8'));
  for (const { file } of DEFINITIONS)
    await createCrd(server, readFileSync(new URL(`../../k8s/${file}`, import.meta.url), 'utf8'));
}

async function createCrd(server: TestApiserver, manifest: string): Promise<void> {
  const crd = z.looseObject({ metadata: z.looseObject({ name: z.string() }) }).parse(parse(manifest));
  const all = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await server.request('POST', all, crd).catch((error: unknown) => {
    if (!String(error).includes('AlreadyExists')) throw error;
  });
  const giveUpAt = performance.now() + SERVED_WITHIN_MS;
  for (;;) {
    const { status } = crdShape.parse(await server.request('GET', `${all}/${crd.metadata.name}`));
    if (status.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True')) return;
    await delay(50);
    if (performance.now() > giveUpAt) throw new Error(`${crd.metadata.name} is not served within 20 s`);
  }
}
