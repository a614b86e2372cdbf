/** Whether the clocks agree: ours, PostgreSQL's, Redis'. Part of the list in ../doctor.ts. */
import { z } from 'zod';
import { CLOCK_SKEW_SECONDS } from '../../crypto/access-token.ts';
import { type Check, fail, faultsOr, type Outcome, Skip, warn } from './check.ts';
import type { Installation } from './installation.ts';

/** What NTP keeps everywhere; more is a clock that nobody corrects. */
const TOLERANCE_MS = 1_000;

interface Clock {
  readonly name: string;
  /** How far it is ahead of ours. */
  readonly aheadMs: number;
  /** Half of the time of the question: it may be wrong by so much. */
  readonly errorMs: number;
}

const measure = async (name: string, nowMs: () => number, ask: () => Promise<number>): Promise<Clock> => {
  await ask(); // the first question may open a connection
  const sinceMs = performance.now();
  const asked = nowMs();
  const theirs = await ask();
  const tookMs = performance.now() - sinceMs;
  return { name, aheadMs: theirs - (asked + tookMs / 2), errorMs: tookMs / 2 };
};

/** Seconds and microseconds; the client's types say numbers, the server sends text. */
const redisTime = z.tuple([z.coerce.number(), z.coerce.number()]);
const epoch = z.object({ ms: z.coerce.number() });

const postgresClock = ({ nowMs, ask }: Installation): Promise<Clock> =>
  measure('PostgreSQL', nowMs, async () => {
    const [row] = await ask('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms');
    return epoch.parse(row).ms;
  });

const redisClock = (installation: Installation): Promise<Clock> =>
  measure('Redis', installation.nowMs, async () => {
    const [seconds, micros] = redisTime.parse(await (await installation.redis()).time());
    return seconds * 1000 + micros / 1000;
  });

const say = (aheadMs: number): string =>
  `${(Math.abs(aheadMs) / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;

const isOff = ({ aheadMs, errorMs }: Clock): boolean => Math.abs(aheadMs) > TOLERANCE_MS + errorMs;

const consequence = (aheadMs: number): string =>
  Math.abs(aheadMs) > CLOCK_SKEW_SECONDS * 1000
    ? 'tokens of other pods are refused, codes of authenticator apps do not fit'
    : 'lifetimes and codes are off by as much';

const faultOf = (name: string, aheadMs: number, remedy: string): Outcome => {
  const finding = `the clock of ${name} is ${say(aheadMs)}: ${consequence(aheadMs)}`;
  return Math.abs(aheadMs) > CLOCK_SKEW_SECONDS * 1000 ? fail(finding, remedy) : warn(finding, remedy);
};

const SYNCHRONISE = 'timedatectl set-ntp true (or chronyc makestep)';

export const CLOCK_CHECK: Check = {
  id: 'clock',
  looksAt: 'this machine, PostgreSQL and Redis have one time',
  look: async (installation) => {
    const asked = await Promise.allSettled([postgresClock(installation), redisClock(installation)]);
    const clocks = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (clocks.length === 0) throw new Skip('neither PostgreSQL nor Redis can be asked');
    const off = clocks.filter(isOff);
    // Two that agree with each other and not with us: it is ours.
    if (
      clocks.length === 2 &&
      off.length === 2 &&
      Math.abs((off[0]?.aheadMs ?? 0) - (off[1]?.aheadMs ?? 0)) < TOLERANCE_MS
    )
      return faultOf('this machine', -(off[0]?.aheadMs ?? 0), `on this machine: ${SYNCHRONISE}`);
    const faults = off.map(({ name, aheadMs }) =>
      faultOf(name, aheadMs, `on the machine of ${name}: ${SYNCHRONISE}; if others agree with it, on this one`),
    );
    return faultsOr(faults, clocks.map(({ name, aheadMs }) => `${name} ${say(aheadMs)}`).join(', '));
  },
};
