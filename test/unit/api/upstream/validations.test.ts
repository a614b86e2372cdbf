/** The memory of validations, on a clock that is turned by hand: nobody is told anything that could have ceased to be true a second before. */
import { expect } from 'chai';
import { createMetrics } from '../../../../api/src/metrics.ts';
import type { Result } from '../../../../api/src/upstream/client.ts';
import { Validations } from '../../../../api/src/upstream/validations.ts';

const FRESH_MS = 800;

const answered = (text: string, status = 200, headers: Readonly<Record<string, string[]>> = {}): Result => ({
  category: 'answered',
  attempts: 1,
  answer: { status, headers, body: Buffer.from(text) },
});
const failed: Result = { category: 'unreachable', attempts: 1, retryAfterSeconds: undefined, why: 'x' };
const textOf = (result: Result): string =>
  result.category === 'answered' ? result.answer.body.toString() : result.category;

/** An auth service whose answers come when the test says so. */
class Questions {
  readonly open: ((result: Result) => void)[] = [];
  asked = 0;

  readonly ask = (): Promise<Result> => {
    this.asked += 1;
    return new Promise((resolve) => this.open.push(resolve));
  };

  /** Answers the oldest question, and lets everybody hear it. */
  async answer(result: Result): Promise<void> {
    this.open.shift()?.(result);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a remembered validation', () => {
  let nowMs: number;
  let questions: Questions;
  let validations: Validations;

  const create = (freshMs: number): Validations =>
    new Validations({ freshMs, metrics: createMetrics(), nowMs: () => nowMs });
  beforeEach(() => {
    nowMs = 10_000;
    questions = new Questions();
    validations = create(FRESH_MS);
  });
  const share = (key = 'token'): Promise<string> => validations.share(key, questions.ask).then(textOf);

  it('is told again until 0.8 s after its question was sent, however late its answer came', async () => {
    const first = share();
    nowMs += 500;
    await questions.answer(answered('one'));
    expect(await first).to.equal('one');
    nowMs += 299;
    expect(await share()).to.equal('one');
    nowMs += 1;
    const next = share();
    expect(questions.asked).to.equal(2);
    await questions.answer(answered('two'));
    expect(await next).to.equal('two');
  });

  it('is one question for all who ask at one time about one token, and others for other tokens', async () => {
    const same = Array.from({ length: 50 }, () => share('a'));
    const other = share('b');
    expect(questions.asked).to.equal(2);
    await questions.answer(answered('a'));
    await questions.answer(answered('b'));
    expect(new Set(await Promise.all(same))).to.deep.equal(new Set(['a']));
    expect(await other).to.equal('b');
  });

  it('that came too late for those who came after its question is asked once more, for all of them together', async () => {
    const first = share();
    nowMs += 1;
    const later = Array.from({ length: 50 }, () => share());
    nowMs += FRESH_MS;
    await questions.answer(answered('old'));
    expect(await first).to.equal('old');
    expect(questions.asked).to.equal(2);
    nowMs += 5_000; // this one was sent after all of them came: it is theirs however slow it is
    await questions.answer(answered('new'));
    expect(new Set(await Promise.all(later))).to.deep.equal(new Set(['new']));
    expect(questions.asked).to.equal(2);
  });

  for (const [what, result] of [
    ['a refusal', answered('no', 401)],
    ['a failure', failed],
    ['an answer with a cookie', answered('yes', 200, { 'set-cookie': ['a=b'] })],
    ['an answer that is too large', answered('x'.repeat(20_000))],
  ] as const)
    it(`is not ${what}`, async () => {
      const first = share();
      await questions.answer(result);
      await first;
      void share();
      expect(questions.asked).to.equal(2);
    });

  it('with a cookie goes to nobody but who asked', async () => {
    const [first, second] = [share(), share()];
    await questions.answer(answered('mine', 200, { 'set-cookie': ['a=b'] }));
    expect(await first).to.equal('mine');
    await questions.answer(answered('yours', 200, { 'set-cookie': ['a=c'] }));
    expect(await second).to.equal('yours');
  });

  it('is forgotten when a session may have ended, and so is what was being asked then', async () => {
    const known = share('known');
    await questions.answer(answered('known'));
    await known;
    const asking = share('asking');
    validations.forget();
    void share('known');
    expect(questions.asked, 'what was known').to.equal(3);
    const after = share('asking');
    expect(questions.asked, 'what was being asked').to.equal(4);
    await questions.answer(answered('before'));
    expect(await asking).to.equal('before');
    void share('asking');
    expect(questions.asked, 'the answer of before was not kept, and the one after it is shared').to.equal(4);
    await questions.answer(answered('known'));
    await questions.answer(answered('after'));
    expect(await after).to.equal('after');
  });

  it('is none with a time of 0: every request is asked for itself', async () => {
    validations = create(0);
    void share();
    void share();
    expect(questions.asked).to.equal(2);
  });
});
