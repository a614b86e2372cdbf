/** Reading a cookie: what a header may hold, and that nothing in it is an error. */
import { expect } from 'chai';
import type { Request } from 'express';
import { ACCESS_COOKIE, readCookie } from '../../../../api/src/http/cookies.ts';

// readCookie looks at the header and at nothing else of a request.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const requestWith = (cookie: string | undefined): Request => ({ headers: { cookie } }) as Request;

describe('a cookie', () => {
  for (const [what, header, value] of [
    ['no header', undefined, undefined],
    ['another cookie', 'theme=dark', undefined],
    ['no value', `${ACCESS_COOKIE}=`, undefined],
    ['its value among others', `theme=dark; ${ACCESS_COOKIE}=a.b.c; more=1`, 'a.b.c'],
    ['broken escapes', `${ACCESS_COOKIE}=%E0%A4%A`, '%E0%A4%A'],
    ['no pairs at all', ';;;=;', undefined],
  ] as const) {
    it(`is read from a header with ${what}`, () => {
      expect(readCookie(requestWith(header), ACCESS_COOKIE)).to.equal(value);
    });
  }
});
