/**
 * How the image runs Node, read from its Dockerfile, so that what is measured is what is shipped: its flags, and a compile cache that is
 * filled beforehand. Called by latchkey.ts.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const DOCKERFILE = new URL('../../api/Dockerfile', import.meta.url);

const imageVariable = (name: string): string | undefined =>
  new RegExp(`^ENV ${name}="?([^"\\n]*)"?$`, 'm').exec(readFileSync(DOCKERFILE, 'utf8'))?.[1];

/** The environment that the image gives Node; `folder` takes the cache, which `main` fills by ending for want of a configuration. */
export const imageEnvironment = async (main: string, folder: string): Promise<Readonly<Record<string, string>>> => {
  const options = imageVariable('NODE_OPTIONS');
  const environment = {
    ...(options === undefined ? {} : { NODE_OPTIONS: options }),
    ...(imageVariable('NODE_COMPILE_CACHE') === undefined ? {} : { NODE_COMPILE_CACHE: folder }),
  };
  const env = { ...environment, PATH: process.env['PATH'] ?? '' };
  await promisify(execFile)(process.execPath, [main], { env }).catch(() => undefined);
  return environment;
};
