import { expect } from 'chai';
import * as fc from 'fast-check';
import type { Approval, ApprovalsView } from '../../../../operator/src/core/approval.ts';
import { requeueAfterMs } from '../../../../operator/src/core/requeue.ts';
import { approvalFor, withApprovals } from '../../../support/operator-core/approving.ts';
import { inPhase, runUntil, step, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, zeroed } from '../../../support/operator-core/situations.ts';
import type { World } from '../../../support/operator-core/world.ts';

/** Proven empty after a P1, and healthy again: only a person is missing. */
const waiting = (): World => ({ ...step(later(zeroed(), 2_000)).world, health: 'good' });
const after = (world: World, approvals: ApprovalsView): World => step(later({ ...world, approvals }, 1_000)).world;
const reasonOf = (world: World): string | undefined => world.status?.lastDecision?.reason;

/** Each field right or wrong, in every combination. */
const anyApproval = fc.record({
  uid: fc.constantFrom('u1', 'u2', 'u3'),
  role: fc.constantFrom('on-call', 'on-call', 'team-lead'),
  isForRevision: fc.boolean(),
  isForStep: fc.boolean(),
  madeS: fc.constantFrom(-600, -1, 0, 1, 30),
  validS: fc.constantFrom(1, 3_600, 86_400, 86_401),
});

describe('an approval', () => {
  it('opens the way up with one fitting approval, once', () => {
    const world = step(later(zeroed(), 2_000)).world;
    const asked = (change: Partial<Approval>): World =>
      step(later(withApprovals({ ...world, health: 'good' }, [approvalFor(world, change)]), 1_000)).world;
    const created = { createdAtMs: world.nowMs };
    const refused: readonly (readonly [Partial<Approval>, string])[] = [
      [{ role: 'team-lead' }, 'api-x7k2p is of team-lead'],
      [{ stepIndex: 0 }, 'api-x7k2p is for step index 0'],
      [{ revision: '0000000000' }, 'api-x7k2p is for revision 0000000000'],
      [{ expiresAtMs: world.nowMs }, 'api-x7k2p has expired'],
      [{ ...created, expiresAtMs: world.nowMs + 86_400_001 }, 'api-x7k2p would count for more than 24h'],
    ];
    for (const [change, why] of refused) {
      const { status } = asked(change);
      expect(status?.phase, why).to.equal('Zeroed');
      expect(status?.lastDecision?.message).to.match(new RegExp(`not counted: ${why}$`));
    }
    const { phase, approvalsUsed, lastDecision } = asked({}).status ?? {};
    expect([phase, approvalsUsed]).to.deep.equal([
      'Progressing',
      [{ uid: approvalFor(world).uid, by: 'engineer', role: 'on-call' }],
    ]);
    expect(lastDecision?.message).to.include('approved by engineer as on-call: a slow disk, replaced');
    const approved = asked({});
    const again = runUntil(
      { ...runUntil(approved, (next) => next.status?.weight === 50), health: 'P1' },
      inPhase('Zeroed'),
    );
    expect(runUntil(step(again).world, (next) => next.status?.zero?.provenAt !== undefined).status?.phase).to.equal(
      'Zeroed',
    );
    expect(step(later(again, 60_000)).world.status?.phase).to.equal('Zeroed');
  });

  it('counts only when every field fits, it is guarded, and it is not spent', () => {
    const world = waiting();
    const needed = world.status?.approvalNeeded;
    const sinceMs = Math.floor(Date.parse(needed?.since ?? '') / 1_000) * 1_000;
    const guards = fc.constantFrom('stands', 'waived', 'missing', 'not-asked');
    const spent = fc.subarray(['u1', 'u2']);
    fc.assert(
      fc.property(fc.array(anyApproval, { maxLength: 4 }), guards, spent, (drawn, guard, used) => {
        const approvals = drawn.map(({ isForRevision, isForStep, madeS, validS, uid, role }) =>
          approvalFor(world, {
            uid,
            role,
            ...(isForRevision ? {} : { revision: '0000000000' }),
            ...(isForStep ? {} : { stepIndex: 7 }),
            createdAtMs: sinceMs + madeS * 1_000,
            expiresAtMs: sinceMs + (madeS + validS) * 1_000,
          }),
        );
        const approvalsUsed = used.map((uid) => ({ uid, by: 'engineer', role: 'on-call' as const }));
        const start = { ...withApprovals(world, approvals, guard), status: { ...world.status, approvalsUsed } };
        const seen = later(start, 1_000);
        const fits = drawn.some(
          (one) =>
            one.role === 'on-call' &&
            one.isForRevision &&
            one.isForStep &&
            one.madeS >= 0 &&
            one.validS <= 86_400 &&
            sinceMs + (one.madeS + one.validS) * 1_000 > seen.nowMs &&
            !used.includes(one.uid),
        );
        const isOpen = fits && (guard === 'stands' || guard === 'waived');
        expect(reasonOf(step(seen).world) === 'Approved').to.equal(isOpen);
      }),
      { numRuns: 1_000 },
    );
  });

  it('that was found unguarded never counts, not even when the guard comes back; one made after that does', () => {
    const world = waiting();
    const forged = approvalFor(world);
    const found = after(world, { kind: 'read', approvals: [forged], guard: 'missing' });
    expect(reasonOf(found)).to.equal('ApprovalsUnguarded');
    expect(found.status?.conditions?.find(({ type }) => type === 'Stalled')?.status).to.equal('True');
    const again = after(found, { kind: 'read', approvals: [forged], guard: 'missing' });
    expect(reasonOf(again)).to.equal('ApprovalsUnguarded');
    const guarded = after(again, { kind: 'read', approvals: [forged], guard: 'stands' });
    expect(guarded.status?.lastDecision?.message).to.match(
      /not counted: .* was made while nothing refused a forged one$/,
    );
    expect(guarded.status?.phase).to.equal('Zeroed');
    const fresh = approvalFor(later(guarded, 1_000), { uid: 'fresh' });
    expect(reasonOf(after(guarded, { kind: 'read', approvals: [forged, fresh], guard: 'stands' }))).to.equal(
      'Approved',
    );
  });

  it('found unguarded stays out although the clocks of operator and apiserver differ', () => {
    const world = waiting();
    const ahead = approvalFor(later(world, 60_000));
    const found = after(world, { kind: 'read', approvals: [ahead], guard: 'missing' });
    expect(reasonOf(after(found, { kind: 'read', approvals: [ahead], guard: 'stands' }))).to.equal('ApprovalNeeded');
  });

  it('holds when approvals cannot be read, says why, and looks again within seconds', () => {
    const world: World = { ...waiting(), approvals: { kind: 'unknown', why: 'ERR_API_DEADLINE' } };
    const { pass, world: held } = step(later(world, 1_000));
    expect([held.status?.phase, held.status?.lastDecision?.reason]).to.deep.equal(['Zeroed', 'ApprovalsUnknown']);
    expect(held.status?.lastDecision?.message).to.include('ERR_API_DEADLINE');
    expect(requeueAfterMs(pass.observation, pass.decision, { kind: 'done' })).to.be.at.most(5_000);
  });

  it('is asked for anew when the status has lost the question', () => {
    const { approvalNeeded: _lost, ...status } = waiting().status ?? {};
    const asked = step(later({ ...waiting(), status }, 1_000)).world;
    expect(asked.status?.approvalNeeded?.role).to.equal('on-call');
    expect(
      reasonOf(runUntil(withApprovals(asked, [approvalFor(asked)]), (next) => reasonOf(next) === 'Approved')),
    ).to.equal('Approved');
  });

  it('and what is found instead of it never change a way down', () => {
    const views: readonly ApprovalsView[] = [
      { kind: 'unknown', why: 'ERR_API_UNREACHABLE' },
      { kind: 'read', approvals: [], guard: 'not-asked' },
      ...(['stands', 'missing'] as const).map(
        (guard): ApprovalsView => ({ kind: 'read', approvals: [approvalFor(worldAt(50))], guard }),
      ),
    ];
    const reduced = runUntil({ ...worldAt(50), health: 'P2' }, (next) => next.status?.approvalNeeded !== undefined);
    for (const health of ['P0', 'P1'] as const) {
      const seen = observe(later({ ...reduced, health }, 1_000));
      const decisions = [undefined, ...views].map((approvals) => think({ ...seen, approvals }).decision);
      for (const { kind, want } of decisions) {
        expect([kind, want.weight]).to.deep.equal([health === 'P0' ? 'rollback' : 'zero', 0]);
      }
    }
  });
});
