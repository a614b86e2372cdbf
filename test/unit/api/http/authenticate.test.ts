/** What only a mistake of ours could reach. */
import { expect } from 'chai';
import type { Response } from 'express';
import { callerOf } from '../../../../api/src/http/authenticate.ts';

describe('the caller of a request', () => {
  it('is nobody where no session was asked for: a route that forgot to ask fails instead of serving', () => {
    expect(() => callerOf({ locals: {} } as unknown as Response)).to.throw(TypeError, 'not behind requireSession');
  });
});
