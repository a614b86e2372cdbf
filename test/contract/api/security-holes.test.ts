/** docs/security-holes.md is true: each of the forty has a test that carries its id, or a reason why it cannot be. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = new URL('../../../', import.meta.url);
const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, ROOT)), 'utf8');

const rows = read('docs/security-holes.md')
  .split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => {
    const [number = '', id = '', what = '', here = ''] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    return { number: Number(number), id, what, here };
  });

/** The titles of a test file and of its groups, as far as they are written out. */
const titlesIn = (path: string): readonly string[] =>
  [...read(path).matchAll(/\b(?:it|describe)\(\s*[`'"]([^\n]*)/g)].map(([, title = '']) => title);

describe('docs/security-holes.md', () => {
  it('lists the forty, in order, each with what went wrong', () => {
    expect(rows.map(({ number }) => number)).to.deep.equal(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(rows.filter(({ what }) => what.length < 20)).to.deep.equal([]);
  });

  it('names for each a file that has a test with that id in its title, or says why it cannot concern us', () => {
    const untrue = rows.filter(({ id, here }) => {
      if (!here.startsWith('test/')) return !/^Cannot concern us: .{30,}/.test(here);
      return !titlesIn(here).some((title) => title.includes(id));
    });
    expect(untrue.map(({ number, id, here }) => `${number} ${id}: ${here}`)).to.deep.equal([]);
  });
});
