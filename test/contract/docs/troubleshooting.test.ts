/** docs/troubleshooting.md speaks the words that the programs say: none that does not exist, and no check of the doctor without a way out. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { CHECKS } from '../../../api/src/cli/doctor.ts';
import { PROBLEMS } from '../../../api/src/errors.ts';
import { REASONS } from '../../../operator/src/core/reason.ts';

const page = readFileSync(new URL('../../../docs/troubleshooting.md', import.meta.url), 'utf8');
/** The backticked words of the middle column. */
const said = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split(' | ')[1] ?? '')
  .flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? ''));
const checks = CHECKS.map(({ id }) => id);

describe('docs/troubleshooting.md', () => {
  it('names only codes, checks and reasons that the programs know', () => {
    const known = new Set<string>([...checks, ...Object.keys(PROBLEMS), ...REASONS]);
    expect(said.length).to.be.above(80);
    expect(said.filter((word) => !known.has(word))).to.deep.equal([]);
  });

  it('has a row for each check of the doctor', () => {
    expect(checks.filter((id) => !said.includes(id))).to.deep.equal([]);
  });
});
