/**
 * Who may do what to whom. Called by the services behind the admin API, inside the transaction that writes. The rule is one sentence: nobody
 * acts at or above his own level, nobody hands out what he does not hold (Keycloak CVE-2026-17526). The one exception is the top: nobody
 * stands above a super administrator, so super administrators act on each other.
 */

/** What an account may do at this moment. */
export interface Authority {
  readonly userId: string;
  /** The highest level of the roles it holds now; 0 without a role. */
  readonly level: number;
  readonly isSuperAdmin: boolean;
  readonly permissions: ReadonlySet<string>;
}

/** The account that something is done to. */
export interface Subject {
  readonly userId: string;
  readonly level: number;
}

export interface RoleShape {
  readonly level: number;
  readonly permissions: readonly string[];
}

export interface RoleChange {
  readonly before: RoleShape;
  readonly after: RoleShape;
  /** Of the accounts that hold the role: who edits a role acts on all of them. */
  readonly highestHolderLevel: number;
}

/** Custom roles stay below the system's highest. */
export const MAX_CUSTOM_LEVEL = 99;

export const outranks = ({ level, isSuperAdmin }: Authority, other: number): boolean => isSuperAdmin || level > other;

const holds = ({ permissions }: Authority, wanted: readonly string[]): boolean =>
  wanted.every((permission) => permissions.has(permission));

/** Disable, delete, rename, end sessions. On oneself only from the top: elsewhere one's own level is never below one's own. */
export const mayActOn = (actor: Authority, subject: Subject): boolean =>
  outranks(actor, subject.userId === actor.userId ? actor.level : subject.level);

/** Opening a role to somebody gives him what is in it, so the giver must hold all of that. */
export const mayGrantRole = (actor: Authority, subject: Subject, role: RoleShape): boolean =>
  mayActOn(actor, subject) && outranks(actor, role.level) && holds(actor, role.permissions);

export const mayRevokeRole = (actor: Authority, subject: Subject, role: RoleShape): boolean =>
  mayActOn(actor, subject) && outranks(actor, role.level);

export const mayCreateRole = (actor: Authority, role: RoleShape): boolean =>
  outranks(actor, role.level) && holds(actor, role.permissions);

/** What a role has already needs no holding; what is added does. */
export const mayChangeRole = (actor: Authority, { before, after, highestHolderLevel }: RoleChange): boolean => {
  const had = new Set(before.permissions);
  const added = after.permissions.filter((permission) => !had.has(permission));
  return (
    [before.level, after.level, highestHolderLevel].every((level) => outranks(actor, level)) && holds(actor, added)
  );
};

/** A grant, a denial, or taking either back: to lift a denial is to give, so one rule for all. Nobody changes his own. */
export const mayChangePermission = (actor: Authority, subject: Subject, permission: string): boolean =>
  subject.userId !== actor.userId && mayActOn(actor, subject) && holds(actor, [permission]);
