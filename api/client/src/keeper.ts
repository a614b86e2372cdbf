/**
 * Keeps the session: who is signed in, which tokens are good, when the next are asked for. client.ts asks it before and after each request. It takes turns
 * with other tabs (tab-locks.ts), asks the server (server.ts) and leaves what came of it in session-state.ts.
 * @see docs/adr/0029-client-across-tabs.md
 */
import { bodyOf, problemOf, type SecondFactorNeeded, secondFactorOf, startedOf } from './answers.ts';
import { beginCall, type Call, pause, waitFor } from './call.ts';
import { LatchkeyError, signedOut } from './errors.ts';
import { heldIn } from './holders.ts';
import { askCsrfToken, askLogin, askLogout, askRefresh, type Server, type Verdict } from './server.ts';
import { type Freshness, freshnessOf, type SessionRecord, type SignedInRecord } from './session-record.ts';
import type { SessionState } from './session-state.ts';
import type { Lock } from './tab-locks.ts';

/** Below the server's grace of 30 s: whatever is asked again within it gets the same successor. */
const REFRESH_MS = 20_000;
/** What another tab wrote may arrive after the lock that it let go of: storage and locks travel on different ways. */
const NEWS_MS = 100;
/** A logout does not wait longer for its turn: it must be possible beside a tab that hangs. */
const TURN_MS = 3_000;
/** A refresh ahead of expiry that failed is not tried again with the very next request. */
const COOL_DOWN_MS = 5_000;

export type LoginOutcome = { readonly kind: 'signed-in'; readonly sessionId: string } | SecondFactorNeeded;

export interface KeeperParts {
  readonly server: Server;
  readonly state: SessionState;
  readonly lock: Lock;
}

export class Keeper {
  readonly #server: Server;
  readonly #state: SessionState;
  readonly #lock: Lock;
  #flight: Promise<SignedInRecord> | undefined;
  #aheadFailedMs = Number.NEGATIVE_INFINITY;

  constructor({ server, state, lock }: KeeperParts) {
    this.#server = server;
    this.#state = state;
    this.#lock = lock;
  }

  /**
   * Looks again after the page began or slept or the network came back: hears what it missed, ends what could not be ended, and asks for tokens
   * before the user does.
   */
  async wake(): Promise<void> {
    const record = await this.#state.look();
    if (record?.state === 'signed-in' && this.#freshness(record) !== 'fresh') this.#renewAside(record);
    if (record?.state === 'signed-out' && record.untold !== undefined) await this.#tellLate();
  }

  /** What to send a request with: waits for a refresh only where the token has expired. @throws LatchkeyError `signed-out` */
  async usable(call: Call): Promise<SignedInRecord | undefined> {
    const record = await this.#state.read();
    if (record === undefined) {
      if (this.#server.holder.client === 'bearer') throw signedOut('no-session');
      return undefined; // the cookies may know better than a page that has never asked
    }
    if (record.state === 'signed-out') throw signedOut(record.reason);
    const freshness = this.#freshness(record);
    if (freshness === 'expired') return waitFor(this.renew(record.id), call.signal);
    if (freshness === 'due') this.#renewAside(record);
    return record;
  }

  /**
   * The tokens after those of the record `seenId`: another tab's, or ours by one refresh, whoever asks for it meanwhile.
   * @param isAsked by the application, which may know of a login that this record does not
   * @throws LatchkeyError `signed-out` on the server's definite answer; anything else leaves the session as it is
   */
  async renew(seenId: string | undefined, isAsked = false): Promise<SignedInRecord> {
    for (;;) {
      this.#flight ??= this.#takeTurn(seenId, isAsked).finally(() => {
        this.#flight = undefined;
      });
      const record = await this.#flight;
      // One that was under way for an older record may bring the very one that the caller has seen.
      if (record.id !== seenId) return record;
    }
  }

  /** @throws LatchkeyError of the refusal */
  login(path: '/login' | '/login/mfa', credentials: object, call: Call): Promise<LoginOutcome> {
    return this.#lock.exclusively(async () => {
      const deviceToken = (await this.#state.read())?.deviceToken;
      const device = path === '/login' && deviceToken !== undefined ? { deviceToken } : {};
      const askedMs = this.#server.line.clock.now();
      const response = await askLogin(this.#server, path, { ...credentials, ...device }, call);
      if (!response.ok) throw await problemOf(response);
      const body = await bodyOf(response);
      const needed = body === undefined ? undefined : secondFactorOf(body);
      if (needed !== undefined) return needed;
      const { sessionId } = await this.#begin(body, askedMs);
      return { kind: 'signed-in', sessionId };
    }, call.signal);
  }

  /** Takes a session that another answer began. @throws LatchkeyError `answer-unreadable` for what is none */
  adopt(body: unknown): Promise<SignedInRecord> {
    return this.#begin(body, this.#server.line.clock.now());
  }

  /**
   * Ends the session here and in every tab at once, then on the server. @throws LatchkeyError where the server could not be told: it will be, as
   * soon as it can be reached
   */
  async logout(call: Call): Promise<void> {
    const before = await this.#state.read();
    await this.#state.signOut('logout', before, heldIn(before) ?? this.#server.holder.unknown);
    await this.#tell(call);
  }

  /** Another CSRF token than the one that was refused; undefined where there is none. */
  async otherCsrfToken(refused: string | undefined, call: Call): Promise<string | undefined> {
    const record = await this.#state.read();
    const now = this.#server.holder.csrfToken(heldIn(record));
    if (now !== refused) return now;
    const csrfToken = await askCsrfToken(this.#server, call);
    if (csrfToken !== undefined && record?.state === 'signed-in') {
      await this.#state.amend({ ...record, held: { kind: 'cookies', csrfToken } });
    }
    return csrfToken;
  }

  #freshness(record: SignedInRecord): Freshness {
    return freshnessOf(record, this.#server.line.clock.now());
  }

  /** Ahead of expiry nobody waits for it, and nobody misses it: when the token has expired, it is asked for again. */
  #renewAside(record: SignedInRecord): void {
    const nowMs = this.#server.line.clock.now();
    const sinceMs = nowMs - this.#aheadFailedMs;
    if (sinceMs >= 0 && sinceMs < COOL_DOWN_MS) return;
    this.renew(record.id).catch(() => {
      this.#aheadFailedMs = nowMs;
    });
  }

  /** Stops waiting for the turn when somebody else's result is there. */
  async #takeTurn(seenId: string | undefined, isAsked: boolean): Promise<SignedInRecord> {
    const call = beginCall(this.#server.line.clock, { deadlineMs: REFRESH_MS, among: this.#state.calls });
    const waiting = beginCall(this.#server.line.clock, { deadlineMs: REFRESH_MS, signals: [call.signal] });
    let theirs: SignedInRecord | undefined;
    const stop = this.#state.onOthers((record) => {
      if (record?.state !== 'signed-in' || record.id === seenId) return;
      theirs = record;
      waiting.abort('theirs');
    });
    try {
      return await this.#lock.exclusively(async (hasWaited) => {
        const record = hasWaited ? await this.#newsSince(seenId, call) : await this.#state.read();
        if (record?.state === 'signed-out' && (!isAsked || record.untold !== undefined)) throw signedOut(record.reason);
        if (record?.state === 'signed-in' && record.id !== seenId) return record;
        return this.#refresh(record, call);
      }, waiting.signal);
    } catch (error) {
      if (theirs !== undefined && !call.signal.aborted) return theirs;
      throw error;
    } finally {
      stop();
      waiting.end();
      call.end();
    }
  }

  async #refresh(before: SessionRecord | undefined, call: Call): Promise<SignedInRecord> {
    const held = before?.state === 'signed-in' ? before.held : undefined;
    if (this.#server.holder.client === 'bearer' && held === undefined) throw signedOut('no-session');
    const askedMs = this.#server.line.clock.now();
    const verdict = await askRefresh(this.#server, held, call);
    // A logout, or a login, that did not wait for its turn has the last word.
    const now = await this.#state.read();
    call.signal.throwIfAborted();
    if (now?.id === before?.id) return this.#take(verdict, before, askedMs);
    if (now?.state === 'signed-in') return now;
    throw signedOut(now?.reason ?? 'no-session');
  }

  async #take(verdict: Verdict, before: SessionRecord | undefined, askedMs: number): Promise<SignedInRecord> {
    switch (verdict.kind) {
      case 'renewed':
        return this.#state.signIn(verdict.started, before, askedMs);
      case 'over':
        await this.#state.signOut(verdict.reason, before);
        throw signedOut(verdict.reason);
    }
  }

  /** Waits a moment for what the tab whose turn it was has written. */
  async #newsSince(seenId: string | undefined, call: Call): Promise<SessionRecord | undefined> {
    const record = await this.#state.read();
    if (record?.id !== seenId) return record;
    let stop = (): void => undefined;
    const news = new Promise<void>((resolve) => {
      stop = this.#state.onOthers(() => resolve());
    });
    await Promise.race([news, pause(this.#server.line.clock, NEWS_MS, call.signal)]).finally(stop);
    return this.#state.read();
  }

  async #begin(body: unknown, askedMs: number): Promise<SignedInRecord> {
    const started = startedOf(body);
    if (started === undefined) throw new LatchkeyError('answer-unreadable', 'the answer begins no session');
    return this.#state.signIn(started, await this.#state.read(), askedMs);
  }

  /** As soon as it can; nobody waits for it. */
  async #tellLate(): Promise<void> {
    const call = beginCall(this.#server.line.clock, { deadlineMs: REFRESH_MS });
    try {
      await this.#tell(call);
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error; // still unreachable: at the next occasion
    } finally {
      call.end();
    }
  }

  async #tell(call: Call): Promise<void> {
    await this.#inTurnOrAnyway(call, async () => {
      const record = await this.#state.read();
      if (record?.state !== 'signed-out' || record.untold === undefined) return;
      const { untold, ...told } = record;
      await askLogout(this.#server, untold, call);
      await this.#state.amend(told);
    });
  }

  async #inTurnOrAnyway(call: Call, work: () => Promise<void>): Promise<void> {
    let hasTurn = false;
    const waiting = beginCall(this.#server.line.clock, { deadlineMs: TURN_MS, signals: [call.signal] });
    try {
      await this.#lock.exclusively(async () => {
        hasTurn = true;
        await work();
      }, waiting.signal);
    } catch (error) {
      if (hasTurn || call.signal.aborted) throw error;
      await work();
    } finally {
      waiting.end();
    }
  }
}
