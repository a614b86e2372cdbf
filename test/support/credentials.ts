/**
 * Builds a request for any endpoint that takes a credential, from its own schema and an account's secrets: an endpoint that is added tomorrow is
 * walked over without a line here, unless it takes a field that nobody knows. Used by the tests of holes.
 */
import { z } from 'zod';
import type { EndpointSpec } from '../../api/src/http/endpoint.ts';
import { PASSWORD } from './api.ts';

/** Field name → value: what an account's owner, or a thief, would put there. */
export type Secrets = Readonly<Record<string, string>>;

export const NEXT_PASSWORD = 'Another-Horse-7-Staple';

/** Fields that say how, not who. */
const PLAIN: Readonly<Record<string, unknown>> = { client: 'bearer' };

const objectSchema = z.object({
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
});

const shapeOf = (spec: EndpointSpec): z.infer<typeof objectSchema> => {
  if (spec.body === undefined) return { properties: {}, required: [] };
  const schema = z.toJSONSchema(spec.body, { io: 'input', unrepresentable: 'any' });
  const alternative = schema.anyOf?.find((one) => typeof one === 'object' && 'properties' in one);
  return objectSchema.parse(alternative ?? schema);
};

/** A secret that can be guessed, as opposed to a token of 256 random bits. */
export const isGuessable = (spec: EndpointSpec): boolean =>
  Object.keys(shapeOf(spec).properties).some((name) => /password|code/i.test(name) && name !== 'newPassword');

/** One secret for each field; of two codes the app's. @throws where a required field has no secret: add it to the test. */
export const bodyFor = (spec: EndpointSpec, secrets: Secrets): Readonly<Record<string, unknown>> | undefined => {
  const { properties, required } = shapeOf(spec);
  const names = Object.keys(properties).filter((name) => name !== 'backupCode' || !('code' in properties));
  const known = names.flatMap((name) => {
    const value = secrets[name] ?? PLAIN[name];
    if (value === undefined && required.includes(name))
      throw new Error(`${spec.path} takes ${name}: tell this test what that is`);
    return value === undefined ? [] : [[name, value] as const];
  });
  return spec.body === undefined ? undefined : Object.fromEntries(known);
};

/** The same secrets with everything wrong that can be guessed. */
export const wrongGuess = (secrets: Secrets): Secrets => ({
  ...secrets,
  ...Object.fromEntries(
    Object.keys(secrets)
      .filter((name) => /password/i.test(name))
      .map((name) => [name, `${PASSWORD}?`]),
  ),
  newPassword: NEXT_PASSWORD,
  code: '000000',
  backupCode: 'AAAA-AAAA-AAAA-AAAA',
});
