/** What may be the address of an auth service, and what is made of it. */
import { expect } from 'chai';
import { z } from 'zod';
import { readUpstream, type UpstreamSettings, upstreamVariables } from '../../../../api/src/config/upstream.ts';

type AppEnv = 'development' | 'staging' | 'production';

const schema = z.object(upstreamVariables);

const settingsOf = (
  env: Readonly<Record<string, string>>,
  APP_ENV: AppEnv = 'production',
): UpstreamSettings | undefined => readUpstream({ ...schema.parse(env), APP_ENV }).upstream;

describe('the settings of the login proxy', () => {
  it('are none without an address', () => {
    expect(settingsOf({})).to.equal(undefined);
    expect(settingsOf({ AUTH_UPSTREAM_URL: '' })).to.equal(undefined);
  });

  it('are tried three times in staging and once elsewhere, unless it is said', () => {
    const env = { AUTH_UPSTREAM_URL: 'https://a.example' };
    const attempts = (['development', 'staging', 'production'] as const).map((each) => settingsOf(env, each)?.attempts);
    expect(attempts).to.deep.equal([1, 3, 1]);
    expect(settingsOf({ ...env, AUTH_UPSTREAM_ATTEMPTS: '2' }, 'staging')?.attempts).to.equal(2);
  });

  it('have an address without a slash at its end', () => {
    for (const [given, read] of [
      ['https://a.example', 'https://a.example'],
      ['https://a.example/', 'https://a.example'],
      ['http://a.example:3000/api/v1/auth/', 'http://a.example:3000/api/v1/auth'],
      ['http://[::1]:3000', 'http://[::1]:3000'],
    ] as const)
      expect(settingsOf({ AUTH_UPSTREAM_URL: given })?.url, given).to.equal(read);
  });

  for (const url of [
    'auth.example.com',
    'ftp://a.example',
    'https://user:password@a.example',
    'https://user@a.example',
    'https://a.example?x=1',
    'https://a.example/#x',
    'https://a.example/?',
    'https://a.example//auth',
    'https://a.example/a%20b',
    'https://a.example/a b',
  ])
    it(`refuse the address ${url}`, () => {
      expect(schema.safeParse({ AUTH_UPSTREAM_URL: url }).success).to.equal(false);
    });

  for (const [name, values] of [
    ['AUTH_UPSTREAM_SERVICE_ID', ['-proxy', 'a b', 'x'.repeat(65), 'a\r\nb']],
    ['AUTH_UPSTREAM_SERVICE_SECRET', ['short', 'with a space in it', 'sixteen-and-\r\nmore', 'ümlaut-of-sixteen']],
  ] as const)
    it(`refuse a ${name} that a header cannot carry`, () => {
      for (const value of values) expect(schema.safeParse({ [name]: value }).success, value).to.equal(false);
    });
});
