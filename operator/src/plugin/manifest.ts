/** The AuthRollout in a file, before anybody has applied it. Called by plan.ts. */
import { readFileSync } from 'node:fs';
import { loadAllYaml } from '@kubernetes/client-node';
import { z } from 'zod';
import { CommandError } from './command.ts';

export interface Manifest {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly spec: unknown;
  /** As it stands in the file, for the apiserver. */
  readonly raw: object;
}

const STDIN = 0;
const document = z.looseObject({
  apiVersion: z.literal('latchkey.dev/v1alpha1'),
  kind: z.literal('AuthRollout'),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
  spec: z.unknown(),
});
const listed = z.looseObject({ kind: z.literal('List'), items: z.array(z.unknown()) });

/** @param file a path, or - for stdin. @throws {CommandError} when it has not exactly one AuthRollout (of that name, if one is given) */
export function readManifest(file: string, name: string): Manifest {
  const found = documentsIn(file).filter(({ metadata }) => name === '' || metadata.name === name);
  const [first, ...others] = found;
  const called = name === '' ? '' : ` named ${name}`;
  if (first === undefined) throw new CommandError(`${file} has no AuthRollout of latchkey.dev/v1alpha1${called}`);
  if (others.length > 0) {
    const names = found.map(({ metadata }) => metadata.name).join(', ');
    throw new CommandError(
      `${file} has the AuthRollouts ${names}: name one, as in plan -f ${file} ${first.metadata.name}`,
    );
  }
  return { name: first.metadata.name, namespace: first.metadata.namespace, spec: first.spec, raw: first };
}

function documentsIn(file: string): readonly z.infer<typeof document>[] {
  let parsed: unknown[];
  try {
    parsed = loadAllYaml(readFileSync(file === '-' ? STDIN : file, 'utf8'));
  } catch (cause) {
    throw new CommandError(`${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  return parsed
    .flatMap((one) => listed.safeParse(one).data?.items ?? [one])
    .flatMap((one) => document.safeParse(one).data ?? []);
}
