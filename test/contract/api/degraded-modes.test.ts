/** docs/degraded-modes.md says what the walk over all endpoints and modes proves, word for word. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { degradedTable } from '../../support/degraded-modes.ts';

describe('docs/degraded-modes.md', () => {
  it('has the table that test/integration/api/degraded.test.ts walks over', () => {
    const page = readFileSync(fileURLToPath(new URL('../../../docs/degraded-modes.md', import.meta.url)), 'utf8');
    expect(page).to.include(degradedTable());
  });
});
