/**
 * Whether the service serves, and what it still answers when it does not. Called by services/modes.ts and http/mode-gate.ts.
 * Both modes only ever close: `auth-disabled` refuses everybody, it lets nobody through without a session.
 */

/** What closes the service; the word is the problem code that callers see. */
export type ClosedBy = 'auth-disabled' | 'maintenance';

export interface ModeState {
  readonly isAuthDisabled: boolean;
  readonly isInMaintenance: boolean;
  /** What callers who are turned away are told to wait. */
  readonly retryAfterSeconds: number;
}

/** Where both are on, the stronger word wins. */
export const closedBy = ({ isAuthDisabled, isInMaintenance }: ModeState): ClosedBy | undefined =>
  isAuthDisabled ? 'auth-disabled' : isInMaintenance ? 'maintenance' : undefined;

/** Either side may close; only both together open. A switch in the database must not undo one in the environment. */
export const combineModes = (environment: ModeState, stored: Partial<ModeState>): ModeState => ({
  isAuthDisabled: environment.isAuthDisabled || stored.isAuthDisabled === true,
  isInMaintenance: environment.isInMaintenance || stored.isInMaintenance === true,
  retryAfterSeconds: stored.retryAfterSeconds ?? environment.retryAfterSeconds,
});
