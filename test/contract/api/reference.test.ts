/** docs/api.md is complete: every code, variable and path that the code knows stands in it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { PROBLEMS } from '../../../api/src/errors.ts';
import { AUTH_METHODS } from '../../../api/src/routes/auth.ts';

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
    const variables = [...read('api/src/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+):/gm)].map(([, name]) => name ?? '');
    expect(variables).to.have.length.greaterThan(15);
    expect(variables.filter((name) => !docs.includes(`\`${name}\``))).to.deep.equal([]);
  });

  it('names every endpoint with its methods', () => {
    const missing = [...AUTH_METHODS].filter(
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
