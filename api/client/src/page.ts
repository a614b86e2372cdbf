/** What is used of a browser's page: where it is, its cookies, its storage, its locks, and when it wakes. Called by client.ts in a browser only. */
import type { Clock } from './call.ts';
import { cookieHolder, type Holder } from './holders.ts';
import { type PageWindow, pageStore, type Store } from './stores.ts';
import { type Lock, type LockManager, leaseLock, webLock } from './tab-locks.ts';

interface PageDocument {
  readonly cookie: string;
  readonly visibilityState: string;
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** Typed by hand: Node's types stand beside the browser's in this repository. */
declare const document: PageDocument | undefined;
declare const window: (PageWindow & { readonly navigator: { readonly locks?: LockManager } }) | undefined;
declare const location: { readonly hostname: string } | undefined;

export interface Page {
  readonly holder: Holder;
  readonly store: Store;
  readonly lock: Lock;
  /** Calls when the page is looked at again, comes back from the cache of closed pages, or is online again; returns what stops it. */
  onWake(wake: () => void): () => void;
}

const WAKING = ['pageshow', 'online', 'focus'] as const;

/** @returns undefined where there is no page: Node, a worker */
export const pageFor = (baseUrl: URL, clock: Clock, random: () => number): Page | undefined => {
  if (typeof document === 'undefined' || typeof window === 'undefined' || typeof location === 'undefined')
    return undefined;
  const key = `latchkey ${baseUrl.href}`;
  const isSameHost = location.hostname === baseUrl.hostname; // cookies know no ports
  const owner = random().toString(36).slice(2);
  const page = window;
  const { locks } = page.navigator;
  const lease = leaseLock({ storage: () => page.localStorage, key: `${key} lease`, owner, clock, random });
  return {
    holder: cookieHolder(() => (isSameHost ? document.cookie : undefined)),
    store: pageStore(page, key),
    lock: locks === undefined ? lease : webLock(locks, key, lease),
    onWake: (wake) => {
      const seen = (): void => {
        if (document.visibilityState === 'visible') wake();
      };
      for (const type of WAKING) page.addEventListener(type, wake);
      document.addEventListener('visibilitychange', seen);
      return () => {
        for (const type of WAKING) page.removeEventListener(type, wake);
        document.removeEventListener('visibilitychange', seen);
      };
    },
  };
};
