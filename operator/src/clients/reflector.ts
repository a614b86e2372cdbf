/**
 * A doorbell on one kind of object: list, watch, list again when in doubt. Started by controller.ts, rings `onChange` with the
 * key of what changed; observe.ts then reads the live object. It keeps a projection per key, never an object.
 *
 * Written because `ListWatch` of client-node 2.0 is aborted every 30 s, goes deaf for up to 30 s between watches, stops for good
 * on errors other than 410 and asks for no bookmarks (docs/adr/0008-reflector-queue-fencing.md). What that leaves us to hold:
 * one loop per kind, an idle deadline, jittered back-off that a healthy watch resets, a periodic relist, and an age for health.ts.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { ApiError, isApiError } from './api-error.ts';
import type { CallInput, CallName, Kubernetes } from './kubernetes.ts';

export interface ReflectorOptions<T> {
  readonly kubernetes: Kubernetes;
  readonly list: CallName;
  readonly watch: CallName;
  readonly namespace: string;
  /** As `kubectl -l` spells it; all objects without it. */
  readonly labelSelector?: string;
  readonly metadataOnly: boolean;
  /** What is worth remembering of an object; kept per key. */
  readonly project: (object: unknown) => T;
  readonly onChange: (key: string, seen: T | undefined, before: T | undefined) => void;
  readonly onError?: (error: unknown) => void;
  readonly timing?: Partial<ReflectorTiming>;
}

export interface ReflectorTiming {
  /** Bookmarks come about once a minute; two missed ones and a half mean a dead connection. */
  readonly idleMs: number;
  /** A relist heals what any bug or lost event could have broken; it costs one paged read. */
  readonly relistMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

const TIMING: ReflectorTiming = { idleMs: 150_000, relistMs: 600_000, backoffMinMs: 200, backoffMaxMs: 10_000 };
const PAGE_SIZE = '250';

const metadata = z.object({ name: z.string(), namespace: z.string().default(''), resourceVersion: z.string() });
const listPage = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  // An empty list of metadata comes with null items.
  items: z.array(z.looseObject({ metadata: z.looseObject(metadata.shape) })).nullish(),
});
const watchLine = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.looseObject({}),
});
const errorObject = z.looseObject({
  code: z.number().catch(500),
  reason: z.string().catch('Unknown'),
  message: z.string().catch(''),
});

interface Known<T> {
  readonly seen: T;
  readonly resourceVersion: string;
}

export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #timing: ReflectorTiming;
  readonly #known = new Map<string, Known<T>>();
  #resourceVersion = '';
  #listedAt = 0;
  #heardAt = performance.now();
  #synced = false;
  #movedAt = performance.now();

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  get synced(): boolean {
    return this.#synced;
  }

  get size(): number {
    return this.#known.size;
  }

  has(key: string): boolean {
    return this.#known.has(key);
  }

  get(key: string): T | undefined {
    return this.#known.get(key)?.seen;
  }

  *entries(): Generator<readonly [key: string, seen: T]> {
    for (const [key, { seen }] of this.#known) yield [key, seen];
  }

  /** Since the server last said anything on this watch, bookmarks included; before the first list, since there was somebody to hear it. */
  ageMs(now = performance.now()): number {
    return now - this.#heardAt;
  }

  /** Since the loop last did anything, errors included: an apiserver that is away is not our death, a loop that hangs is. */
  stillMs(): number {
    return performance.now() - this.#movedAt;
  }

  /** Runs until the signal fires; never throws, never stops by itself. */
  async run(signal: AbortSignal): Promise<void> {
    let backoffMs = this.#timing.backoffMinMs;
    while (!signal.aborted) {
      this.#movedAt = performance.now();
      try {
        if (this.#resourceVersion === '' || this.#relistDue()) await this.#listAll(signal);
        await this.#watchOnce(signal);
        backoffMs = this.#timing.backoffMinMs;
      } catch (error) {
        if (signal.aborted) return;
        // Asking again from the same version would bring the same line that could not be read.
        if (isApiError(error, 'ERR_API_GONE', 'ERR_API_MALFORMED')) this.#resourceVersion = '';
        if (!isApiError(error, 'ERR_API_GONE')) this.#options.onError?.(error);
        // Full jitter: a restarted apiserver must not meet every operator at the same moment.
        const asked = isApiError(error) ? (error.retryAfterMs ?? 0) : 0;
        await delay(asked + backoffMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
        backoffMs = Math.min(backoffMs * 2, this.#timing.backoffMaxMs);
      }
    }
  }

  #relistDue(): boolean {
    return performance.now() - this.#listedAt >= this.#timing.relistMs;
  }

  async #listAll(signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    let token = '';
    let resourceVersion = '';
    do {
      const page = listPage.parse(
        await this.#options.kubernetes.call(
          this.#options.list,
          this.#input({ limit: PAGE_SIZE, continue: token }, signal),
        ),
      );
      for (const item of page.items ?? []) seen.add(this.#store(item, 'relisted'));
      resourceVersion = page.metadata.resourceVersion;
      token = page.metadata.continue ?? '';
    } while (token !== '');
    for (const key of this.#known.keys()) if (!seen.has(key)) this.#forget(key);
    this.#resourceVersion = resourceVersion;
    this.#listedAt = performance.now();
    this.#heardAt = this.#listedAt;
    this.#synced = true;
  }

  async #watchOnce(signal: AbortSignal): Promise<void> {
    const idle = new AbortController();
    const both = AbortSignal.any([idle.signal, signal]);
    const query = {
      resourceVersion: this.#resourceVersion,
      allowWatchBookmarks: 'true',
      timeoutSeconds: this.#watchSeconds(),
    };
    const response = await this.#options.kubernetes.watch(this.#options.watch, {
      ...this.#input(query, both),
      signal: both,
    });
    const arm = (): NodeJS.Timeout =>
      setTimeout(() => idle.abort(new ApiError('ERR_API_DEADLINE', 'the watch fell silent')), this.#timing.idleMs);
    const openedAt = performance.now();
    let timer = arm();
    try {
      for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) {
        clearTimeout(timer);
        timer = arm();
        this.#heardAt = performance.now();
        this.#movedAt = this.#heardAt;
        this.#take(line);
        if (this.#relistDue()) break;
      }
    } catch (error) {
      if (error instanceof ApiError) throw error;
      const isNonsense = error instanceof SyntaxError || error instanceof z.ZodError;
      throw new ApiError(isNonsense ? 'ERR_API_MALFORMED' : 'ERR_API_UNREACHABLE', 'the watch broke', { cause: error });
    } finally {
      clearTimeout(timer);
      response.destroy();
    }
    if (idle.signal.aborted) throw idle.signal.reason;
    // A server that accepts and hangs up at once would otherwise be asked without pause.
    if (performance.now() - openedAt < this.#timing.backoffMinMs)
      throw new ApiError('ERR_API_UNAVAILABLE', 'the watch ended at once');
  }

  /** The server ends the watch for us before the relist is due; spread, so that the kinds do not relist together. */
  #watchSeconds(): string {
    const untilRelistMs = this.#listedAt + this.#timing.relistMs - performance.now();
    return String(Math.max(1, Math.ceil((untilRelistMs / 1000) * (0.8 + Math.random() * 0.2))));
  }

  #take(line: string): void {
    const { type, object } = watchLine.parse(JSON.parse(line));
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
        this.#store(object);
        break;
      case 'DELETED':
        this.#forget(keyOf(object));
        break;
      case 'BOOKMARK':
        break;
      case 'ERROR': {
        const { code, reason, message } = errorObject.parse(object);
        const gone = code === 410 || reason === 'Expired' || reason === 'Gone';
        throw new ApiError(gone ? 'ERR_API_GONE' : 'ERR_API_UNAVAILABLE', `${reason}: ${message}`, { status: code });
      }
    }
    this.#resourceVersion = versioned.parse(object).metadata.resourceVersion;
  }

  /**
   * A list is the cure for whatever a watch may have missed: it rings for each object that is not the one we know, and as if it
   * were new. Ringing for all of them would be a thousand passes every ten minutes about nothing.
   */
  #store(object: unknown, how: 'relisted' | 'watched' = 'watched'): string {
    const key = keyOf(object);
    const { resourceVersion } = versioned.parse(object).metadata;
    const before = this.#known.get(key);
    if (how === 'relisted' && before?.resourceVersion === resourceVersion) return key;
    const seen = this.#options.project(object);
    this.#known.set(key, { seen, resourceVersion });
    this.#options.onChange(key, seen, how === 'relisted' ? undefined : before?.seen);
    return key;
  }

  #forget(key: string): void {
    const before = this.#known.get(key);
    this.#known.delete(key);
    this.#options.onChange(key, undefined, before?.seen);
  }

  #input(query: Readonly<Record<string, string>>, signal: AbortSignal): CallInput {
    const { labelSelector = '' } = this.#options;
    const set = Object.fromEntries(Object.entries({ ...query, labelSelector }).filter(([, value]) => value !== ''));
    return { namespace: this.#options.namespace, query: set, metadataOnly: this.#options.metadataOnly, signal };
  }
}

const versioned = z.object({ metadata: z.object({ resourceVersion: z.string() }) });

function keyOf(object: unknown): string {
  const { name, namespace } = z.object({ metadata }).parse(object).metadata;
  return `${namespace}/${name}`;
}
