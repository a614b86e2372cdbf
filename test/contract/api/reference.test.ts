/** docs/api.md is complete: every code, variable and path that the code knows stands in it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { environment } from '../../../api/src/config.ts';
import { PROBLEMS } from '../../../api/src/errors.ts';
import { methodsByPath } from '../../../api/src/http/mount.ts';
import { endpointSpecs } from '../../../api/src/routes/all.ts';

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
const docs = read('docs/api.md');

describe('docs/api.md', () => {
  it('names every problem code with its status', () => {
    const rows = docs.split('\n').filter((line) => line.startsWith('| '));
    const missing = Object.entries(PROBLEMS).filter(
      ([code, { status }]) => !rows.some((row) => row.includes(`\`${code}\``) && row.includes(String(status))),
    );
    expect(missing).to.deep.equal([]);
  });

  it('names every environment variable', () => {
    const variables = Object.keys(environment.shape);
    expect(variables).to.have.length.greaterThan(15);
    expect(variables.filter((name) => !docs.includes(`\`${name}\``))).to.deep.equal([]);
  });

  it('names every endpoint with its methods', () => {
    const missing = [...methodsByPath(endpointSpecs())].filter(
      ([path, methods]) =>
        !docs.split('\n').some((row) => row.includes(path) && methods.every((method) => row.includes(method))),
    );
    expect(missing).to.deep.equal([]);
  });

  it('names every kind of error', () => {
    const kinds = new Set(Object.values(PROBLEMS).map(({ kind }) => kind));
    expect([...kinds].filter((kind) => !docs.includes(`\`${kind}\``))).to.deep.equal([]);
  });
});
