/** The rule of levels: nobody acts at or above his own, nobody hands out what he does not hold. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  type Authority,
  mayActOn,
  mayChangePermission,
  mayChangeRole,
  mayCreateRole,
  mayGrantRole,
  mayRevokeRole,
  type RoleShape,
} from '../../../../api/src/core/levels.ts';

const PERMISSIONS = ['a', 'b', 'c', 'd'] as const;
const LEVELS = [0, 20, 40, 60, 80, 99] as const;

const permissionSet = fc.subarray([...PERMISSIONS]);
const roleShape: fc.Arbitrary<RoleShape> = fc.record({ level: fc.constantFrom(...LEVELS), permissions: permissionSet });

/** A small installation: roles, accounts with roles and direct grants and denials. */
interface World {
  readonly roles: readonly RoleShape[];
  readonly accounts: readonly {
    readonly roles: readonly number[];
    readonly granted: readonly string[];
    readonly denied: readonly string[];
  }[];
}

const indexes = (length: number) => fc.uniqueArray(fc.nat(length - 1), { maxLength: 3 });
const worlds: fc.Arbitrary<World> = fc.record({
  roles: fc.array(roleShape, { minLength: 4, maxLength: 4 }),
  accounts: fc.array(fc.record({ roles: indexes(4), granted: permissionSet, denied: permissionSet }), {
    minLength: 4,
    maxLength: 4,
  }),
});

const authorityOf = ({ roles, accounts }: World, index: number): Authority => {
  const account = accounts[index];
  const held = (account?.roles ?? []).flatMap((role) => roles[role] ?? []);
  const given = [...held.flatMap(({ permissions }) => permissions), ...(account?.granted ?? [])];
  return {
    userId: String(index),
    level: Math.max(0, ...held.map(({ level }) => level)),
    isSuperAdmin: false,
    permissions: new Set(given.filter((permission) => account?.denied.includes(permission) === false)),
  };
};

type Move =
  | { readonly kind: 'give' | 'take'; readonly actor: number; readonly target: number; readonly role: number }
  | { readonly kind: 'edit'; readonly actor: number; readonly role: number; readonly shape: RoleShape }
  | {
      readonly kind: 'grant' | 'deny' | 'lift';
      readonly actor: number;
      readonly target: number;
      readonly permission: string;
    };

const who = fc.nat(3);
const moves: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ kind: fc.constantFrom('give' as const, 'take' as const), actor: who, target: who, role: who }),
  fc.record({ kind: fc.constant('edit' as const), actor: who, role: who, shape: roleShape }),
  fc.record({
    kind: fc.constantFrom('grant' as const, 'deny' as const, 'lift' as const),
    actor: who,
    target: who,
    permission: fc.constantFrom(...PERMISSIONS),
  }),
);

const without = <T>(list: readonly T[], item: T): readonly T[] => list.filter((each) => each !== item);
const withItem = <T>(list: readonly T[], item: T): readonly T[] => [...without(list, item), item];

/** The world after a move; the same world where the rule refuses it. */
const play = (world: World, move: Move): World => {
  const actor = authorityOf(world, move.actor);
  if (move.kind === 'edit') {
    const before = world.roles[move.role];
    if (before === undefined) return world;
    const holders = world.accounts.flatMap((account, index) =>
      account.roles.includes(move.role) ? [authorityOf(world, index).level] : [],
    );
    const change = { before, after: move.shape, highestHolderLevel: Math.max(0, ...holders) };
    if (!mayChangeRole(actor, change)) return world;
    return { ...world, roles: world.roles.map((role, index) => (index === move.role ? move.shape : role)) };
  }
  const subject = { userId: String(move.target), level: authorityOf(world, move.target).level };
  const alter = (change: (account: World['accounts'][number]) => World['accounts'][number]): World => ({
    ...world,
    accounts: world.accounts.map((account, index) => (index === move.target ? change(account) : account)),
  });
  switch (move.kind) {
    case 'give':
    case 'take': {
      const role = world.roles[move.role];
      if (role === undefined) return world;
      const isAllowed = move.kind === 'give' ? mayGrantRole(actor, subject, role) : mayRevokeRole(actor, subject, role);
      const change = move.kind === 'give' ? withItem<number> : without<number>;
      return isAllowed ? alter((account) => ({ ...account, roles: change(account.roles, move.role) })) : world;
    }
    case 'grant':
    case 'deny':
    case 'lift': {
      if (!mayChangePermission(actor, subject, move.permission)) return world;
      return alter((account) => ({
        ...account,
        granted: (move.kind === 'grant' ? withItem<string> : without<string>)(account.granted, move.permission),
        denied: (move.kind === 'deny' ? withItem<string> : without<string>)(account.denied, move.permission),
      }));
    }
  }
};

const RUNS = process.env['TEST_LONG'] === '1' ? 20_000 : 1_500;

describe('levels', () => {
  it('CVE-2026-17526: whatever a conspiracy does in whatever order, nobody in it rises to its highest level or holds more than it held together', () => {
    fc.assert(
      fc.property(worlds, fc.array(moves, { maxLength: 25 }), (start, plan) => {
        const all = start.accounts.map((_account, index) => authorityOf(start, index));
        const highest = Math.max(...all.map(({ level }) => level));
        const together = new Set(all.flatMap(({ permissions }) => [...permissions]));
        let world = start;
        for (const move of plan) {
          const before = world;
          world = play(world, move);
          for (const [index] of world.accounts.entries()) {
            const then = authorityOf(before, index);
            const now = authorityOf(world, index);
            // Who rose is still below whoever raised him, and so below the highest of all.
            if (now.level > then.level) expect(now.level).to.be.below(authorityOf(before, move.actor).level);
            expect(now.level).to.be.at.most(highest);
            expect([...now.permissions].every((permission) => together.has(permission))).to.equal(true);
          }
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('nobody changes what an account of his own level or above is, has or may', () => {
    fc.assert(
      fc.property(worlds, moves, (world, move) => {
        const after = play(world, move);
        for (const [index] of world.accounts.entries()) {
          const then = authorityOf(world, index);
          if (then.level < authorityOf(world, move.actor).level) continue;
          expect(authorityOf(after, index)).to.deep.equal(then);
        }
      }),
      { numRuns: RUNS },
    );
  });

  const actor = (level: number, permissions: readonly string[] = [], isSuperAdmin = false): Authority => ({
    userId: 'me',
    level,
    isSuperAdmin,
    permissions: new Set(permissions),
  });

  it('a super administrator acts on another and on himself, but not on his own permissions', () => {
    const top = actor(100, ['a'], true);
    expect(mayActOn(top, { userId: 'other', level: 100 })).to.equal(true);
    expect(mayActOn(top, { userId: 'me', level: 100 })).to.equal(true);
    expect(mayChangePermission(top, { userId: 'me', level: 100 }, 'a')).to.equal(false);
    expect(mayChangePermission(top, { userId: 'other', level: 100 }, 'b')).to.equal(false);
  });

  it('a custom role of the same number does not make a super administrator', () => {
    const almost = actor(100, ['a']);
    expect(mayActOn(almost, { userId: 'other', level: 100 })).to.equal(false);
    expect(mayCreateRole(almost, { level: 100, permissions: [] })).to.equal(false);
    expect(mayCreateRole(almost, { level: 99, permissions: ['a'] })).to.equal(true);
  });
});
