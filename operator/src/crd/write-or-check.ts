/** What a generator does with its texts: writes them, or with `--check` only says which are stale. Called by generate.ts and k8s/dashboards. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @param texts by their paths in the repository
 * @param command what to run when one is stale; the process then ends with 1
 */
export function writeOrCheck(texts: ReadonlyMap<string, string>, command: string): void {
  const isCheck = process.argv.includes('--check');
  for (const [path, text] of texts) {
    const file = fileURLToPath(new URL(`../../../${path}`, import.meta.url));
    if (!isCheck) writeFileSync(file, text);
    else if (readIfPresent(file) !== text) {
      console.error(`${path} is stale: run ${command} and commit what it writes`);
      process.exitCode = 1;
    }
  }
}

function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // Missing is as stale as different.
  }
}
