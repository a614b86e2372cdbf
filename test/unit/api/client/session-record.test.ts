import { expect } from 'chai';
import { freshnessOf, readRecord, type SignedInRecord } from '../../../../api/client/src/session-record.ts';

const MINUTE = 60_000;
const record: SignedInRecord = {
  state: 'signed-in',
  id: 'one',
  sessionId: 's',
  held: { kind: 'cookies', csrfToken: 'c' },
  receivedAtMs: 1_000_000,
  expiresInMs: 15 * MINUTE,
};

describe('the record of a session', () => {
  for (const [ageMs, freshness] of [
    [0, 'fresh'],
    [12 * MINUTE - 1, 'fresh'],
    [12 * MINUTE, 'due'],
    [15 * MINUTE - 1, 'due'],
    [15 * MINUTE, 'expired'],
    [24 * 60 * MINUTE, 'expired'],
    [-1, 'due'],
    [-365 * 24 * 60 * MINUTE, 'due'],
  ] as const)
    it(`of 15 minutes is ${freshness} ${ageMs} ms after it was asked for`, () => {
      expect(freshnessOf(record, record.receivedAtMs + ageMs)).to.equal(freshness);
    });

  it('of a short life is due in its last fifth', () => {
    const short = { ...record, expiresInMs: 10_000 };
    expect(freshnessOf(short, record.receivedAtMs + 7_999)).to.equal('fresh');
    expect(freshnessOf(short, record.receivedAtMs + 8_000)).to.equal('due');
  });

  it('is as good on a machine whose clock is a year wrong, since only durations are compared', () => {
    const wrong = { ...record, receivedAtMs: record.receivedAtMs - 365 * 24 * 60 * MINUTE };
    expect(freshnessOf(wrong, wrong.receivedAtMs + MINUTE)).to.equal('fresh');
  });

  it('reads back what was written', () => {
    const bearer = { ...record, held: { kind: 'bearer', accessToken: 'a', refreshToken: 'r' } };
    const out = { state: 'signed-out', id: 'two', reason: 'logout', untold: record.held };
    for (const each of [record, bearer, out])
      expect(readRecord(JSON.parse(JSON.stringify(each)) as unknown)).to.deep.equal(each);
  });

  it('is none where a field is missing or of another kind', () => {
    const broken: readonly unknown[] = [
      undefined,
      null,
      'signed-in',
      {},
      ...Object.keys(record).map((name) => ({ ...record, [name]: undefined })),
      { ...record, held: { kind: 'cookies' } },
      { ...record, held: { kind: 'bearer', accessToken: 'a' } },
      { ...record, receivedAtMs: 'today' },
      { state: 'signed-out', id: 'two' },
      { state: 'signed-out', id: 'two', reason: 'logout', untold: {} },
    ];
    for (const each of broken) expect(readRecord(each), JSON.stringify(each)).to.equal(undefined);
  });
});
