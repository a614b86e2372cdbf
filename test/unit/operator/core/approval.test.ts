import { expect } from 'chai';
import { type Approval, type ApprovalsView, isAbout } from '../../../../operator/src/core/approval.ts';
import { approvalVerb } from '../../../../operator/src/core/approval-schema.ts';
import { approvalFor, withApprovals } from '../../../support/operator-core/approving.ts';
import { step } from '../../../support/operator-core/doing.ts';
import { later, zeroed } from '../../../support/operator-core/situations.ts';
import type { World } from '../../../support/operator-core/world.ts';

const HOUR_MS = 3_600_000;
/** Proven empty after a P1, and healthy again: only a person is missing. */
const waiting: World = { ...step(later(zeroed(), 2_000)).world, health: 'good' };
const sinceMs = Date.parse(waiting.status?.approvalNeeded?.since ?? '');
const madeMs = Math.floor(sinceMs / 1_000) * 1_000;

const made = (change: Partial<Approval> = {}): Approval =>
  approvalFor(waiting, { createdAtMs: madeMs, expiresAtMs: madeMs + HOUR_MS, ...change });
const told = (world: World): string => step(later(world, 1_000)).world.status?.lastDecision?.message ?? '';
const misfit = (change: Partial<Approval>, status: Partial<NonNullable<World['status']>> = {}): string => {
  const asked = { ...waiting, status: { ...waiting.status, ...status } };
  return told(withApprovals(asked, [made(change)])).split('not counted: ')[1] ?? 'counted';
};

describe('an approval that does not count', () => {
  it('says why', () => {
    expect(misfit({ revision: 'ffffffffff' })).to.equal('api-x7k2p is for revision ffffffffff');
    expect(misfit({ role: 'team-lead' })).to.equal('api-x7k2p is of team-lead');
    expect(misfit({ stepIndex: 7 })).to.equal('api-x7k2p is for step index 7');
    expect(misfit({ expiresAtMs: waiting.nowMs + 1_000 })).to.equal('api-x7k2p has expired');
    expect(misfit({ expiresAtMs: madeMs + 24 * HOUR_MS + 1 })).to.equal('api-x7k2p would count for more than 24h');
    const spent = { uid: made().uid, by: 'engineer', role: 'on-call' as const };
    expect(misfit({}, { approvalsUsed: [spent] })).to.equal('api-x7k2p is used up');
    const unguarded = { approvalsUnguardedAt: new Date(madeMs).toISOString() };
    expect(misfit({}, unguarded)).to.equal('api-x7k2p was made while nothing refused a forged one');
  });

  it('counts up to exactly its limits', () => {
    expect(misfit({})).to.equal('counted');
    expect(misfit({ expiresAtMs: waiting.nowMs + 1_001 })).to.equal('counted');
    expect(misfit({ expiresAtMs: madeMs + 24 * HOUR_MS })).to.equal('counted');
    const other = { uid: 'another', by: 'engineer', role: 'on-call' as const };
    expect(misfit({}, { approvalsUsed: [other] })).to.equal('counted');
    const before = { approvalsUnguardedAt: new Date(madeMs - 1).toISOString() };
    expect(misfit({}, before)).to.equal('counted');
  });

  it('is not told when it is older than the question, and only the last five are', () => {
    expect(misfit({ createdAtMs: madeMs - 1_000 })).to.equal('counted'); // Nothing is said of it,
    const old = withApprovals(waiting, [made({ createdAtMs: madeMs - 1_000 })]);
    expect(told(old)).to.match(/^needs an approval of on-call .* --reason "…"$/); // and it opens nothing.
    const seven = [1, 2, 3, 4, 5, 6, 7].map((number) => made({ name: `n${number}`, role: 'team-lead' }));
    const [, list = ''] = told(withApprovals(waiting, seven)).split('not counted: ');
    expect(list.split(', ')).to.deep.equal([3, 4, 5, 6, 7].map((number) => `n${number} is of team-lead`));
  });
});

describe('the way up', () => {
  const view = (approvals: ApprovalsView, change: Partial<World> = {}) => {
    const { status } = step(later({ ...waiting, ...change, approvals }, 1_000)).world;
    const { phase, lastDecision, approvalsUsed, approvalsUnguardedAt } = status ?? {};
    return { phase, reason: lastDecision?.reason, message: lastDecision?.message, approvalsUsed, approvalsUnguardedAt };
  };

  it('is opened by the first that fits, which is spent', () => {
    const approvals = [made({ role: 'team-lead' }), made({ uid: 'first', by: 'one' }), made({ uid: 'second' })];
    const { phase, reason, approvalsUsed } = view({ kind: 'read', approvals, guard: 'stands' });
    expect([phase, reason]).to.deep.equal(['Progressing', 'Approved']);
    expect(approvalsUsed).to.deep.equal([{ uid: 'first', by: 'one', role: 'on-call' }]);
  });

  it('remembers the last twenty that are spent', () => {
    const used = Array.from({ length: 20 }, (_, index) => ({ uid: `${index}`, by: 'one', role: 'on-call' as const }));
    const status = { ...waiting.status, approvalsUsed: used };
    const { approvalsUsed } = view({ kind: 'read', approvals: [made()], guard: 'waived' }, { status });
    expect(approvalsUsed?.map(({ uid }) => uid)).to.deep.equal([...used.slice(1).map(({ uid }) => uid), made().uid]);
  });

  it('stays closed where nobody has asked who refuses forged ones, and while the spec is wrong', () => {
    const read = { kind: 'read', approvals: [made()] } as const;
    expect(view({ ...read, guard: 'not-asked' })).to.include({ phase: 'Zeroed', reason: 'ApprovalNeeded' });
    const spec = { ...waiting.spec, schedule: [] };
    expect(view({ ...read, guard: 'stands' }, { spec })).to.include({ phase: 'Zeroed', reason: 'ApprovalNeeded' });
  });

  it('stays closed to all that were made until nothing refused them was seen, of the future too', () => {
    const future = made({ createdAtMs: waiting.nowMs + 60_000, expiresAtMs: waiting.nowMs + HOUR_MS });
    const unguarded = (approvals: readonly Approval[]) => view({ kind: 'read', approvals, guard: 'missing' });
    expect(unguarded([made(), future])).to.include({
      reason: 'ApprovalsUnguarded',
      approvalsUnguardedAt: new Date(waiting.nowMs + 60_000).toISOString(),
    });
    expect(unguarded([made()]).approvalsUnguardedAt).to.equal(new Date(waiting.nowMs + 1_000).toISOString());
    expect(unguarded([made({ role: 'team-lead' })]).approvalsUnguardedAt).to.equal(undefined);
  });

  it('stays closed while approvals cannot be read, and says why', () => {
    const { reason, message } = view({ kind: 'unknown', why: 'ERR_API_DEADLINE' });
    expect([reason, message]).to.deep.equal([
      'ApprovalsUnknown',
      'RolloutApprovals cannot be read (ERR_API_DEADLINE): no way up',
    ]);
  });
});

describe('an approval for a question', () => {
  const question = { role: 'on-call', revision: made().revision, stepIndex: made().stepIndex, sinceMs } as const;

  it('has its role, revision and step, and was made since, to the second', () => {
    expect(isAbout(made(), question)).to.equal(true);
    expect(isAbout(made(), { ...question, sinceMs: madeMs + 999 })).to.equal(true);
    for (const other of [
      { role: 'team-lead' as const },
      { revision: 'ffffffffff' },
      { stepIndex: 9 },
      { sinceMs: madeMs + 1_000 },
    ])
      expect(isAbout(made(), { ...question, ...other }), JSON.stringify(other)).to.equal(false);
  });

  it('needs the verb of its role', () => {
    expect([approvalVerb('on-call'), approvalVerb('team-lead')]).to.deep.equal([
      'approve-on-call',
      'approve-team-lead',
    ]);
  });
});
