/** Languages, time zones, page cursors and plain text: what is taken, and what it becomes. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import sanitizeHtml from 'sanitize-html';
import { isTimeZone, languageTag } from '../../../../api/src/core/locale.ts';
import { decodeCursor, encodeCursor } from '../../../../api/src/core/page-cursor.ts';
import { plainText } from '../../../../api/src/http/plain-text.ts';

describe('inputs', () => {
  it('every time zone of the IANA database is one, and an offset or an abbreviation is none', () => {
    for (const zone of [
      ...Intl.supportedValuesOf('timeZone'),
      'UTC',
      'Asia/Calcutta',
      'America/Argentina/Ushuaia',
      'Etc/GMT+3',
    ]) {
      expect(isTimeZone(zone), zone).to.equal(true);
    }
    for (const text of [
      '',
      '+02:00',
      'GMT+2',
      'SAST',
      'Mars/Olympus',
      'africa/johannesburg',
      '../etc/passwd',
      'A'.repeat(65),
    ]) {
      expect(isTimeZone(text), text).to.equal(false);
    }
    fc.assert(fc.property(fc.string(), (text) => typeof isTimeZone(text) === 'boolean'));
  });

  it('a language tag becomes its canonical spelling, once and for all', () => {
    expect(['EN-za', 'zh-hans-cn', 'en_US', '', 'e', 'x'.repeat(36)].map(languageTag)).to.deep.equal([
      'en-ZA',
      'zh-Hans-CN',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom('de', 'PT-br', 'sr-cyrl')), (text) => {
        const tag = languageTag(text);
        if (tag !== undefined) expect(languageTag(tag)).to.equal(tag);
      }),
    );
  });

  it('a cursor leads back to its row, and no other text leads anywhere or breaks anything', () => {
    const at = '2026-11-21 10:00:00.123456+00';
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(decodeCursor(encodeCursor({ at, id }))).to.deep.equal({ at, id });
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.json().map(btoaSafe)), (text) => {
        const found = decodeCursor(text);
        if (found !== undefined) expect(found).to.have.keys('at', 'id');
      }),
    );
    expect(
      decodeCursor(btoa(JSON.stringify(["now'; DROP TABLE x --", '11111111-1111-4111-8111-111111111111']))),
    ).to.equal(undefined);
  });

  it('plain text that was escaped more often than anybody does loses what could make a tag', () => {
    const escaped = `${'&amp;'.padEnd(5 + 4 * 9, 'amp;')}lt;b&gt;x`;
    const clean = plainText(escaped);
    expect(clean).not.to.match(/[<>&]/);
    expect(plainText(clean)).to.equal(clean);
  });

  it('plain text has no tag left, however it was escaped, and stays what it is the second time', () => {
    const hostile = fc
      .array(
        fc.constantFrom(
          '<',
          '>',
          '&lt;',
          '&gt;',
          '&amp;',
          'amp;',
          'lt;',
          '&',
          'script',
          'b',
          '/',
          ' ',
          '"',
          'x',
          '<!--',
          '&#60;',
        ),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string(), hostile), (text) => {
        const clean = plainText(text);
        // Nothing that a sanitiser would still take out, apart from the escaping of what is text.
        const again = sanitizeHtml(clean, { allowedTags: [], allowedAttributes: {} });
        expect(again.length).to.be.at.least(clean.length);
        expect(clean).not.to.match(/<[a-z/!][^>]*>/i);
        expect(plainText(clean)).to.equal(clean);
      }),
      { numRuns: 2_000 },
    );
    expect(['Tom & Ann', 'a < b', "O'Neil", '<b>x</b>', '&lt;i&gt;y'].map(plainText)).to.deep.equal([
      'Tom & Ann',
      'a < b',
      "O'Neil",
      'x',
      'y',
    ]);
  });
});

const btoaSafe = (text: string): string => Buffer.from(text).toString('base64');
