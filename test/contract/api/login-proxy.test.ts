/** docs/login-proxy.md says what the walk over every fault proves, word for word. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { FAULTS } from '../../../api/src/core/upstream-faults.ts';
import { OF_LOGIN_PROXY } from '../../../api/src/openapi/problems.ts';
import { FAULT_ROWS, faultTable } from '../../support/login-proxy-faults.ts';

describe('docs/login-proxy.md', () => {
  const page = readFileSync(fileURLToPath(new URL('../../../docs/login-proxy.md', import.meta.url)), 'utf8');

  it('has the table that test/integration/api/login-proxy-faults.test.ts walks over', () => {
    expect(page).to.include(faultTable());
  });

  it('has a row for every category that an auth service can cause', () => {
    const walked = new Set(FAULT_ROWS.map(({ category }) => category));
    const missing = Object.keys(FAULTS).filter((fault) => fault !== 'breaker-open' && !walked.has(fault as never));
    expect(missing).to.deep.equal([]);
  });

  it('and the OpenAPI document know the same codes', () => {
    const codes = new Set<string>(Object.values(FAULTS).map(({ code }) => code));
    codes.delete('rate-limited'); // everything can answer with that
    expect([...codes].toSorted()).to.deep.equal([...OF_LOGIN_PROXY]);
  });
});
