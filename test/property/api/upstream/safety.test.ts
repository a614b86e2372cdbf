/** What holds for every request and every course of events: nothing is done twice that must not be, and no path leads anywhere else. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { type Category, FAULTS } from '../../../../api/src/core/upstream-faults.ts';
import { BUDGET_MS, waitBeforeNext } from '../../../../api/src/core/upstream-repeat.ts';
import { AppError } from '../../../../api/src/errors.ts';
import { headersUp, serviceHeaders } from '../../../../api/src/upstream/headers.ts';
import { targetOf } from '../../../../api/src/upstream/target.ts';

const BASE = 'https://auth.example.com/api/v1/auth';
const categories = [...Object.keys(FAULTS), 'answered'] as Category[];
/** What leaves open whether it was acted upon, or says that it was. */
const PERHAPS_DONE: ReadonlySet<Category> = new Set([
  'answered',
  'answer-invalid',
  'connection-lost',
  'failed',
  'misconfigured',
  'rate-limited',
  'read-timeout',
  'service-refused',
]);

const event = fc.record({
  category: fc.constantFrom(...categories),
  tookMs: fc.integer({ min: 0, max: 7_000 }),
  retryAfterSeconds: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
});

/** What was sent, in this course of events: one category an attempt. */
const courseOf = (
  events: readonly { category: Category; tookMs: number; retryAfterSeconds: number | undefined }[],
  fixed: { readonly attempts: number; readonly isRepeatable: boolean; readonly random: number },
) => {
  const sent: { readonly category: Category; readonly beganMs: number }[] = [];
  let elapsedMs = 0;
  for (const { category, tookMs, retryAfterSeconds } of events) {
    sent.push({ category, beganMs: elapsedMs });
    elapsedMs += tookMs;
    const waitMs = waitBeforeNext({ category, attempt: sent.length, elapsedMs, retryAfterSeconds, ...fixed });
    if (waitMs === undefined) break;
    elapsedMs += waitMs;
  }
  return sent;
};

describe('the login proxy, whatever happens,', () => {
  it('never sends a change again that may have been done', () => {
    fc.assert(
      fc.property(
        fc.array(event, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 5 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (events, attempts, random) => {
          const sent = courseOf(events, { attempts, isRepeatable: false, random });
          const before = sent.slice(0, -1).map(({ category }) => category);
          expect(before.filter((category) => PERHAPS_DONE.has(category))).to.deep.equal([]);
        },
      ),
    );
  });

  it('never tries more often than it may, and begins nothing after eight seconds', () => {
    fc.assert(
      fc.property(
        fc.array(event, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (events, attempts, isRepeatable, random) => {
          const sent = courseOf(events, { attempts, isRepeatable, random });
          expect(sent.length).to.be.at.most(attempts);
          expect(Math.max(...sent.map(({ beganMs }) => beganMs))).to.be.at.most(BUDGET_MS);
        },
      ),
    );
  });

  it('leads every path below the configured one, or nowhere', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom(
        '/',
        '//',
        '..',
        '.',
        '%2e',
        '%2f',
        '\\',
        '@',
        ':',
        '?',
        '#',
        ';',
        'login',
        '\r\n',
        ' ',
        'http://x',
      ),
    );
    const url = fc.array(piece, { maxLength: 8 }).map((pieces) => `/api/auth${pieces.join('')}`);
    fc.assert(
      fc.property(fc.oneof(url, fc.string()), (text) => {
        try {
          const { path } = targetOf(BASE, 'GET', text);
          const { origin, pathname, href } = new URL(path, BASE);
          expect(origin).to.equal('https://auth.example.com');
          expect(pathname).to.match(/^\/api\/v1\/auth\/[\w.~-]/);
          expect(href, 'nothing is read otherwise there').to.equal(`https://auth.example.com${path}`);
          expect(path).not.to.match(/[\s\\#]/);
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('lets no header of a client be one of its own, in any spelling', () => {
    const own = serviceHeaders({ serviceId: 'proxy', serviceSecret: 'secret' });
    const name = fc
      .constantFrom('service-id', 'service-secret', 'forwarded-for', 'forwarded-proto', 'request-id')
      .chain((rest) =>
        fc.constantFrom(`x-${rest}`, `x_${rest.replaceAll('-', '_')}`, `x-${rest.replaceAll('-', '_')}`),
      );
    const forwarded = { address: '192.0.2.1', protocol: 'https', requestId: 'request-1' } as const;
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(name, fc.string()), fc.constant('forged')), (headers) => {
        const sent = { ...headersUp(headers, forwarded, undefined), ...own };
        const ours = Object.entries(sent).filter(([key]) => /^x[-_](service|forwarded|request)/i.test(key));
        expect(Object.fromEntries(ours)).to.deep.equal({
          'x-forwarded-for': '192.0.2.1',
          'x-forwarded-proto': 'https',
          'x-request-id': 'request-1',
          'x-service-id': 'proxy',
          'x-service-secret': 'secret',
        });
      }),
    );
  });
});
