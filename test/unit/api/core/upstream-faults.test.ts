/** What an answer of the auth service is, by itself: the rows that the walk over faults has no server for. */
import { expect } from 'chai';
import {
  type AnswerFacts,
  type Category,
  categoryOf,
  categoryOfHealth,
  type Outcome,
  troubleOf,
} from '../../../../api/src/core/upstream-faults.ts';

const GOOD: AnswerFacts = {
  status: 200,
  body: 'json',
  problemCode: undefined,
  challenge: undefined,
  retryAfterSeconds: undefined,
  showsSecret: false,
};
const answer = (facts: Partial<AnswerFacts>): Outcome => ({ kind: 'answer', answer: { ...GOOD, ...facts } });
const categoryAt = (facts: Partial<AnswerFacts>, mustExist = true): Category =>
  categoryOf(answer(facts), { mustExist });

describe('an answer of the auth service', () => {
  it('404 passes where not every auth service has an endpoint, if it is no page', () => {
    expect(categoryAt({ status: 404 })).to.equal('misconfigured');
    expect(categoryAt({ status: 404 }, false)).to.equal('answered');
    expect(categoryAt({ status: 404, body: 'none' }, false)).to.equal('answered');
    expect(categoryAt({ status: 404, body: 'other' }, false)).to.equal('misconfigured');
  });

  it('401 and 403 speak of the service by a challenge, a code, or a 403 without one; anything else is the user’s', () => {
    expect(categoryAt({ status: 401 })).to.equal('answered');
    expect(categoryAt({ status: 401, challenge: 'Bearer realm="service"' })).to.equal('answered');
    expect(categoryAt({ status: 401, challenge: 'Bearer, Service realm="x"' })).to.equal('service-refused');
    expect(categoryAt({ status: 401, challenge: 'service' })).to.equal('service-refused');
    expect(categoryAt({ status: 401, problemCode: 'signature-invalid' })).to.equal('service-refused');
    expect(categoryAt({ status: 403, problemCode: 'permission-missing' })).to.equal('answered');
    expect(categoryAt({ status: 403, body: 'none' })).to.equal('service-refused');
    expect(categoryAt({ status: 403, body: 'other' })).to.equal('service-refused');
    expect(categoryAt({ status: 400, challenge: 'Service' })).to.equal('answered');
  });

  it('is invalid below 200 and from 300 to 399, and wherever our secret is in it', () => {
    for (const status of [0, 101, 199, 300, 304, 399])
      expect(categoryAt({ status }), `${status}`).to.equal('answer-invalid');
    for (const status of [200, 401, 500, 503])
      expect(categoryAt({ status, showsSecret: true })).to.equal('answer-invalid');
  });

  it('may have no body with any status that passes', () => {
    for (const status of [200, 204, 400, 401, 409, 422])
      expect(categoryAt({ status, body: 'none' }), `${status}`).to.equal('answered');
  });
});

describe('the breaker of the auth service', () => {
  it('hears of trouble where nobody answers, and where a gateway says so', () => {
    const trouble = (outcome: Outcome) => troubleOf(outcome);
    expect(trouble({ kind: 'not-connected', why: 'x' })).to.equal('away');
    expect(trouble({ kind: 'connect-timeout' })).to.equal('away');
    expect(trouble({ kind: 'cut-off', why: 'x' })).to.equal('away');
    expect(trouble({ kind: 'read-timeout' })).to.equal('hangs');
    expect(trouble(answer({ status: 502 }))).to.equal('away');
    expect(trouble(answer({ status: 504 }))).to.equal('away');
  });

  it('hears of none in any other answer: who can make it fail must not shut out everybody', () => {
    for (const status of [200, 400, 401, 403, 404, 429, 500, 501, 503])
      expect(troubleOf(answer({ status })), `${status}`).to.equal(undefined);
    expect(troubleOf({ kind: 'unreadable', why: 'x' })).to.equal(undefined);
  });
});

describe('the health of the auth service', () => {
  for (const [status, category] of [
    [200, 'answered'],
    [204, 'answered'],
    [401, 'service-refused'],
    [403, 'service-refused'],
    [404, 'misconfigured'],
    [429, 'answer-invalid'],
    [302, 'answer-invalid'],
    [500, 'failed'],
    [503, 'unavailable'],
  ] as const)
    it(`is ${category} when it answers ${status}, whatever the body`, () => {
      for (const body of ['none', 'json', 'other'] as const)
        expect(categoryOfHealth(answer({ status, body }))).to.equal(category);
    });

  it('is what went wrong where there is no answer', () => {
    expect(categoryOfHealth({ kind: 'not-connected', why: 'x' })).to.equal('unreachable');
    expect(categoryOfHealth({ kind: 'read-timeout' })).to.equal('read-timeout');
  });
});
