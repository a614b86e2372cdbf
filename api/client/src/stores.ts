/** Where the session's record lives, and how others who use it hear of a change. Used by keeper.ts. */
import { readRecord, type SessionRecord } from './session-record.ts';

/** Give one to `createClient` to keep a bearer session beyond the process: a file, a keychain. What it holds opens the account. */
export interface Store {
  /** What was written last, as it was; undefined for nothing. */
  read(): unknown;
  write(record: SessionRecord): void | Promise<void>;
  /** Calls when somebody else has written; returns what stops it. A store of one process needs none. */
  subscribe?(listener: () => void): () => void;
}

export const memoryStore = (): Store => {
  let record: SessionRecord | undefined;
  return {
    read: () => record,
    write: (next) => {
      record = next;
    },
  };
};

export interface PageStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

interface StorageNews {
  readonly key: string | null;
}

/** What of a browser's window is used here; typed by hand, since Node's own types stand beside it. */
export interface PageWindow {
  readonly localStorage: PageStorage;
  addEventListener(type: string, listener: (event: StorageNews) => void): void;
  removeEventListener(type: string, listener: (event: StorageNews) => void): void;
}

const parse = (text: string | null): unknown => {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * For all tabs of an origin. Never a token: only for `credentials: 'cookies'`. Where a browser refuses storage, each tab knows its own; the cookies
 * are shared all the same.
 */
export const pageStore = (page: PageWindow, key: string): Store => {
  let unwritten: SessionRecord | undefined;
  return {
    read: () => {
      try {
        return unwritten ?? parse(page.localStorage.getItem(key));
      } catch {
        return undefined;
      }
    },
    write: (record) => {
      try {
        page.localStorage.setItem(key, JSON.stringify(record));
        unwritten = undefined;
      } catch {
        unwritten = record;
      }
    },
    subscribe: (listener) => {
      const heard = (event: StorageNews): void => {
        if (event.key === key || event.key === null) listener();
      };
      page.addEventListener('storage', heard);
      return () => page.removeEventListener('storage', heard);
    },
  };
};

export const recordIn = async (store: Store): Promise<SessionRecord | undefined> => readRecord(await store.read());
