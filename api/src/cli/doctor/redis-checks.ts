/** Whether Redis can be used as the service uses it: as a cache that must not forget by itself. Part of the list in ../doctor.ts. */
import { type Check, fail, ok, Skip, warn } from './check.ts';
import type { Installation } from './installation.ts';

/** The first word of a reply that refuses. */
const REFUSAL = /^(NOAUTH|WRONGPASS|NOPERM|ERR invalid password|ERR AUTH)/;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** undefined when it answered as asked. */
const greetingError = async (installation: Installation): Promise<string | undefined> => {
  try {
    await installation.redis();
    return undefined;
  } catch (error) {
    if (error instanceof Skip) throw error;
    return messageOf(error);
  }
};

const placeOf = (installation: Installation): string => {
  const { hostname, port } = new URL(installation.read('REDIS_URL'));
  return `${hostname}:${port === '' ? '6379' : port}`;
};

/** INFO as a map; asked for by checks that have something to say only where Redis answers. */
const infoOf = async (installation: Installation, section: string): Promise<ReadonlyMap<string, string>> => {
  const greeting = await greetingError(installation);
  if (greeting !== undefined) throw new Skip('Redis cannot be asked: see redis, redis-login');
  const text = await (await installation.redis()).info(section);
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const [name = '', value] = line.split(':', 2);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
};

const reachable: Check = {
  id: 'redis',
  looksAt: 'Redis answers at REDIS_URL',
  look: async (installation) => {
    if (installation.read('REDIS_URL') === '')
      return installation.appEnv === 'development'
        ? ok('none is configured: limits count in the process')
        : warn(
            'REDIS_URL is not set: every pod counts its own rate limits, and sessions are read from PostgreSQL',
            'REDIS_URL=rediss://:password@redis.example.com:6379',
          );
    const greeting = await greetingError(installation);
    const place = placeOf(installation);
    if (greeting === undefined || REFUSAL.test(greeting)) return ok(`Redis answers at ${place}`);
    const [host = '', port = ''] = place.split(/:(?=\d+$)/);
    return fail(
      `nobody answers as Redis at ${place}`,
      `start it, or correct host, port and redis:// or rediss:// in REDIS_URL; redis-cli -h ${host} -p ${port} ping says PONG when it answers`,
    );
  },
};

const login: Check = {
  id: 'redis-login',
  looksAt: 'Redis wants a password, and takes the one of REDIS_URL',
  look: async (installation) => {
    const greeting = await greetingError(installation);
    if (greeting !== undefined && !REFUSAL.test(greeting)) throw new Skip('Redis does not answer: see redis');
    if (greeting !== undefined)
      return fail(
        `Redis refuses the login of REDIS_URL (${greeting.split(' ')[0] ?? ''})`,
        'write the password of its requirepass, or of its ACL user, into REDIS_URL=redis://user:password@host:6379',
      );
    const { password } = new URL(installation.read('REDIS_URL'));
    if (password !== '') return ok('Redis takes the login');
    if (installation.appEnv === 'development') return ok('development: a Redis without a password is accepted');
    return warn(
      'Redis wants no password: whoever reaches it can lift every rate limit and read which sessions live',
      'requirepass in redis.conf (or an ACL user), and the password in REDIS_URL=redis://:password@host:6379',
    );
  },
};

const eviction: Check = {
  id: 'redis-eviction',
  looksAt: 'Redis forgets nothing by itself',
  look: async (installation) => {
    const info = await infoOf(installation, 'memory');
    const policy = info.get('maxmemory_policy') ?? 'unknown';
    const [used, most] = [Number(info.get('used_memory')), Number(info.get('maxmemory'))];
    const remedy =
      'redis-cli CONFIG SET maxmemory-policy noeviction, and maxmemory-policy noeviction in redis.conf; others belong into a Redis of their own';
    if (policy.startsWith('allkeys-'))
      return fail(`maxmemory-policy is ${policy}: rate-limit counters and ended sessions may be forgotten`, remedy);
    // Every key of ours has a time to live, so it is among those that go.
    if (policy !== 'noeviction' && most > 0)
      return warn(`maxmemory-policy is ${policy} and memory is limited: our keys may be forgotten`, remedy);
    if (most > 0 && used > 0.9 * most)
      return warn(
        `Redis uses ${Math.round((100 * used) / most)} % of its memory: soon it takes no writes`,
        `redis-cli CONFIG SET maxmemory ${2 * most}, and the same in redis.conf`,
      );
    return ok(`maxmemory-policy is ${policy}`);
  },
};

const primary: Check = {
  id: 'redis-primary',
  looksAt: 'Redis takes writes',
  look: async (installation) => {
    const role = (await infoOf(installation, 'replication')).get('role');
    if (role !== 'slave') return ok('Redis takes writes');
    return fail(
      'this Redis is a replica: it takes no writes',
      'name the primary in REDIS_URL, or redis-cli REPLICAOF NO ONE',
    );
  },
};

export const REDIS_CHECKS: readonly Check[] = [reachable, login, eviction, primary];
