/**
 * One at a time, over all tabs of an origin: refresh, login and logout. Used by keeper.ts. Web Locks where there are any; otherwise a lease in
 * localStorage, which two tabs may rarely hold at once. That costs a refresh and nobody a session: the server gives both the same successor.
 * @see docs/adr/0029-client-across-tabs.md
 */
import { type Clock, pause, waitFor } from './call.ts';
import type { PageStorage } from './stores.ts';

export interface Lock {
  /**
   * Runs `work` when nobody else does; `hasWaited` says that somebody else did just now. @throws the signal's reason, if it comes before the turn
   */
  exclusively<T>(work: (hasWaited: boolean) => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** For one process. */
export const queueLock = (): Lock => {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return {
    exclusively: async (work, signal) => {
      const hasWaited = waiting > 0;
      const before = last;
      waiting += 1;
      const turn = waitFor(before, signal)
        .then(() => work(hasWaited))
        .finally(() => {
          waiting -= 1;
        });
      last = Promise.all([before, turn.catch(() => undefined)]);
      return turn;
    },
  };
};

export interface LockManager {
  request<T>(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly signal?: AbortSignal },
    work: (lock: object | null) => Promise<T>,
  ): Promise<T>;
}

const TAKEN = Symbol('taken');

/** @param otherwise where the browser refuses, as it does in a sandboxed frame */
export const webLock = (locks: LockManager, name: string, otherwise: Lock): Lock => ({
  exclusively: async (work, signal) => {
    let hasBegun = false;
    const begin = (hasWaited: boolean) => {
      hasBegun = true;
      return work(hasWaited);
    };
    try {
      const at = await locks.request(name, { ifAvailable: true }, async (lock) =>
        lock === null ? TAKEN : begin(false),
      );
      return at === TAKEN ? await locks.request(name, { signal }, () => begin(true)) : at;
    } catch (error) {
      if (hasBegun || signal.aborted) throw error;
      return otherwise.exclusively(work, signal);
    }
  },
});

/** A tab that died is waited for no longer than this. Timers of hidden tabs run once a minute, so a living one may lose its lease too. */
const LEASE_MS = 6_000;
const RENEW_MS = 2_000;
/** As long as a browser may take until one tab's writing is another's reading. */
const SETTLE_MS = 60;
const ASK_MS = 50;

interface Lease {
  readonly owner: string;
  readonly untilMs: number;
}

const readLease = ({ storage, key }: LeasePlace): Lease | undefined => {
  const [owner, untilMs] = (storage().getItem(key) ?? '').split(' ');
  return owner === undefined || owner === '' ? undefined : { owner, untilMs: Number(untilMs) };
};

export interface LeasePlace {
  /** @throws where the browser refuses storage */
  readonly storage: () => PageStorage;
  readonly key: string;
  /** Of this tab. */
  readonly owner: string;
  readonly clock: Clock;
  readonly random: () => number;
}

const writeLease = ({ storage, key, owner }: LeasePlace, nowMs: number): void =>
  storage().setItem(key, `${owner} ${nowMs + LEASE_MS}`);

/** Waits for its turn; true when somebody else had theirs. */
const takeLease = async (place: LeasePlace, signal: AbortSignal): Promise<boolean> => {
  const { owner, clock, random } = place;
  for (let hasWaited = false; ; hasWaited = true) {
    const held = readLease(place);
    const nowMs = clock.now();
    // A lease that ends later than any lease could was written by a clock that has been set since.
    if (held === undefined || held.owner === owner || held.untilMs <= nowMs || held.untilMs > nowMs + LEASE_MS) {
      writeLease(place, nowMs);
      await pause(clock, SETTLE_MS, signal);
      if (readLease(place)?.owner === owner) return hasWaited;
    }
    await pause(clock, ASK_MS * (1 + random()), signal);
  }
};

/** Keeps the lease while `work` lasts. */
const holding = async <T>(place: LeasePlace, work: () => Promise<T>): Promise<T> => {
  const { storage, key, owner, clock } = place;
  const isMine = (): boolean => readLease(place)?.owner === owner;
  let stop = (): void => undefined;
  const renewLater = (): void => {
    stop = clock.after(RENEW_MS, () => {
      if (!isMine()) return; // it was late, and somebody else has it now
      writeLease(place, clock.now());
      renewLater();
    });
  };
  renewLater();
  try {
    return await work();
  } finally {
    stop();
    if (isMine()) storage().removeItem(key);
  }
};

export const leaseLock = (place: LeasePlace): Lock => {
  const here = queueLock();
  return {
    exclusively: (work, signal) =>
      here.exclusively(async (hasWaitedHere) => {
        let hasWaited: boolean;
        try {
          hasWaited = await takeLease(place, signal);
        } catch (error) {
          if (signal.aborted) throw error;
          return work(hasWaitedHere); // no storage: this tab alone
        }
        return holding(place, () => work(hasWaitedHere || hasWaited));
      }, signal),
  };
};
