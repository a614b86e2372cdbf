import { expect } from 'chai';
import { problemOf, retryAfterMsOf, secondFactorOf, startedOf } from '../../../../api/client/src/answers.ts';
import { PROBLEM_CODES } from '../../../../api/client/src/errors.ts';
import { pauseBefore } from '../../../../api/client/src/exchange.ts';
import { endOf } from '../../../../api/client/src/server.ts';
import { PROBLEMS } from '../../../../api/src/errors.ts';

const problem = (status: number, body: object, headers: Readonly<Record<string, string>> = {}): Response =>
  Response.json(body, { status, headers: { 'content-type': 'application/problem+json; charset=utf-8', ...headers } });

describe('answers to the client', () => {
  it('has a name for every problem of the server, and for no other', () => {
    expect([...PROBLEM_CODES]).to.deep.equal(Object.keys(PROBLEMS).toSorted());
  });

  it('makes an error of a problem document and leaves the body to be read', async () => {
    const body = {
      code: 'invalid-request',
      title: 'The request has fields that cannot be accepted',
      requestId: 'r-1',
      errors: [{ field: 'email', message: 'is missing' }, { field: 7 }],
    };
    const response = problem(400, body, { 'retry-after': '7' });
    const error = await problemOf(response);
    expect(error).to.include({
      code: 'invalid-request',
      message: body.title,
      status: 400,
      requestId: 'r-1',
      retryAfterMs: 7000,
    });
    expect(error.fields).to.deep.equal([{ field: 'email', message: 'is missing' }]);
    expect(await response.json()).to.deep.equal(body);
  });

  it('calls a problem that came with a later server problem-unknown, with its code', async () => {
    const error = await problemOf(problem(409, { code: 'moon-full', title: 'The moon is full' }));
    expect(error).to.include({ code: 'problem-unknown', problemCode: 'moon-full', message: 'The moon is full' });
  });

  it("does not take a gateway's page for the server's word", async () => {
    const page = new Response('{"code":"session-ended"}', { status: 401, headers: { 'content-type': 'text/html' } });
    expect(await problemOf(page)).to.include({ code: 'answer-unreadable', status: 401 });
    expect(await problemOf(problem(401, []))).to.include({ code: 'answer-unreadable' });
    expect(await problemOf(problem(401, { code: 5 }))).to.include({ code: 'answer-unreadable' });
  });

  it('reads a session out of tokens or cookies, and out of nothing else', () => {
    const pair = { tokenType: 'Bearer', accessToken: 'a', refreshToken: 'r', expiresIn: 900, sessionId: 's' };
    expect(startedOf({ ...pair, deviceToken: 'd' })).to.deep.equal({
      held: { kind: 'bearer', accessToken: 'a', refreshToken: 'r' },
      sessionId: 's',
      expiresInMs: 900_000,
      deviceToken: 'd',
    });
    const cookies = { tokenType: 'Cookie', csrfToken: 'c', expiresIn: 900, sessionId: 's' };
    expect(startedOf(cookies)?.held).to.deep.equal({ kind: 'cookies', csrfToken: 'c' });
    for (const whole of [pair, cookies])
      for (const name of Object.keys(whole))
        expect(startedOf({ ...whole, [name]: undefined }), name).to.equal(undefined);
    expect(startedOf('text')).to.equal(undefined);
  });

  it('reads what the second step needs, with the methods that it knows', () => {
    const body = { mfaRequired: true, mfaToken: 'm', expiresIn: 300, methods: ['totp', 'carrier-pigeon'] };
    expect(secondFactorOf(body)).to.deep.equal({
      kind: 'second-factor',
      mfaToken: 'm',
      expiresInMs: 300_000,
      methods: ['totp'],
    });
    expect(secondFactorOf({ ...body, mfaRequired: false })).to.equal(undefined);
  });

  it('believes Retry-After in seconds only', () => {
    const of = (value: string) => retryAfterMsOf(new Response(null, { headers: { 'retry-after': value } }));
    expect([of('0'), of('12'), of('-1'), of('1.5'), of('Wed, 21 Oct 2026 07:28:00 GMT')]).to.deep.equal([
      0,
      12_000,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('the end of a session', () => {
  const endings = ['session-ended', 'session-unknown', 'refresh-token-invalid', 'refresh-token-replayed'];
  for (const [code, { status }] of Object.entries(PROBLEMS))
    it(`is ${endings.includes(code) ? '' : 'not '}what ${code} says to a refresh`, async () => {
      expect(endOf(await problemOf(problem(status, { code })))).to.equal(endings.includes(code) ? code : undefined);
    });

  it('is what a refresh without a token is told, and not one with another wrong field', async () => {
    const told = async (field: string) =>
      endOf(await problemOf(problem(400, { code: 'invalid-request', errors: [{ field, message: 'is missing' }] })));
    expect(await told('refreshToken')).to.equal('no-session');
    expect(await told('body')).to.equal(undefined);
  });

  it('is not what another status says, whatever the code', async () => {
    expect(endOf(await problemOf(problem(503, { code: 'session-ended' })))).to.equal(undefined);
  });
});

describe('a repetition', () => {
  it('waits up to 200, 400, 800 ms, then is given up', () => {
    expect([1, 2, 3, 4].map((failed) => pauseBefore(failed, undefined, 1))).to.deep.equal([200, 400, 800, undefined]);
    expect(pauseBefore(1, undefined, 0)).to.equal(0);
  });

  it('never comes before the server asked for it', () => {
    expect(pauseBefore(1, 2_000, 0)).to.equal(2_000);
    expect(pauseBefore(2, 2_000, 1)).to.equal(2_400);
  });
});
