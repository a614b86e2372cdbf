/**
 * Writes the reference from the code: docs/openapi.json, docs/configuration.md and the marked parts of docs/api.md.
 * `node api/src/openapi/generate.ts` writes, `--check` fails when a file is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { endpointSpecs } from '../routes/all.ts';
import { configurationPage } from './configuration.ts';
import { documentOf } from './document.ts';
import { endpointTable, problemTable } from './reference.ts';

const PARTS: Readonly<Record<string, () => string>> = {
  endpoints: () => endpointTable(endpointSpecs()),
  problems: problemTable,
};

const contentOf = (path: string): string => {
  try {
    return readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
  } catch {
    return ''; // missing is as stale as different
  }
};

/** People write the page; between `<!-- generated: x -->` and `<!-- end -->` we do. */
const fillIn = (page: string): string =>
  page.replaceAll(
    /(<!-- generated: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (whole, begin: string, name: string, end: string) => {
      const part = PARTS[name];
      return part === undefined ? whole : `${begin}\n${part()}\n\n${end}`;
    },
  );

/** The text of each generated file, by its path in the repository. */
export const generatedFiles = (): ReadonlyMap<string, string> =>
  new Map([
    ['docs/openapi.json', `${JSON.stringify(documentOf(endpointSpecs()), null, 1)}\n`],
    ['docs/configuration.md', configurationPage()],
    ['docs/api.md', fillIn(contentOf('docs/api.md'))],
  ]);

const main = (): void => {
  const isCheck = process.argv.includes('--check');
  for (const [path, text] of generatedFiles()) {
    if (!isCheck) writeFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), text);
    else if (contentOf(path) !== text) {
      console.error(`${path} is stale: run npm run generate and commit what it writes`);
      process.exitCode = 1;
    }
  }
};

if (import.meta.main) main();
