/** Other services that may ask us, each with the key that it signs with (http/signature.ts). Part of config.ts. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { list, variable } from './variable.ts';

const ENTRY = /^([a-z0-9][a-z0-9._-]{0,63}):([A-Za-z0-9+/]+={0,2})$/;
const MIN_KEY_BYTES = 32;

const isEntry = (text: string): boolean => Buffer.from(ENTRY.exec(text)?.[2] ?? '', 'base64').length >= MIN_KEY_BYTES;

export const serviceVariables = {
  SERVICE_KEYS: variable(
    list.pipe(
      z.array(
        z.string().refine(isEntry, 'must be a comma list of id:key, each key base64 of at least 32 random bytes'),
      ),
    ),
    '"billing:$(openssl rand -base64 32)"',
    'Comma list of `id:key`: which services may ask about tokens, and what they sign with. An id may come twice while its key changes.',
  ),
};

const parsed = z.object(serviceVariables);
type ServiceEnvironment = z.infer<typeof parsed>;

/** Every key of every service; several of one while it changes. */
export type ServiceKeys = ReadonlyMap<string, readonly KeyObject[]>;

export const readServiceKeys = ({ SERVICE_KEYS }: ServiceEnvironment): ServiceKeys => {
  const keys = new Map<string, readonly KeyObject[]>();
  for (const entry of SERVICE_KEYS) {
    const [, id = '', text = ''] = ENTRY.exec(entry) ?? [];
    keys.set(id, [...(keys.get(id) ?? []), createSecretKey(Buffer.from(text, 'base64'))]);
  }
  return keys;
};
