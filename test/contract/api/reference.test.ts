/** The reference is complete: every code, variable and path that the code knows stands in it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { z } from 'zod';
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

  it('names every endpoint with its methods', () => {
    const requests = [...methodsByPath(endpointSpecs())].flatMap(([path, methods]) =>
      methods.map((method) => `| \`${method} ${path}\` |`),
    );
    const missing = requests.filter((request) => !docs.includes(request));
    expect(missing).to.deep.equal([]);
  });

  it('names every kind of error', () => {
    const kinds = new Set(Object.values(PROBLEMS).map(({ kind }) => kind));
    expect([...kinds].filter((kind) => !docs.includes(`\`${kind}\``))).to.deep.equal([]);
  });
});

describe('docs/configuration.md', () => {
  const rows = read('docs/configuration.md').split('\n');
  const variables = Object.entries(environment.shape as Readonly<Record<string, z.ZodType>>);

  it('has a row for every variable of the environment', () => {
    expect(variables).to.have.length.greaterThan(15);
    const missing = variables.filter(([name]) => !rows.some((row) => row.startsWith(`| \`${name}\` |`)));
    expect(missing.map(([name]) => name)).to.deep.equal([]);
  });

  it('says of each what it means, with an example', () => {
    const silent = variables.filter(([, schema]) => {
      const { description = '', example } = schema.meta() ?? {};
      return description.length < 10 || typeof example !== 'string';
    });
    expect(silent.map(([name]) => name)).to.deep.equal([]);
  });
});
