/**
 * Keeps a record of every new decision: chained by hashes, as a JSON line on stdout and as the newest ones in a DecisionLog
 * object. reconcile.ts hands over what it decided and never waits; controller.ts flushes on a clean stop.
 *
 * A record goes to stdout when it is stored, or when storing it failed: its place in the chain is then taken in memory, and
 * the object follows later. docs/adr/0016-decision-log.md has the table of what may break.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { isApiError } from './clients/api-error.ts';
import type { Kubernetes } from './clients/kubernetes.ts';
import { type DecisionDraft, isNews, type KnownDecision } from './core/decision-record.ts';
import type { DecisionRecord } from './core/status.ts';
import {
  append,
  creationOf,
  headOf,
  NO_RING,
  patchOf,
  type Ring,
  readRing,
  rebased,
  stored,
  unstoredIn,
} from './decision-ring.ts';
import { type Decided, draftOf } from './pass-record.ts';

export interface DecisionLogOptions {
  readonly kubernetes: Kubernetes;
  readonly podName: string;
  /** Writes one line to stdout. */
  readonly say: (line: string) => void;
  readonly onError: (key: string, error: unknown) => void;
}

interface Waiting {
  readonly draft: DecisionDraft;
  /** The last decision that status knew when this one was made. */
  readonly known: DecisionRecord | undefined;
}

interface Chain {
  readonly owner: { readonly namespace: string; readonly name: string };
  uid: string;
  waiting: Waiting[];
  /** Fallen out of `waiting`. */
  lost: number;
  /** Undefined until the object was read, and again when another leader may have written it. */
  ring: Ring | undefined;
  /** What stdout has and the object has not. */
  said: ReadonlySet<string>;
  last: KnownDecision | undefined;
  draining: Promise<void> | undefined;
  failures: number;
  retry: NodeJS.Timeout | undefined;
  isGone: boolean;
}

const MAX_WAITING = 64;
/** Rollouts whose ring is remembered while nothing happens to them; the object is read again for the others. */
const MAX_IDLE = 256;
const MAX_CONFLICTS = 5;
const DEADLINE_MS = 5_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 300_000;

export class DecisionLog {
  readonly #options: DecisionLogOptions;
  readonly #chains = new Map<string, Chain>();

  constructor(options: DecisionLogOptions) {
    this.#options = options;
  }

  /** Takes note of the decision when it is news; everything slow happens later. Never throws. */
  decided(decided: Decided): void {
    const { key, seen, judgement, decision } = decided;
    const { rollout, status } = seen.observation;
    const chain = this.#chain(key, rollout);
    if (!isNews(chain.last ?? status?.lastDecision, status, judgement, decision)) return;
    chain.last = { decision: decision.kind, reason: decision.reason };
    chain.uid = rollout.uid;
    chain.waiting.push({ draft: draftOf(decided, this.#options.podName), known: status?.lastDecision });
    if (chain.waiting.length > MAX_WAITING) {
      chain.waiting.shift();
      chain.lost += 1;
    }
    this.#start(key, chain);
  }

  /** Another leader may write now: what is remembered of the objects is not to be trusted. */
  suspect(): void {
    for (const chain of this.#chains.values()) chain.last = undefined;
  }

  /** The rollout is gone; its object goes with it. */
  forget(key: string): void {
    const chain = this.#chains.get(key);
    if (chain === undefined) return;
    chain.isGone = true;
    if (chain.draining === undefined) this.#drop(key, chain);
  }

  /** Waits for what is under way, up to the deadline, and says what could not be stored by then. */
  async flush(deadlineMs: number): Promise<void> {
    const chains = [...this.#chains];
    for (const [key, chain] of chains) if (chain.retry !== undefined) this.#start(key, chain);
    const done = Promise.all(chains.flatMap(([, chain]) => chain.draining ?? []));
    await Promise.race([done, delay(deadlineMs, undefined, { ref: false })]);
    for (const [key, chain] of chains) {
      clearTimeout(chain.retry);
      this.#say(chain);
      if (chain.draining === undefined) this.#chains.delete(key);
    }
  }

  #chain(key: string, { namespace, name, uid }: { namespace: string; name: string; uid: string }): Chain {
    const known = this.#chains.get(key);
    this.#chains.delete(key);
    const chain: Chain = known ?? {
      owner: { namespace, name },
      uid,
      waiting: [],
      lost: 0,
      ring: undefined,
      said: new Set(),
      last: undefined,
      draining: undefined,
      failures: 0,
      retry: undefined,
      isGone: false,
    };
    // The one that was used last stands last, so that the first idle one is the one to forget.
    this.#chains.set(key, chain);
    chain.isGone = false;
    this.#forgetIdle();
    return chain;
  }

  #forgetIdle(): void {
    for (const [key, chain] of this.#chains) {
      if (this.#chains.size <= MAX_IDLE) return;
      if (chain.draining === undefined && !hasWork(chain)) this.#drop(key, chain);
    }
  }

  #drop(key: string, chain: Chain): void {
    clearTimeout(chain.retry);
    if (this.#chains.get(key) === chain) this.#chains.delete(key);
  }

  #start(key: string, chain: Chain): void {
    if (chain.draining !== undefined) return;
    clearTimeout(chain.retry);
    chain.retry = undefined;
    chain.draining = this.#drain(key, chain).finally(() => {
      chain.draining = undefined;
      if (chain.isGone) this.#drop(key, chain);
    });
  }

  /** Until everything is stored, or a failure that is not a conflict. Never throws. */
  async #drain(key: string, chain: Chain): Promise<void> {
    let conflicts = 0;
    while (hasWork(chain)) {
      try {
        chain.ring ??= await this.#read(chain);
        seal(chain);
        await this.#store(chain, chain.ring);
        chain.failures = 0;
        conflicts = 0;
      } catch (error) {
        conflicts += 1;
        if (isApiError(error, 'ERR_API_CONFLICT', 'ERR_API_EXISTS', 'ERR_API_NOT_FOUND') && conflicts < MAX_CONFLICTS) {
          if (await this.#readAgain(chain)) continue;
        }
        return this.#failed(key, chain, error);
      }
    }
  }

  async #read({ owner }: Chain): Promise<Ring> {
    try {
      return readRing(await this.#options.kubernetes.call('getDecisionLog', { ...owner, deadlineMs: DEADLINE_MS }));
    } catch (error) {
      if (isApiError(error, 'ERR_API_NOT_FOUND')) return NO_RING;
      throw error;
    }
  }

  /** @returns whether the ring fits what the object holds now */
  async #readAgain(chain: Chain): Promise<boolean> {
    const mine = chain.ring ?? NO_RING;
    const theirs = await this.#read(chain).catch(() => undefined);
    if (theirs === undefined) return false;
    chain.ring = rebased(mine, theirs.version === undefined ? undefined : theirs);
    return true;
  }

  async #store(chain: Chain, before: Ring): Promise<void> {
    const { kubernetes } = this.#options;
    const { namespace, name } = chain.owner;
    const ring = chain.ring ?? before;
    const owner = { name, uid: chain.uid };
    // The answer is asked for as metadata: the object itself is what we have just sent.
    const shared = { namespace, metadataOnly: true, deadlineMs: DEADLINE_MS };
    const answer =
      ring.version === undefined
        ? await kubernetes.call('createDecisionLog', { ...shared, body: creationOf(ring, owner) })
        : await kubernetes.call('patchDecisionLog', { ...shared, name, body: patchOf(ring, owner) });
    this.#say(chain);
    chain.said = new Set();
    chain.ring = stored(ring, versionShape.parse(answer).metadata.resourceVersion, chain.uid);
  }

  #say(chain: Chain): void {
    const { ring, said } = chain;
    if (ring === undefined) return;
    const lines = unstoredIn(ring);
    for (const { line } of lines) if (!said.has(line)) this.#options.say(line);
    chain.said = new Set(lines.map(({ line }) => line));
  }

  #failed(key: string, chain: Chain, error: unknown): void {
    this.#options.onError(key, error);
    // Without the right to read there is nothing to go on from; what is decided is said all the same.
    if (chain.ring === undefined && isApiError(error, 'ERR_API_FORBIDDEN')) {
      chain.ring = NO_RING;
      seal(chain);
    }
    this.#say(chain);
    if (chain.isGone) return;
    chain.failures += 1;
    const waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(chain.failures, 20));
    chain.retry = setTimeout(() => this.#start(key, chain), waitMs).unref();
  }
}

const versionShape = z.looseObject({ metadata: z.looseObject({ resourceVersion: z.string() }) });

function hasWork({ waiting, ring }: Chain): boolean {
  return waiting.length > 0 || (ring !== undefined && unstoredIn(ring).length > 0);
}

/** Gives everything that waits its place in the chain. */
function seal(chain: Chain): void {
  const waiting = chain.waiting;
  chain.waiting = [];
  for (const { draft, known } of waiting) {
    const ring = chain.ring ?? NO_RING;
    const gap =
      chain.lost > 0 ? `${chain.lost} records were lost while the log could not be read` : gapBefore(ring, known);
    chain.lost = 0;
    chain.ring = append(ring, draft, gap);
  }
}

/** What status knows and the log does not: a process died between its decision and the record of it. */
function gapBefore(ring: Ring, known: DecisionRecord | undefined): string | undefined {
  if (known === undefined) return undefined;
  const newest = ring.entries.at(-1);
  const name = `${known.decision} ${known.reason} of ${known.at}`;
  if (newest === undefined) {
    return headOf(ring).sequence > 0 ? undefined : `status knows ${name} from before this log`;
  }
  const isKnown = newest.decision === known.decision && newest.reason === known.reason;
  // An older one is in the status whose write failed after its record was made.
  return isKnown || known.at <= newest.time ? undefined : `status knows ${name}, which was not recorded`;
}
