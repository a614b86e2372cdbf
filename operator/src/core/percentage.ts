/** How many percent of the users the newest revision serves. Told by percentage.ts; the API calls it `AUTH_ROLLOUT_PERCENTAGE`. */
import type { Status } from './status.ts';

/**
 * The weight while a run is under way or has been taken back; 100 where one revision serves everybody: promoted, or being adopted.
 * @returns 0–100; undefined before the first status
 */
export function percentageOf({ phase, weight }: Pick<Status, 'phase' | 'weight'>): number | undefined {
  switch (phase) {
    case undefined:
      return undefined;
    case 'Initializing':
    case 'Promoting':
    case 'Succeeded':
      return 100;
    case 'Progressing':
    case 'Zeroed':
    case 'RolledBack':
      return weight ?? 0;
  }
}
