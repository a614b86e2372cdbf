/**
 * Leader election on one Lease, and the fencing token that makes two leaders harmless. Run by main.ts; act.ts asks `fence()`
 * before every write and puts the token into the route patch; observe.ts compares it with the route's.
 *
 * The standby is warm: its watches run, only its queue is closed. A clean stop empties `holderIdentity`, so the next leader is in
 * within one retry (1 s); a killed leader costs the lease's duration. Times are measured on our own monotonic clock from when a
 * record was *seen to change*, never by comparing another machine's timestamps with ours.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { ApiError, isApiError } from './api-error.ts';
import type { Kubernetes } from './kubernetes.ts';

export interface LeaseOptions {
  readonly kubernetes: Kubernetes;
  readonly namespace: string;
  readonly name: string;
  readonly podName: string;
  readonly onChange: (leading: boolean) => void;
  readonly onError?: (error: unknown) => void;
  readonly timing?: Partial<LeaseTiming>;
}

export interface LeaseTiming {
  /** How long others respect a silent leader. */
  readonly durationMs: number;
  /** A leader that could not renew for so long stops by itself; the gap to the duration absorbs a write in flight. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

/**
 * Stepping down costs little with warm standbys, so the times are about half of client-go's 15/10/2 s. Not shorter: on a starved
 * node a renewal has been seen to take over 2 s, and an operator that flaps protects nobody.
 */
const TIMING: LeaseTiming = { durationMs: 8_000, renewDeadlineMs: 6_000, retryMs: 1_000 };

const leaseShape = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  spec: z
    .looseObject({
      holderIdentity: z.string().nullish(),
      leaseTransitions: z.number().int().nullish(),
      leaseDurationSeconds: z.number().nullish(),
      renewTime: z.string().nullish(),
      acquireTime: z.string().nullish(),
    })
    .default({}),
});
type LeaseObject = z.infer<typeof leaseShape>;

export class LeaseElector {
  readonly #options: LeaseOptions;
  readonly #timing: LeaseTiming;
  /** A restarted container has its pod's name again; the suffix makes it a new holder, hence a new token. */
  readonly identity: string;
  #token = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #leading = false;
  #acquiredAt = '';
  /** Our record as the apiserver last confirmed it: a renewal is then one write, without a read before it. */
  #mine: LeaseObject | undefined;
  #seen = { version: '', at: 0 };

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.identity = `${options.podName}_${randomUUID()}`;
  }

  get leading(): boolean {
    return this.fence() !== undefined;
  }

  /** Our fencing token, or undefined when we must not write: not elected, or not renewed for the renew deadline (a frozen process). */
  fence(now = performance.now()): number | undefined {
    return this.#leading && now - this.#renewedAt < this.#timing.renewDeadlineMs ? this.#token : undefined;
  }

  /** Runs until the signal fires, then gives the Lease back. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#round(signal).catch((error: unknown) => {
        if (!signal.aborted) this.#options.onError?.(error);
      });
      if (this.#leading && this.fence() === undefined) this.#become(false);
      const jitter = this.#leading ? 1 : 0.8 + Math.random() * 0.4;
      await delay(this.#timing.retryMs * jitter, undefined, { signal }).catch(() => undefined);
    }
    await this.#release().catch((error: unknown) => this.#options.onError?.(error));
  }

  /**
   * The token of whoever holds the Lease now, read from the apiserver. observe.ts asks when a route carries a higher token than
   * ours: a successor wrote it (its token is this one), or somebody edited the annotation (no holder ever had it).
   * @throws {ApiError}
   */
  async presentToken(signal: AbortSignal): Promise<number> {
    const lease = await this.#read(signal);
    return lease === undefined ? 0 : (lease.spec.leaseTransitions ?? 0) + 1;
  }

  /** Found deposed by a route's fence: stop before the next renewal would have told us. */
  stepDown(): void {
    this.#mine = undefined;
    this.#renewedAt = Number.NEGATIVE_INFINITY;
    this.#become(false);
  }

  async #round(signal: AbortSignal): Promise<void> {
    const mine = this.#mine;
    if (mine !== undefined && (await this.#hold(mine, mine.spec.leaseTransitions ?? 0, signal))) return;
    const lease = await this.#read(signal);
    if (lease === undefined) return await this.#create(signal);
    const holder = lease.spec.holderIdentity ?? '';
    const transitions = lease.spec.leaseTransitions ?? 0;
    if (holder === this.identity) return void (await this.#hold(lease, transitions, signal));
    this.#become(false);
    const now = performance.now();
    const version = lease.metadata.resourceVersion;
    if (version !== this.#seen.version) this.#seen = { version, at: now };
    const respectMs = (lease.spec.leaseDurationSeconds ?? this.#timing.durationMs / 1000) * 1000;
    if (holder !== '' && now - this.#seen.at < respectMs) return;
    this.#acquiredAt = microTime();
    await this.#hold(lease, transitions + 1, signal);
  }

  async #read(signal: AbortSignal | undefined): Promise<LeaseObject | undefined> {
    const { kubernetes, namespace, name } = this.#options;
    try {
      return leaseShape.parse(
        await kubernetes.call('getLease', { namespace, name, deadlineMs: this.#patienceMs, signal }),
      );
    } catch (error) {
      if (isApiError(error, 'ERR_API_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async #create(signal: AbortSignal): Promise<void> {
    const { kubernetes, namespace, name } = this.#options;
    const startedAt = performance.now();
    this.#acquiredAt = microTime();
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace },
      spec: this.#spec(0),
    };
    try {
      const made = await kubernetes.call('createLease', { namespace, body, deadlineMs: this.#patienceMs, signal });
      this.#held(leaseShape.parse(made), startedAt);
    } catch (error) {
      if (!isApiError(error, 'ERR_API_EXISTS')) throw error;
    }
  }

  /**
   * Writes our record; resourceVersion makes it a compare-and-swap, so of two claimants one loses.
   * @returns whether it was written; false: the record is not what it was
   */
  async #hold(lease: LeaseObject, transitions: number, signal: AbortSignal | undefined): Promise<boolean> {
    const { kubernetes, namespace, name } = this.#options;
    const startedAt = performance.now();
    // Until an answer says otherwise nothing is known: a write that timed out may have been done.
    this.#mine = undefined;
    const body = { ...lease, spec: { ...lease.spec, ...this.#spec(transitions) } };
    try {
      const written = await kubernetes.call('updateLease', {
        namespace,
        name,
        body,
        deadlineMs: this.#patienceMs,
        signal,
      });
      this.#held(leaseShape.parse(written), startedAt);
      return true;
    } catch (error) {
      if (isApiError(error, 'ERR_API_CONFLICT', 'ERR_API_NOT_FOUND')) return false;
      throw error;
    }
  }

  async #release(): Promise<void> {
    this.#become(false);
    const lease = await this.#read(undefined);
    if (lease?.spec.holderIdentity !== this.identity) return;
    const { kubernetes, namespace, name } = this.#options;
    const body = { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 } };
    await kubernetes.call('updateLease', { namespace, name, body, deadlineMs: this.#patienceMs });
  }

  get #patienceMs(): number {
    return Math.max(500, this.#timing.renewDeadlineMs / 2);
  }

  #spec(leaseTransitions: number): object {
    return {
      holderIdentity: this.identity,
      leaseDurationSeconds: Math.max(1, Math.round(this.#timing.durationMs / 1000)),
      acquireTime: this.#acquiredAt,
      renewTime: microTime(),
      leaseTransitions,
    };
  }

  /** @param startedAt when the request left: others may count from before its answer reached us. */
  #held(lease: LeaseObject, startedAt: number): void {
    this.#mine = lease;
    this.#token = (lease.spec.leaseTransitions ?? 0) + 1;
    this.#renewedAt = startedAt;
    this.#become(true);
  }

  #become(leading: boolean): void {
    if (this.#leading === leading) return;
    this.#leading = leading;
    this.#options.onChange(leading);
  }
}

/** The API's MicroTime has six decimals. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}

/** Thrown before a write by whoever finds that we no longer lead. */
export function deposed(): ApiError {
  return new ApiError('ERR_API_ABORTED', 'this process does not hold the lease');
}
