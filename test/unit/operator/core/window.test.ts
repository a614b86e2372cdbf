import { expect } from 'chai';
import { boundKey, slowIn } from '../../../../operator/src/core/tally.ts';
import { newTrial } from '../../../../operator/src/core/trial.ts';
import {
  type CounterWindow,
  emptyWindow,
  newestGain,
  observeCounters,
  type PodCounters,
  type Scrape,
  type SentinelView,
  viewWindow,
} from '../../../../operator/src/core/window.ts';
import { T0 } from '../../../support/operator-core/world.ts';

const zero: PodCounters = {
  requests: 0,
  serverErrors: 0,
  fasterThan: { '500ms': 0 },
  logins: 0,
  loginFailures: 0,
  databaseErrors: 0,
  complaints: 0,
  dataLoss: 0,
};

const scrape = (pod: string, counters: Partial<PodCounters> | undefined, changes: Partial<Scrape> = {}): Scrape => ({
  pod,
  track: 'canary',
  createdAtMs: T0 - 3_600_000,
  counters: counters && { ...zero, ...counters },
  ...changes,
});

const batches = (list: readonly (readonly Scrape[])[]): CounterWindow =>
  list.reduce((window, scrapes, index) => observeCounters(window, scrapes, T0 + index * 1_000), emptyWindow);

const viewOf = (list: readonly (readonly Scrape[])[]): SentinelView | undefined => viewWindow(batches(list), newTrial);

const newest = (window: CounterWindow, spanMs: number): PodCounters | undefined =>
  viewWindow(window, newTrial)?.spans.find((span) => span.spanMs === spanMs)?.canary;

describe('the sentinel window', () => {
  it('counts what a pod gained, never what it had before the first look', () => {
    const window = batches([
      [scrape('a', { requests: 1_000, serverErrors: 900 })],
      [scrape('a', { requests: 1_040, serverErrors: 905 })],
    ]);
    expect(newest(window, 1_000)).to.deep.include({ requests: 40, serverErrors: 5 });
  });

  it('counts a restarted process from 0', () => {
    const window = batches([[scrape('a', { requests: 1_000 })], [scrape('a', { requests: 7 })]]);
    expect(newest(window, 1_000)?.requests).to.equal(7);
  });

  it('counts all of a pod that was born since, and nothing of an old one seen for the first time', () => {
    const born = scrape('new', { requests: 30, serverErrors: 30 }, { createdAtMs: T0 + 500 });
    const old = scrape('old', { requests: 9_000, serverErrors: 9_000 });
    const window = batches([[scrape('a', {})], [scrape('a', {}), born, old]]);
    expect(newest(window, 1_000)).to.deep.include({ requests: 30, serverErrors: 30 });
  });

  it('keeps what a vanished pod had counted', () => {
    const window = batches([[scrape('a', {})], [scrape('a', { requests: 50, serverErrors: 40 })], []]);
    expect(newest(window, 2_000)).to.deep.include({ requests: 50, serverErrors: 40 });
  });

  it('counts a missed answer with the next one', () => {
    const window = batches([[scrape('a', {})], [scrape('a', undefined)], [scrape('a', { requests: 80 })]]);
    expect(newest(window, 2_000)?.requests).to.equal(80);
  });

  it('knows since when no canary answers, and since when the canary is quiet', () => {
    const silent = viewOf([[scrape('a', {})], [scrape('a', undefined)], [scrape('a', undefined)], []]);
    expect(silent?.silentSinceMs).to.equal(T0 + 1_000);
    expect(silent?.quietSinceMs).to.equal(undefined);
    const busy = { requests: 5 };
    const quiet = viewOf([[scrape('a', {})], [scrape('a', busy)], [scrape('a', busy)], [scrape('a', busy)]]);
    expect(quiet?.quietSinceMs).to.equal(T0 + 1_000);
    const halfBlind = viewOf([[scrape('a', busy)], [scrape('a', busy), scrape('b', undefined)]]);
    expect(halfBlind?.quietSinceMs).to.equal(undefined);
  });

  it('sums every counter of every pod over all batches, by its track', () => {
    const all = (times: number): PodCounters => ({
      requests: 70 * times,
      serverErrors: 7 * times,
      fasterThan: { '200ms': 30 * times, '500ms': 60 * times },
      logins: 20 * times,
      loginFailures: 5 * times,
      databaseErrors: 3 * times,
      complaints: 2 * times,
      dataLoss: times,
    });
    const at = (times: number): readonly Scrape[] => [
      scrape('a', all(times)),
      scrape('b', all(times)),
      scrape('s', all(10 * times), { track: 'stable' }),
    ];
    const window = batches([at(1), at(2), at(3), at(4), at(5)]);
    const [second, whole] = viewWindow(window, newTrial)?.spans ?? [];
    expect(second).to.deep.equal({ spanMs: 1_000, canary: all(2), stable: all(10) });
    expect(whole).to.deep.equal({ spanMs: 3_000, canary: all(6), stable: all(30) });
    expect(newestGain(window)).to.deep.equal({ canary: all(2), stable: all(10) });
  });

  it('has gained nothing that it could name before its second batch, and shows nothing before its first', () => {
    expect(newestGain(batches([[scrape('a', {})]]))).to.equal(undefined);
    expect(newestGain(emptyWindow)).to.equal(undefined);
    expect(viewWindow(emptyWindow, newTrial)).to.equal(undefined);
    expect(viewOf([[scrape('a', {})]])?.spans).to.deep.equal([]);
  });

  it('shows the spans that it is old enough for, and then what it has', () => {
    const spansAfter = (...atMs: readonly number[]): readonly number[] => {
      const window = atMs.reduce((seen, ms) => observeCounters(seen, [scrape('a', {})], T0 + ms), emptyWindow);
      return viewWindow(window, newTrial)?.spans.map(({ spanMs }) => spanMs) ?? [];
    };
    expect(spansAfter(0, 1_000, 2_000)).to.deep.equal([1_000, 2_000]);
    expect(spansAfter(0, 500)).to.deep.equal([500]);
    expect(spansAfter(0, 1_000, 1_750), 'a beat may come a quarter of a second early').to.deep.equal([750, 1_750]);
    expect(spansAfter(0, 1_000, 1_749)).to.deep.equal([1_749, 1_749]);
    expect(spansAfter(0, 300_250, 300_750)).to.deep.equal([500]);
    expect(spansAfter(0, 299_250, 300_250)).to.deep.equal([1_000, 300_250, 300_250, 300_250, 300_250]);
  });

  it('keeps a batch for five minutes and a jitter, and never more than 640 of them', () => {
    const hasty = Array.from({ length: 700 }, (_, index) => index).reduce(
      (window, index) => observeCounters(window, [], T0 + index),
      emptyWindow,
    );
    expect([hasty.batches.length, hasty.batches[0]?.atMs]).to.deep.equal([640, T0 + 60]);
  });

  it('takes any counter that fell for a restart of its process', () => {
    const before = { requests: 10, serverErrors: 10, logins: 10, loginFailures: 10, databaseErrors: 10 };
    for (const counter of ['requests', 'serverErrors', 'logins', 'loginFailures', 'databaseErrors'] as const) {
      const window = batches([[scrape('a', before)], [scrape('a', { ...before, [counter]: 4 })]]);
      expect(newest(window, 1_000), counter).to.include({ ...before, [counter]: 4 });
    }
  });

  it('counts all of a pod that was born as it began to look', () => {
    const born = scrape('new', { requests: 30 }, { createdAtMs: T0 });
    expect(newest(batches([[], [born]]), 1_000)?.requests).to.equal(30);
  });

  it('knows how many canary pods there are, how many answered, and what all of them lost, whatever stable does', () => {
    const stable = (counters: Partial<PodCounters> | undefined): Scrape => scrape('s', counters, { track: 'stable' });
    const seen = viewOf([
      [scrape('a', { dataLoss: 2 }), scrape('b', { dataLoss: 1 }), stable({ dataLoss: 9 })],
      [scrape('a', { dataLoss: 2 }), scrape('b', undefined), scrape('c', undefined), stable({ dataLoss: 9 })],
    ]);
    expect(seen).to.include({ canaryPods: 3, canaryPodsAnswering: 1, dataLoss: 3, silentSinceMs: undefined });
    const quiet = viewOf([
      [scrape('a', {}), stable(undefined)],
      [scrape('a', {}), stable({ requests: 1 })],
      [scrape('a', {}), stable({ requests: 9 })],
    ]);
    expect(quiet?.quietSinceMs, 'stable’s requests and silence are not the canary’s').to.equal(T0);
  });

  it('stays bounded over a day of batches and a thousand pods', () => {
    let window = emptyWindow;
    for (let beat = 0; beat < 2_000; beat += 1) {
      window = observeCounters(window, [scrape(`pod-${beat}`, { requests: beat })], T0 + beat * 1_000);
    }
    expect(window.batches.length).to.be.lessThan(310);
    expect(window.pods.size).to.equal(1);
    expect(viewWindow(window, newTrial)?.spans.map(({ spanMs }) => spanMs)).to.deep.equal([
      1_000, 3_000, 10_000, 60_000, 300_000,
    ]);
  });

  it('names latency bounds by words: an index would have V8 reserve a slot for every number below it', () => {
    expect(boundKey(500)).to.equal('500ms');
    expect(Array.from([200, 300, 500].map(boundKey), Number)).to.satisfy((keys: readonly number[]) =>
      keys.every(Number.isNaN),
    );
  });

  it('is read from records of operators that named bounds by their number', () => {
    expect(slowIn({ ...zero, requests: 10, fasterThan: { 500: 7 } }, 500)).to.deep.equal({ bad: 3, total: 10 });
    expect(slowIn({ ...zero, requests: 10, fasterThan: { '500ms': 6 } }, 500)).to.deep.equal({ bad: 4, total: 10 });
  });
});
