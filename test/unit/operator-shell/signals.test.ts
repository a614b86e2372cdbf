import { expect } from 'chai';
import { MAX_SIGNALS, SIGNAL_TTL_MS, type Signal, Signals } from '../../../operator/src/signals.ts';

const KEY = 'auth/auth-api';
const signal = (fingerprint: string, severity: Signal['severity'] = 'P2'): Signal => ({
  fingerprint,
  name: fingerprint,
  severity,
  sinceMs: 1_000,
});

describe('signals', () => {
  it('are news once, and again when their severity changes', () => {
    const signals = new Signals();
    expect([
      signals.fire(KEY, signal('a')),
      signals.fire(KEY, signal('a')),
      signals.fire(KEY, signal('a', 'P0')),
    ]).to.deep.equal([true, false, true]);
    expect(signals.view(KEY)).to.deep.equal([{ name: 'a', severity: 'P0', sinceMs: 1_000 }]);
    expect(signals.view('auth/other')).to.deep.equal([]);
  });

  it('end when they are resolved, each by itself', () => {
    const signals = new Signals();
    signals.fire(KEY, signal('a'));
    signals.fire(KEY, signal('b', 'P1'));
    expect([signals.resolve(KEY, 'b'), signals.resolve(KEY, 'b')]).to.deep.equal([true, false]);
    expect(signals.view(KEY).map(({ name }) => name)).to.deep.equal(['a']);
  });

  it('are forgotten when nobody repeats them', () => {
    let now = 0;
    const signals = new Signals(() => now);
    signals.fire(KEY, signal('a'));
    signals.fire(KEY, signal('b'));
    now = SIGNAL_TTL_MS - 1;
    expect(signals.fire(KEY, signal('b'))).to.equal(false);
    now = SIGNAL_TTL_MS;
    expect(signals.view(KEY).map(({ name }) => name)).to.deep.equal(['b']);
    expect(signals.fire(KEY, signal('a'))).to.equal(true);
  });

  it('are bounded for each rollout, and keep the worst', () => {
    const signals = new Signals();
    for (let index = 0; index < 2 * MAX_SIGNALS; index++) signals.fire(KEY, signal(`p3-${index}`, 'P3'));
    expect(signals.fire(KEY, signal('one too many', 'P3'))).to.equal(false);
    expect(signals.fire(KEY, signal('worst', 'P0'))).to.equal(true);
    const view = signals.view(KEY);
    expect(view).to.have.length(MAX_SIGNALS);
    expect(view[0]?.name).to.equal('worst');
  });

  it('go with their rollout', () => {
    const signals = new Signals();
    signals.fire(KEY, signal('a'));
    signals.drop(KEY);
    expect(signals.view(KEY)).to.deep.equal([]);
  });
});
