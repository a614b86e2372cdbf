/**
 * How many percent of the users the rollout has reached: what the environment says, or, with AUTH_ROLLOUT_URL, what the operator says now.
 * Asked once a second in the background; no request waits for it. Made by service.ts; read by modes.ts for the metric and by feature-flags.ts.
 *
 * The operator away, or an answer that is none: the last number holds, as does the weight (docs/adr/0028-percentage.md).
 */
import { z } from 'zod';
import type { RolloutFlag } from '../db/system-config.ts';
import type { Log } from '../log.ts';
import { poll } from '../poll.ts';

const EVERY_MS = 1_000;
/** A replica that does not lead says so and hangs up; the next connection may find the leader. */
const NOT_LEADING_MS = 100;
const AFTER_FAILURE_MS = 5_000;
const DEADLINE_MS = 1_000;
/** The answer has some twenty bytes. */
const MAX_BYTES = 1_024;

const answer = z.object({ percentage: z.int().min(0).max(100) });

export interface RolloutPercentageDeps extends RolloutFlag {
  /** undefined: the percentage stays what it is. */
  readonly rolloutUrl: string | undefined;
  readonly log: Log;
}

export class RolloutPercentage {
  readonly #deps: RolloutPercentageDeps;
  #percentage: number;
  #isFollowing = true;

  constructor(deps: RolloutPercentageDeps) {
    this.#deps = deps;
    this.#percentage = deps.rolloutPercentage;
  }

  current(): RolloutFlag {
    return { isFeatureEnabled: this.#deps.isFeatureEnabled, rolloutPercentage: this.#percentage };
  }

  /** Begins to follow the operator; returns the function that stops it. */
  start(): () => void {
    const { rolloutUrl } = this.#deps;
    if (rolloutUrl === undefined) return () => undefined;
    const stop = new AbortController();
    const stopPolling = poll(() => this.#ask(rolloutUrl, stop.signal));
    return () => {
      stop.abort();
      stopPolling();
    };
  }

  /** @returns when to ask again */
  async #ask(url: string, stop: AbortSignal): Promise<number> {
    try {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(DEADLINE_MS)]);
      const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'application/json' } });
      const text = await readShort(response);
      if (response.status === 503) return NOT_LEADING_MS;
      if (response.status !== 200) throw new Error(`the operator answered ${response.status}`);
      this.#percentage = answer.parse(JSON.parse(text)).percentage;
      this.#say(true);
      return EVERY_MS;
    } catch (error) {
      if (!stop.aborted) this.#say(false, error);
      return AFTER_FAILURE_MS;
    }
  }

  /** Once an outage, not once a second. */
  #say(isFollowing: boolean, error?: unknown): void {
    if (isFollowing === this.#isFollowing) return;
    this.#isFollowing = isFollowing;
    const percentage = this.#percentage;
    if (isFollowing) this.#deps.log.info({ percentage }, 'the rollout percentage follows the operator again');
    else
      this.#deps.log.warn(
        { error, percentage },
        'the rollout percentage keeps its last value: AUTH_ROLLOUT_URL does not say it',
      );
  }
}

const readShort = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};
