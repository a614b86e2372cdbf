import { expect } from 'chai';
import { newTrial } from '../../../../operator/src/core/trial.ts';
import {
  type CounterWindow,
  emptyWindow,
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
  fasterThan: { 500: 0 },
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
});
