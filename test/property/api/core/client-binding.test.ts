/** Which requests can come from one client. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { agentFamily, isAnotherClient, networkOf } from '../../../../api/src/core/client-binding.ts';

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

describe('client binding', () => {
  const families: readonly (readonly [string, string])[] = [
    [CHROME, 'chrome'],
    [CHROME.replace('142', '150'), 'chrome'],
    [`${CHROME} Edg/142.0.0.0`, 'edge'],
    ['Mozilla/5.0 (Macintosh; rv:145.0) Gecko/20100101 Firefox/145.0', 'firefox'],
    ['okhttp/5.1.0', 'okhttp'],
    ['Latchkey-iOS/3.2 (iPhone17,1)', 'latchkey-ios'],
    ['', ''],
  ];
  for (const [text, family] of families)
    it(`calls ${text} ${family}`, () => expect(agentFamily(text)).to.equal(family));

  it('takes the addresses of one provider, mapped or not, as one network', () => {
    expect(networkOf('::ffff:198.51.100.7')).to.equal(networkOf('198.51.3.4'));
    expect(networkOf('198.51.100.7')).not.to.equal(networkOf('198.52.100.7'));
    expect(networkOf('2001:db8:1::1')).to.equal(networkOf('2001:0db8:ffff::2'));
    expect(networkOf('2001:db8::1')).not.to.equal(networkOf('2001:db9::1'));
  });

  it('needs another program and another network both, and both known', () => {
    const here = { ip: '198.51.100.7', userAgent: CHROME };
    const there = { ip: '203.0.113.9', userAgent: 'curl/8.5.0' };
    expect(isAnotherClient(here, there)).to.equal(true);
    for (const near of [
      { ...here, ip: there.ip },
      { ...here, userAgent: there.userAgent },
      { ...there, ip: undefined },
      { ...there, userAgent: undefined },
    ])
      expect(isAnotherClient(here, near), JSON.stringify(near)).to.equal(false);
  });

  it('never throws, and nothing is another client than itself, whatever it says', () => {
    fc.assert(
      fc.property(fc.string(), fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (userAgent, ip) => {
        expect(isAnotherClient({ ip, userAgent }, { ip, userAgent })).to.equal(false);
      }),
    );
  });
});
