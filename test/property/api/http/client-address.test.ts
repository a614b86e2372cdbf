/** Which addresses are one client. The cases are those in which other systems had holes. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { canonicalAddress, clientOf } from '../../../../api/src/http/client-address.ts';

const clientOfText = (text: string): string => clientOf(canonicalAddress(text) ?? 'none');

describe('a client', () => {
  it('GHSA-46wh-pxpv-q5gq: a mapped IPv4 address is that address, in every spelling, and not all of them are one', () => {
    for (const text of [
      '203.0.113.7',
      '::ffff:203.0.113.7',
      '::FFFF:203.0.113.7',
      '::ffff:cb00:7107',
      '0:0:0:0:0:ffff:203.0.113.7',
    ]) {
      expect(clientOfText(text), text).to.equal('203.0.113.7');
      expect(canonicalAddress(text), text).to.equal('203.0.113.7');
    }
    expect(clientOfText('::ffff:203.0.113.8')).to.equal('203.0.113.8');
  });

  it('express-rate-limit 8.6.2: dots in an IPv6 address outside the mapped range are only a spelling', () => {
    const same: readonly (readonly [string, string])[] = [
      ['2001:db8::1.2.3.4', '2001:db8::102:304'],
      ['2001:db8:0:1::1.2.3.4', '2001:db8:0:1::102:304'],
      ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
      ['::1.2.3.4', '::102:304'],
      ['::ffff:0:1.2.3.4', '::ffff:0:102:304'],
      ['2002:102:304::1.2.3.4', '2002:102:304::102:304'],
    ];
    for (const [dotted, plain] of same) {
      expect(clientOfText(dotted), dotted).to.equal(clientOfText(plain));
      expect(clientOfText(dotted), dotted).not.to.equal('1.2.3.4');
    }
    expect(clientOfText('2001:db8::1.2.3.4')).not.to.equal(clientOfText('2001:db9::1.2.3.4'));
  });

  it('CVE-2026-45364: every address of one /56 is one client, its neighbour is another', () => {
    const hex = (bits: number) => fc.nat({ max: 2 ** bits - 1 }).map((part) => part.toString(16));
    fc.assert(
      fc.property(hex(8), hex(16), hex(16), hex(16), hex(16), (low, ...rest) => {
        const inside = `2001:db8:1:12${low.padStart(2, '0')}:${rest.join(':')}`;
        expect(clientOfText(inside)).to.equal(clientOfText('2001:db8:1:1200::'));
        expect(clientOfText(inside)).not.to.equal(clientOfText('2001:db8:1:1300::'));
      }),
    );
  });

  it('CVE-2026-45364: six spellings of one address are one client', () => {
    const spellings = [
      '2001:db8:0:0:0:0:0:1',
      '2001:db8::1',
      '2001:DB8::1',
      '2001:0db8:0000:0000:0000:0000:0000:0001',
      '2001:db8::0.0.0.1',
      '2001:db8::1%eth0',
    ];
    expect(new Set(spellings.map(clientOfText))).to.have.property('size', 1);
    expect(new Set(spellings.map(canonicalAddress))).to.have.property('size', 1);
  });

  it('is never made of what is no address', () => {
    for (const text of [
      '',
      'unknown',
      '_hidden',
      '1.2.3',
      '01.2.3.4',
      '1.2.3.4.5',
      '::ffff:999.1.1.1',
      '[::1]',
      '1.2.3.4:80',
      ':::',
      "' OR 1=1",
      '0x7f.1',
    ]) {
      expect(canonicalAddress(text), text).to.equal(undefined);
    }
  });
});
