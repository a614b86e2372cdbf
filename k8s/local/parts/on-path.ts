/** Looks for a part on the PATH and takes it only when its version fits. parts.ts asks it after the user's own choice. */

import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { programFolders } from '../environment.ts';
import { type PartName, pins } from './pins.ts';

const answerTimeoutMs = 10_000;

/** The full path of a program whose version fits its pin, undefined when there is none. */
export async function partOnPath(name: PartName): Promise<string | undefined> {
  const check = pins[name].onPath;
  if (check === undefined) return undefined;
  for (const path of candidates(name)) if (check.fits.test(await outputOf(path, check.args))) return path;
  return undefined;
}

/** Every executable of this name on the PATH, in its order. */
export function candidates(name: string): readonly string[] {
  return programFolders()
    .map((folder) => join(folder, name))
    .filter(isExecutable);
}

/** What a program prints, on either stream; an empty string when it cannot run. */
export async function outputOf(path: string, args: readonly string[]): Promise<string> {
  return await new Promise((resolve) => {
    execFile(path, [...args], { timeout: answerTimeoutMs, killSignal: 'SIGKILL' }, (_error, stdout, stderr) => {
      resolve(`${stdout}${stderr}`); // some programs print their version and exit with 1
    });
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
