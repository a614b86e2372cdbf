import { expect } from 'chai';
import { createFaults, faultPlan } from '../../faults/plan.ts';

const login = '/api/v1/auth/login';
const me = '/api/v1/auth/me';
const plan = (value: object) => createFaults(faultPlan.parse(value));

describe('the fault image', () => {
  it('serves until it has had the wanted number of requests within a second', () => {
    const faults = plan({ kind: 'error', ratio: 1, afterRps: 3 });
    const kinds = [0, 600, 1200, 1500, 1550].map((nowMs) => faults.decide({ path: me, nowMs, dice: 0.5 }).kind);
    expect(kinds).to.deep.equal(['serve', 'serve', 'serve', 'fail', 'fail']);
  });

  it('stays broken when its traffic goes away', () => {
    const faults = plan({ kind: 'error', ratio: 1, afterRps: 1 });
    expect(faults.decide({ path: me, nowMs: 0, dice: 0 }).kind).to.equal('fail');
    expect(faults.decide({ path: me, nowMs: 60_000, dice: 0 }).kind).to.equal('fail');
  });

  it('fails the share of requests that its plan says', () => {
    const faults = plan({ kind: 'error', ratio: 0.5 });
    expect(faults.decide({ path: me, nowMs: 0, dice: 0.49 }).kind).to.equal('fail');
    expect(faults.decide({ path: me, nowMs: 0, dice: 0.5 }).kind).to.equal('serve');
  });

  it('spoils the password of logins only', () => {
    const faults = plan({ kind: 'login-error', ratio: 0.1 });
    expect(faults.decide({ path: login, nowMs: 0, dice: 0.05 }).kind).to.equal('spoil-password');
    expect(faults.decide({ path: login, nowMs: 0, dice: 0.15 }).kind).to.equal('serve');
    expect(faults.decide({ path: me, nowMs: 0, dice: 0.05 }).kind).to.equal('serve');
  });

  it('delays and crashes as its plan says', () => {
    const slow = plan({ kind: 'latency', ratio: 1, delayMs: 400 });
    expect(slow.decide({ path: me, nowMs: 0, dice: 0 })).to.deep.equal({ kind: 'delay', delayMs: 400 });
    expect(plan({ kind: 'crash' }).decide({ path: me, nowMs: 0, dice: 0 }).kind).to.equal('crash');
  });

  it('serves while it signals', () => {
    const faults = plan({ kind: 'signal', signal: 'dataLoss', count: 1 });
    expect(faults.decide({ path: me, nowMs: 0, dice: 0 }).kind).to.equal('serve');
  });

  it('refuses a plan that it does not know', () => {
    expect(faultPlan.safeParse({ kind: 'error', ratio: 2 }).success).to.equal(false);
    expect(faultPlan.safeParse({ kind: 'gremlins' }).success).to.equal(false);
  });
});
