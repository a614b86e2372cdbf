/** What the application hears of its session, whichever tab it happened in. Told by keeper.ts. */
import type { SignedOutReason } from './errors.ts';

export interface SessionEvents {
  /** A session began, or another one than before. */
  readonly 'signed-in': { readonly sessionId: string };
  /** It went on with new tokens, perhaps by another tab. */
  readonly refreshed: { readonly sessionId: string };
  /** It is over, and everything under way has been aborted. */
  readonly 'signed-out': { readonly reason: SignedOutReason };
}

export type Listener<Name extends keyof SessionEvents> = (event: SessionEvents[Name]) => void;
type Listeners = { readonly [Name in keyof SessionEvents]: Set<Listener<Name>> };

export interface Events {
  /** Returns what stops it. */
  readonly on: <Name extends keyof SessionEvents>(name: Name, listener: Listener<Name>) => () => void;
  readonly emit: <Name extends keyof SessionEvents>(name: Name, event: SessionEvents[Name]) => void;
}

export const createEvents = (): Events => {
  const listeners: Listeners = { 'signed-in': new Set(), refreshed: new Set(), 'signed-out': new Set() };
  return {
    on: (name, listener) => {
      listeners[name].add(listener);
      return () => listeners[name].delete(listener);
    },
    emit: (name, event) => {
      for (const listener of listeners[name]) {
        // A listener that throws must not leave the session half changed: its error is reported as any uncaught one.
        queueMicrotask(() => listener(event));
      }
    },
  };
};
