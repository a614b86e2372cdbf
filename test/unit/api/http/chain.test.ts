/** Handlers in a row: what goes on, what stops, and what the end hears. */
import { expect } from 'chai';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { chain } from '../../../../api/src/http/chain.ts';

// The handlers here look at neither.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const [request, response] = [{} as Request, {} as Response];

/** What the end of the chain is called with, once everything that is pending has been settled. */
const run = async (handlers: readonly RequestHandler[]): Promise<readonly unknown[]> => {
  const heard: unknown[] = [];
  await chain(handlers)(request, response, ((error?: unknown) => heard.push(error)) as NextFunction);
  await new Promise((resolve) => setImmediate(resolve));
  return heard;
};

const failure = new Error('refused');
const pass: RequestHandler = (_request, _response, next) => next();

describe('a chain of handlers', () => {
  for (const [what, handlers, heard] of [
    ['walks all of them and goes on', [pass, pass], [undefined]],
    ['takes null for no error, as cors says it', [(_q, _r, next) => next(null), pass], [undefined]],
    ['stops at the first error', [(_q, _r, next) => next(failure), () => expect.fail('went on')], [failure]],
    [
      'hears what is thrown',
      [
        pass,
        () => {
          throw failure;
        },
      ],
      [failure],
    ],
    ['hears what a promise rejects with', [async () => Promise.reject(failure)], [failure]],
    ['ends with the one that answers', [() => undefined, () => expect.fail('went on')], []],
  ] as const satisfies readonly (readonly [string, readonly RequestHandler[], readonly unknown[]])[]) {
    it(what, async () => {
      expect(await run(handlers)).to.deep.equal(heard);
    });
  }
});
