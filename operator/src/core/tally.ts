/** What of the counts of a span or a batch is bad. trial.ts weighs these, judge.ts names the severity by their shares. */

import type { Tally } from './sequential.ts';
import type { Counts } from './window.ts';

export function errorsIn({ serverErrors, requests }: Counts): Tally {
  return tally(serverErrors, requests);
}

export function loginsIn({ loginFailures, logins }: Counts): Tally {
  return tally(loginFailures, logins);
}

/**
 * The key of a latency bound. Not the bare number: for a key that reads as an index V8 reserves a slot for every number below it, 6 KB for each
 * sum of a second, 50 MB for twenty rollouts on their way.
 */
export function boundKey(boundMs: number): string {
  return `${boundMs}ms`;
}

/** @param boundMs a bound of the latency histogram; where it is not counted, nothing is slower */
export function slowIn({ requests, fasterThan }: Counts, boundMs: number): Tally {
  // Decision records of operators before boundKey have the bare number.
  return tally(requests - (fasterThan[boundKey(boundMs)] ?? fasterThan[String(boundMs)] ?? requests), requests);
}

/** Two counters of one exposition need not be of one moment, and a gain may be taken back by a reset. */
function tally(bad: number, total: number): Tally {
  const known = Math.max(0, total);
  return { bad: Math.min(known, Math.max(0, bad)), total: known };
}
