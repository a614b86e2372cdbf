/**
 * `overload`: ten times the logins that the core can hash, with me and validate beside them. Who is let in is served in time, who is not hears
 * it at once, and nobody else notices.
 */
import { type ClientSession, logins, reads, registerAtFullCost, renew } from './latchkey.ts';
import { type Arrival, after, closedLoop, openLoop, quantile } from './load.ts';
import { measureHashLimit } from './login.ts';
import { type Spread, spreadOf } from './measure.ts';
import type { PinnedProcess } from './pinned-process.ts';
import type { Figure } from './report.ts';
import type { Scenario } from './scene.ts';

const TIMES = 10;
/** Of each of me and validate: enough for a p99, little enough to leave the core to the hashes. */
const READS_PER_SECOND = 20;
const READ_P99_MS = 50;
const ACCEPTED_MAX_MS = 2_000;
const REFUSED_P99_MS = 50;
const EFFICIENCY = 0.95;
const ACCOUNTS = 8;
/** A queue that fills and empties is no steady state. */
const SETTLE_SECONDS = 2;
const MIN_FLOOD_SECONDS = 8;
const WARM_SECONDS = 5;
const WARM_CLIENTS = 16;
const ME = '/api/v1/auth/me';
const VALIDATE = '/api/v1/auth/validate';

const atMost = (name: string, value: number, limit: number, note?: string): Figure => ({
  name,
  unit: 'ms',
  value: { median: value, min: value, max: value },
  target: `< ${limit} ms`,
  isMet: value < limit,
  ...(note === undefined ? {} : { note }),
});

const latencies = (arrivals: readonly Arrival[], status: number): readonly number[] =>
  arrivals.filter((arrival) => arrival.status === status).map(({ ms }) => ms);

const readFigure = (name: string, arrivals: readonly Arrival[]): Figure => {
  const good = latencies(arrivals, 200);
  const figure = atMost(
    `overload: ${name}, p99`,
    quantile(good, 0.99),
    READ_P99_MS,
    `p50 ${quantile(good, 0.5).toFixed(1)} ms`,
  );
  return good.length === arrivals.length ? figure : { ...figure, isMet: false, note: 'not all answered 200' };
};

const loginFigures = (arrivals: readonly Arrival[]): readonly Figure[] => {
  const refused = arrivals.filter(({ status }) => status !== 200);
  const isHonest = refused.every(({ status, head }) => status === 503 && /\r\nretry-after: \d/i.test(head));
  return [
    atMost('overload: accepted logins, longest', Math.max(...latencies(arrivals, 200)), ACCEPTED_MAX_MS),
    {
      ...atMost('overload: refused logins, p99', quantile(latencies(arrivals, 503), 0.99), REFUSED_P99_MS),
      note: isHonest ? 'all 503 with Retry-After' : 'not all 503 with Retry-After',
      isMet: isHonest && quantile(latencies(arrivals, 503), 0.99) < REFUSED_P99_MS,
    },
  ];
};

/** A service that is flooded has been running: the compiler has seen a refusal, a login and a read. */
const warmUp = async (port: number, emails: readonly string[], sessions: readonly ClientSession[]): Promise<void> => {
  const next = logins(emails);
  await closedLoop(
    port,
    Array.from({ length: WARM_CLIENTS }, () => ({ next })),
    after(WARM_SECONDS),
  );
  for (const path of [ME, VALIDATE]) await closedLoop(port, reads(path, sessions, WARM_CLIENTS), after(1));
};

/** What the core is asked for besides logins, and what it answered, by path. */
const readBeside = async (
  port: number,
  sessions: readonly ClientSession[],
  seconds: number,
): Promise<readonly (readonly Arrival[])[]> => {
  const rate = { perSecond: READS_PER_SECOND, seconds };
  const conversations = [ME, VALIDATE].flatMap((path) => reads(path, sessions, 1));
  return Promise.all(conversations.map((conversation) => openLoop(port, () => conversation.next(), rate)));
};

/** Hashes a CPU-second of the core while the server answers the reads and nobody logs in: what the flood's logins can have at most. */
const measureLimitBesideReads = async (
  server: PinnedProcess,
  sessions: readonly ClientSession[],
  seconds: number,
): Promise<number> => {
  const hashing = measureHashLimit(seconds);
  const cpuBefore = server.cpuSeconds();
  await readBeside(server.port, sessions, seconds);
  const servingCpu = server.cpuSeconds() - cpuBefore;
  const { hashes, cpuSeconds } = await hashing;
  return hashes / (cpuSeconds + servingCpu);
};

/** One flood, without the time that it takes to settle. */
interface Flood {
  readonly me: readonly Arrival[];
  readonly validate: readonly Arrival[];
  readonly logins: readonly Arrival[];
  /** Accepted logins. */
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

/** From the first of the window to its last: counting those of a window would be off by one, and a window has some thirty. */
const acceptedPerSecond = (arrivals: readonly Arrival[], from: number, to: number): number => {
  const ends = arrivals
    .filter(({ status, endedAt }) => status === 200 && endedAt > from && endedAt <= to)
    .map(({ endedAt }) => endedAt)
    .toSorted((a, b) => a - b);
  return (ends.length - 1) / ((ends.at(-1) ?? 0) - (ends[0] ?? 0));
};

const flood = async (
  server: PinnedProcess,
  { emails, sessions }: { readonly emails: readonly string[]; readonly sessions: readonly ClientSession[] },
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<Flood> => {
  const attempts = openLoop(server.port, logins(emails), { perSecond, seconds: seconds + SETTLE_SECONDS });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_SECONDS * 1000));
  const cpuBefore = server.cpuSeconds();
  const startedMs = performance.now();
  const [me = [], validate = []] = await readBeside(server.port, sessions, seconds);
  const cpuSeconds = server.cpuSeconds() - cpuBefore;
  const elapsed = (performance.now() - startedMs) / 1000;
  const answers = await attempts;
  const rate = acceptedPerSecond(answers, SETTLE_SECONDS, SETTLE_SECONDS + elapsed);
  return { me, validate, logins: answers, perSecond: rate, perCpuSecond: (rate * elapsed) / cpuSeconds };
};

/** The host gives and takes: each flood is held against the limits before and behind it, and the median of all counts. */
const shareOf = (floods: readonly Flood[], limits: readonly number[]): Spread =>
  spreadOf(
    floods.map(({ perCpuSecond }, round) => {
      const [before = Number.NaN, behind = Number.NaN] = limits.slice(round, round + 2);
      return (100 * perCpuSecond) / ((before + behind) / 2);
    }),
  );

export const overload: Scenario = async ({ latchkey, seconds: roundSeconds, rounds }) => {
  const server = await latchkey.serve();
  const { sessions } = latchkey;
  try {
    const emails = await registerAtFullCost(server.port, ACCOUNTS);
    await renew(server.port, sessions);
    await warmUp(server.port, emails, sessions);
    const seconds = Math.max(MIN_FLOOD_SECONDS, roundSeconds);
    const alone = await measureHashLimit(roundSeconds);
    const perSecond = alone.perSecond * TIMES;
    const floods: Flood[] = [];
    const limits = [await measureLimitBesideReads(server, sessions, seconds / 2)];
    for (let round = 0; round < rounds; round += 1) {
      floods.push(await flood(server, { emails, sessions }, { perSecond, seconds }));
      limits.push(await measureLimitBesideReads(server, sessions, seconds / 2));
    }
    const share = shareOf(floods, limits);
    const accepted = spreadOf(floods.map((each) => each.perSecond)).median;
    const ofIdleCore = spreadOf(floods.map((each) => (100 * each.perCpuSecond) / alone.perCpuSecond)).median;
    return [
      readFigure(
        'me',
        floods.flatMap(({ me }) => me),
      ),
      readFigure(
        'validate',
        floods.flatMap(({ validate }) => validate),
      ),
      ...loginFigures(floods.flatMap((each) => each.logins)),
      {
        name: 'overload: accepted logins, share of the hash limit',
        unit: '%',
        value: share,
        target: `≥ ${EFFICIENCY * 100} %`,
        isMet: share.median >= EFFICIENCY * 100,
        note: `${accepted.toFixed(2)}/s of ${perSecond.toFixed(0)}/s offered; ${ofIdleCore.toFixed(1)} % of bcrypt on an idle core`,
      },
    ];
  } finally {
    await server.stop();
  }
};
