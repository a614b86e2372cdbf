/**
 * The session as this page knows it: reads and writes the shared record, tells the application of every change once, and ends what is under way when the
 * session ends, whichever tab ended it. Used by keeper.ts.
 */
import type { Call } from './call.ts';
import { type SignedOutReason, signedOut } from './errors.ts';
import type { Events } from './events.ts';
import type { Line } from './exchange.ts';
import type { Held, SessionRecord, SignedInRecord, SignedOutRecord, Started } from './session-record.ts';
import { recordIn, type Store } from './stores.ts';

export class SessionState {
  readonly #store: Store;
  readonly #events: Events;
  readonly #line: Line;
  /** What goes with the session when it ends. */
  readonly calls = new Set<Call>();
  /** What the application has been told of. */
  #known: SessionRecord | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(store: Store, events: Events, line: Line) {
    this.#store = store;
    this.#events = events;
    this.#line = line;
  }

  read(): Promise<SessionRecord | undefined> {
    return recordIn(this.#store);
  }

  /** What was written before this page began is no news. */
  async start(): Promise<void> {
    const record = await this.read();
    this.#known ??= record;
  }

  /** Reads what others have written, and hears of it. */
  async look(): Promise<SessionRecord | undefined> {
    const record = await this.read();
    this.#hear(record);
    return record;
  }

  /** Calls with what somebody else has written; returns what stops it. */
  onOthers(hear: (record: SessionRecord | undefined) => void): () => void {
    const heard = (): void => {
      this.read().then(hear, () => undefined); // a store that fails here fails for whoever waits as well
    };
    return this.#store.subscribe?.(heard) ?? ((): void => undefined);
  }

  async signIn(started: Started, before: SessionRecord | undefined, askedMs: number): Promise<SignedInRecord> {
    const record: SignedInRecord = {
      state: 'signed-in',
      id: this.#newId(),
      receivedAtMs: askedMs,
      ...deviceOf(before),
      ...started,
    };
    await this.#write(record);
    return record;
  }

  /** @param untold what it takes to tell the server, where it is the user who ends the session */
  async signOut(reason: SignedOutReason, before: SessionRecord | undefined, untold?: Held): Promise<SignedOutRecord> {
    this.#endCalls(reason); // before anything that takes time
    const record: SignedOutRecord = {
      state: 'signed-out',
      id: this.#newId(),
      reason,
      ...deviceOf(before),
      ...(untold !== undefined && { untold }),
    };
    await this.#write(record);
    return record;
  }

  /** Under its old id: no news for anybody. */
  async amend(record: SessionRecord): Promise<void> {
    if ((await this.read())?.id === record.id) await this.#write(record);
  }

  /** In the order in which they were decided, however long a store takes. */
  async #write(record: SessionRecord): Promise<void> {
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#store.write(record));
    await this.#writing;
    this.#hear(record);
  }

  #hear(record: SessionRecord | undefined): void {
    const before = this.#known;
    if (record === undefined || record.id === before?.id) return;
    this.#known = record;
    if (record.state === 'signed-out') {
      this.#endCalls(record.reason);
      if (before?.state !== 'signed-out') this.#events.emit('signed-out', { reason: record.reason });
      return;
    }
    const { sessionId } = record;
    const isSame = before?.state === 'signed-in' && before.sessionId === sessionId;
    this.#events.emit(isSame ? 'refreshed' : 'signed-in', { sessionId });
  }

  #endCalls(reason: SignedOutReason): void {
    const error = signedOut(reason);
    for (const call of this.calls) call.abort(error); // each takes itself out
  }

  /** Compared, never guessed. */
  #newId(): string {
    const { clock, random } = this.#line;
    return `${clock.now().toString(36)}-${random().toString(36).slice(2)}`;
  }
}

/** It outlives sessions: the server knows the device by it. */
const deviceOf = (before: SessionRecord | undefined): { readonly deviceToken?: string } =>
  before?.deviceToken === undefined ? {} : { deviceToken: before.deviceToken };
