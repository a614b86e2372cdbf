/** What this process knows of each client's hits, whether Redis is there or not. Called by cache/exact-limit.ts and cache/shared-limit.ts. */
import { LRUCache } from 'lru-cache';
import { BUCKETS, type Counts } from '../core/sliding-window.ts';

/** Some 10 MB a policy at most; who is forgotten while Redis is away begins anew. */
const MAX_CLIENTS = 30_000;

interface Ring {
  /** The bucket of `counts[0]`. */
  bucket: number;
  readonly counts: number[];
}

export class LimitMemory {
  readonly #rings = new LRUCache<string, Ring>({ maxSize: MAX_CLIENTS, sizeCalculation: () => 1 });

  /** Hits by age as seen from this bucket. The array is live: whoever keeps it copies it. */
  counts(client: string, bucket: number): Counts {
    return this.#ringAt(client, bucket).counts;
  }

  /** Adds to a bucket of a moment ago, or of now. */
  add(client: string, bucket: number, hits: number): void {
    const ring = this.#ringAt(client, bucket);
    const age = ring.bucket - bucket;
    if (age <= BUCKETS) ring.counts[age] = Math.max(0, (ring.counts[age] ?? 0) + hits);
  }

  /** Never forgets a hit: what others counted raises what is known here, and a Redis that was emptied lowers nothing. */
  raise(client: string, bucket: number, counts: Counts): void {
    const ring = this.#ringAt(client, bucket);
    counts.forEach((count, index) => {
      const age = index + ring.bucket - bucket;
      if (age <= BUCKETS) ring.counts[age] = Math.max(ring.counts[age] ?? 0, count);
    });
  }

  #ringAt(client: string, bucket: number): Ring {
    let ring = this.#rings.get(client);
    if (ring === undefined) {
      ring = { bucket, counts: Array.from({ length: BUCKETS + 1 }, () => 0) };
      this.#rings.set(client, ring);
    }
    const passed = bucket - ring.bucket;
    if (passed <= 0) return ring;
    ring.counts.copyWithin(passed, 0);
    ring.counts.fill(0, 0, Math.min(passed, BUCKETS + 1));
    ring.bucket = bucket;
    return ring;
  }
}
