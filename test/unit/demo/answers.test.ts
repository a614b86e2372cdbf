import { expect } from 'chai';
import { countAnswers, exposureOf, parseAnswers } from '../../../k8s/demo/answers.ts';

const answer = (atMs: number, status: number, version = '1.2.0') => ({ atMs, status, version, route: 'me' });

describe('answers of the clients', () => {
  it('leave out lines that are no answer and keep the lost sessions apart', () => {
    const log = parseAnswers([
      '{"t":5,"status":200,"version":"1.0.0","route":"me"}',
      'level=warning msg="something else"',
      '{"t":6,"half":',
      '{"t":7,"lost":"refresh","user":"a"}',
    ]);
    expect(log.answers).to.deep.equal([{ atMs: 5, status: 200, version: '1.0.0', route: 'me' }]);
    expect(log.lost).to.deep.equal([{ atMs: 7, how: 'refresh', user: 'a' }]);
  });

  it('count as failed without an answer, with a 429 and from 500 on, but not with a 401', () => {
    const counts = countAnswers(
      [answer(1, 200), answer(2, 401), answer(3, 429), answer(4, 500), answer(5, 0, '')],
      0,
      9,
    );
    expect(counts.requests).to.equal(5);
    expect(counts.failed).to.equal(3);
    expect(counts.unanswered).to.equal(1);
    expect(counts.failedByVersion).to.deep.equal({ '1.2.0': 2, '': 1 });
  });

  it('belong to the window that they fall into, its end excluded', () => {
    expect(countAnswers([answer(1, 200), answer(2, 200), answer(3, 200)], 2, 3).requests).to.equal(1);
  });

  it('expose a version from its first faulty answer to its last answer of any kind', () => {
    const answers = [answer(100, 200), answer(900, 200), answer(1000, 500), answer(1500, 500), answer(1700, 200)];
    const exposure = exposureOf([...answers, answer(9000, 500, '1.0.0')], '1.2.0');
    expect(exposure).to.deep.equal({
      firstFaultyAtMs: 1000,
      lastAnswerAtMs: 1700,
      exposureMs: 700,
      requestsPerSecond: 4,
      faultyAnswers: 2,
    });
  });

  it('expose nothing of a version that never failed', () => {
    expect(exposureOf([answer(1, 200)], '1.2.0')).to.equal(undefined);
  });
});
