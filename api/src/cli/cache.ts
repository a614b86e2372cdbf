/**
 * `latchkey cache clear`: empties what this service keeps in Redis. Nobody is logged out by it, since PostgreSQL is the truth; the
 * next request of each session asks there. Revocations stay, and rate-limit counters unless they are asked for: without them a guesser begins afresh.
 * Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import type { Redis } from 'ioredis';
import { PREFIX, scanKeys, withRedis } from '../cache/command-redis.ts';
import { command, runAlone, UsageError, verbOf } from './command.ts';

const HELP = `Usage: latchkey cache clear [options]

Deletes the keys that begin with latchkey: and nothing else of that Redis. Sessions live on; ended ones stay ended.

Options
  --limits        delete the rate-limit counters too: whoever was limited begins afresh
  --dry-run       only count
  -o, --output    text (default) or json
  -h, --help      this text

Environment
  REDIS_URL       redis:// or rediss://

Exit codes: 0 done, 1 failed, 2 wrong usage
`;

const LIMITS = `${PREFIX}limit:`;
/** A session's tombstone (cache/liveness.ts): a slow reader could write `live` where it stood, so it stays until it expires. */
const ENDED = 'ended';

const VERBS = ['clear'] as const;

interface Cleared {
  readonly deleted: number;
  readonly kept: number;
}

interface ClearOptions {
  readonly withLimits: boolean;
  readonly isDryRun: boolean;
}

/** What others store there is never looked at. */
const clear = async (redis: Redis, { withLimits, isDryRun }: ClearOptions): Promise<Cleared> => {
  let [deleted, kept] = [0, 0];
  for await (const keys of scanKeys(redis, `${PREFIX}*`)) {
    const values = await redis.mget(...keys);
    const chosen = keys.filter((key, i) => values[i] !== ENDED && (withLimits || !key.startsWith(LIMITS)));
    deleted += chosen.length;
    kept += keys.length - chosen.length;
    if (!isDryRun && chosen.length > 0) await redis.unlink(...chosen);
  }
  return { deleted, kept };
};

export const cache = command({
  name: 'cache',
  help: HELP,
  verbs: VERBS,
  options: { limits: { type: 'boolean', default: false }, 'dry-run': { type: 'boolean', default: false } },
  work: async ({ operands, values: { limits, 'dry-run': isDryRun }, terminal }) => {
    verbOf(VERBS, operands[0]);
    const url = terminal.env['REDIS_URL'];
    if (url === undefined || !/^rediss?:\/\//.test(url)) throw new UsageError('set REDIS_URL to redis:// or rediss://');
    const cleared = await withRedis(url, (redis) => clear(redis, { withLimits: limits, isDryRun }));
    const kept = cleared.kept === 0 ? '' : `, ${cleared.kept} revocations and rate-limit counters kept`;
    const text = `${isDryRun ? 'would delete' : 'deleted'} ${cleared.deleted} keys${kept}`;
    return { data: { ...cleared, isDryRun }, text, isGood: true };
  },
});

if (import.meta.main) await runAlone(cache);
