/** A configuration that is wrong must not start, least of all with a protection less (Auth.js GHSA-xmf8-cvqr-rfgj). */
import { expect } from 'chai';
import { ConfigError, readConfig } from '../../../../api/src/config.ts';
import { TEST_KEYS } from '../../../support/api.ts';

describe('holes of other systems: configuration', () => {
  const good = {
    DATABASE_URL: 'postgres://a:b@localhost/c',
    PUBLIC_URL: 'https://auth.example.com',
    SMTP_URL: 'smtp://localhost:25',
    ...TEST_KEYS,
  };
  const violationsOf = (env: Readonly<Record<string, string>>): readonly string[] => {
    try {
      readConfig({ ...good, ...env });
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.violations;
      throw error;
    }
  };

  it('GHSA-xmf8-cvqr-rfgj: a configuration that is wrong does not start; every fault is named at once, and no value is shown', () => {
    expect(violationsOf({})).to.deep.equal([]);
    const secret = 'c2hvcnQ=';
    const faults: Readonly<Record<string, string>> = {
      TRUST_PROXY: '0.0.0.0/0',
      RATE_LIMIT_PER_MINUTE: '0',
      RATE_LIMIT_LOGIN_PER_MINUTE: '-1',
      RATE_LIMIT_REGISTRATION_PER_HOUR: 'many',
      RATE_LIMIT_RESET_PER_HOUR: '1.5',
      SERVICE_KEYS: `billing:${secret}`,
      DATABASE_URL: 'postgres://a:hidden@localhost/c?sslmode=maybe',
      PORT: '70000',
    };
    const violations = violationsOf(faults);
    for (const name of Object.keys(faults))
      expect(
        violations.filter((line) => line.startsWith(`${name}: `)),
        name,
      ).to.have.length(1);
    expect(violations.join('\n')).not.to.include(secret).and.not.to.include('hidden');
  });

  it('GHSA-xmf8-cvqr-rfgj: contradictions are refused: a redirect to nowhere, a proxy that is everybody', () => {
    const redirect = { HTTPS_REDIRECT: 'true' };
    expect(violationsOf({ ...redirect, PUBLIC_URL: 'https://a.example' }).join()).to.match(/TRUST_PROXY/);
    expect(violationsOf({ ...redirect, PUBLIC_URL: 'http://a.example', TRUST_PROXY: '10.0.0.0/8' }).join()).to.match(
      /^PUBLIC_URL/,
    );
    expect(violationsOf({ ...redirect, PUBLIC_URL: 'https://a.example', TRUST_PROXY: '10.0.0.0/8' })).to.deep.equal([]);
    for (const range of [
      '::/0',
      '0.0.0.0/0',
      '10.0.0.0/33',
      '2001:db8::/129',
      '10.0.0.0/8/8',
      'everybody',
      '10.0.0',
      '*',
      'true',
      '1',
      '10.0.0.0/08x',
    ]) {
      expect(violationsOf({ TRUST_PROXY: range }).join(), range).to.match(/^TRUST_PROXY/);
    }
    expect(violationsOf({ TRUST_PROXY: '10.0.0.0/8, 2001:db8::/32,loopback,192.0.2.1' })).to.deep.equal([]);
  });

  it('GHSA-xmf8-cvqr-rfgj: service keys are whole, or nothing starts', () => {
    const key = Buffer.alloc(32, 7).toString('base64');
    for (const text of [
      'billing',
      `billing:`,
      `:${key}`,
      `Billing:${key}`,
      `bill ing:${key}`,
      `billing:${key.slice(4)}`,
      `billing:${key}:x`,
    ]) {
      expect(violationsOf({ SERVICE_KEYS: text }).join(), text).to.match(/^SERVICE_KEYS/);
    }
    expect(violationsOf({ SERVICE_KEYS: `billing:${key},mailer:${key}` })).to.deep.equal([]);
  });
});
