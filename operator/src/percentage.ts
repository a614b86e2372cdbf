/**
 * GET /rollouts/NAMESPACE/NAME/percentage: how many percent of the users a rollout has reached, for the API's flag and metric of that name
 * (docs/adr/0028-percentage.md). Served by health.ts from what the watch has seen; it says one number and changes nothing, so it asks for no
 * token, as /metrics does not.
 *
 * Only the leader answers: it writes the weights, and a standby whose watch lags would have the number jump back and forth.
 */
import { type Answer, NOT_LEADING, problem } from './answer.ts';

export interface PercentageOptions {
  readonly isLeading: () => boolean;
  /** By `namespace/name`; undefined where there is no such rollout, or no status yet. */
  readonly percentageOf: (key: string) => number | undefined;
}

const PATH = /^\/rollouts\/([a-z0-9.-]{1,253})\/([a-z0-9.-]{1,253})\/percentage$/;

/** The rollout, as `namespace/name`, whose percentage this path asks for; undefined for any other path. */
export function rolloutOf(path: string): string | undefined {
  const [, namespace, name] = PATH.exec(path) ?? [];
  return namespace === undefined ? undefined : `${namespace}/${name}`;
}

/** 200 with `{"percentage": 25}`, 404, 405 or 503. */
export function answerPercentage(options: PercentageOptions, method: string | undefined, rollout: string): Answer {
  if (method !== 'GET' && method !== 'HEAD') return NOT_GET;
  if (!options.isLeading()) return NOT_LEADING;
  const percentage = options.percentageOf(rollout);
  if (percentage === undefined) return problem(404, 'unknown-rollout', `no AuthRollout ${rollout} with a status`);
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ percentage }) };
}

const NOT_GET = problem(405, 'method-not-allowed', 'GET the percentage; the operator alone changes it', {
  allow: 'GET, HEAD',
});
