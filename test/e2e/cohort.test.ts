// Issue, "Cohorts": on the real gateway, users with the cookie stay on the canary from 5 % to 100 % and through the promotion, none flips
// back, users without it follow the weight, and after a fault all of them are on stable.
import { Agent, request } from 'node:http';
import { expect } from 'chai';
import { names } from '../../k8s/demo/install.ts';
import type { ScheduleStep } from '../../k8s/demo/record.ts';
import { cohortExpression } from '../../operator/src/core/cohort-expression.ts';
import { eventually } from '../support/eventually.ts';
import {
  cohortCookie,
  host,
  type Installation,
  namespace,
  patchRollout,
  rolloutDeadlineMs,
  runsAndIs,
  untilPromoted,
  upgradeTo,
  useInstallation,
  withdraw,
} from './installation.ts';

/** A ceiling holds each step until it has been looked at. */
const steps: readonly ScheduleStep[] = [5, 25, 50, 100].map((weight) => ({ weight, hold: '3s', checkEvery: '1s' }));
const lasting: readonly ScheduleStep[] = [
  { weight: 25, hold: '10m', checkEvery: '1s' },
  { weight: 100, hold: '10m', checkEvery: '1s' },
];
/** Who goes where is asked here, not how fast: what else the machine does must not take the canary down. */
const PATIENT = { matrix: { latencyP95: { p1: '10s', p2: '5s', p3: '2500ms' } } };
/** Pods start beside the users on the same two cores. */
const ANSWER_DEADLINE_MS = 20_000;
/** Less than the others: a starved server answers late for a reason that is not the rule's. */
const lightLoad = { requestsPerSecond: 50, loginsPerSecond: 3 };
const BUCKETS = Array.from({ length: 100 }, (_, bucket) => bucket);
/** Twice what sick.test.ts allows at 40 canary requests a second: at a dozen the evidence takes longer. */
const exposureLimitMs = 6_000;

interface Seen {
  readonly status: number;
  readonly version: string;
  readonly cookies: readonly string[];
}

interface Asking {
  readonly method?: string;
  readonly path?: string;
  readonly cookie?: string;
  readonly body?: object;
}

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

/** One request through the gateway, as a browser of our own origin sends it. */
function ask(
  { place }: Installation,
  { method = 'GET', path = '/api/health/live', cookie, body }: Asking,
): Promise<Seen> {
  const { hostname, port } = new URL(place.gatewayUrl);
  const headers = {
    host,
    origin: `http://${host}`,
    'content-type': 'application/json',
    ...(cookie === undefined ? {} : { cookie }),
  };
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers, agent, timeout: ANSWER_DEADLINE_MS }, (answer) => {
      answer.resume().on('end', () => {
        const { 'latchkey-version': version, 'set-cookie': cookies = [] } = answer.headers;
        resolve({ status: answer.statusCode ?? 0, version: String(version), cookies });
      });
    });
    sent.on('error', reject).on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_DEADLINE_MS} ms`)));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const cookieFor = (bucket: number): string => `theme=dark; ${cohortCookie}=${bucket}; x${cohortCookie}=0`;

const sweepers = new Set<Sweeper>();
afterEach('nobody asks on', async () => {
  for (const sweeper of sweepers) await sweeper.stop();
});

/** Asks for every bucket in turn until it is stopped, and keeps who answered. */
class Sweeper {
  readonly #installation: Installation;
  readonly #version: string;
  /** Buckets that the canary has answered. */
  readonly moved = new Set<number>();
  /** Buckets that stable answered after the canary had. */
  readonly flipped = new Set<number>();
  lastCanaryAtMs = 0;
  sweeps = 0;
  #isOver = false;
  readonly #loop: Promise<void>;

  constructor(installation: Installation, version: string) {
    this.#installation = installation;
    this.#version = version;
    this.#loop = this.#sweep();
    sweepers.add(this);
  }

  async #sweep(): Promise<void> {
    while (!this.#isOver) {
      for (const bucket of BUCKETS) {
        const { version } = await ask(this.#installation, { cookie: cookieFor(bucket) });
        if (version === this.#version) {
          this.moved.add(bucket);
          this.lastCanaryAtMs = Date.now();
        } else if (this.moved.has(bucket)) this.flipped.add(bucket);
      }
      this.sweeps += 1;
    }
  }

  async stop(): Promise<void> {
    sweepers.delete(this);
    this.#isOver = true;
    await this.#loop;
  }
}

async function onCanary(installation: Installation, version: string): Promise<readonly number[]> {
  const answers = await Promise.all(BUCKETS.map((bucket) => ask(installation, { cookie: cookieFor(bucket) })));
  return BUCKETS.filter((bucket) => answers[bucket]?.version === version);
}

/** The canary's percent of 400 requests. */
async function shareOf(installation: Installation, version: string, asking: Asking): Promise<number> {
  const answers = await Promise.all(Array.from({ length: 400 }, () => ask(installation, asking)));
  return answers.filter((answer) => answer.version === version).length / 4;
}

async function reaches({ recorder }: Installation, weight: number, version: string): Promise<void> {
  await recorder.until(
    `${weight} % of ${version}`,
    { deadlineMs: rolloutDeadlineMs },
    (record) => record.weight === weight,
  );
}

async function ownRules({ place }: Installation): Promise<string> {
  const route = await place.kubectl.run(['get', 'httproute', names.release, '-n', namespace, '-o', 'json']);
  const parsed = JSON.parse(route) as { spec: { rules: readonly { name: string }[] } };
  return JSON.stringify(parsed.spec.rules.filter(({ name }) => name.startsWith('latchkey-cohort-')));
}

describe('a cohort', function () {
  this.timeout(rolloutDeadlineMs * 3);
  const installation = useInstallation(lightLoad);
  before('patience', () => patchRollout(installation(), PATIENT));
  after('as it was', () => patchRollout(installation(), { matrix: null, maxWeight: null, cohort: null }));

  it('keeps the same users on the canary from 5 % to its promotion, and everybody else goes by the weight', async () => {
    const here = installation();
    await patchRollout(here, { maxWeight: 5 });
    const version = await upgradeTo(here, { content: 'sound', schedule: steps, cohort: true });
    const sweeper = new Sweeper(here, version);
    for (const { weight } of steps.slice(0, 3)) {
      await patchRollout(here, { maxWeight: weight });
      await reaches(here, weight, version);
      const expected = BUCKETS.slice(0, weight).join();
      await eventually(`exactly the buckets below ${weight}`, 30_000, async () => {
        return (await onCanary(here, version)).join() === expected;
      });
      expect((await onCanary(here, version)).join()).to.equal(expected);
    }
    await here.recorder.until('The rules are programmed', { deadlineMs: 20_000 }, ({ status }) =>
      (status?.conditions ?? []).some(({ type, status: is }) => type === 'CohortProgrammed' && is === 'True'),
    );
    const without = await shareOf(here, version, {});
    const malformed = await shareOf(here, version, { cookie: `${cohortCookie}=050` });
    console.log(
      `      at 50 %: ${without} % of the requests without the cookie, ${malformed} % of those with a value that is no bucket`,
    );
    for (const share of [without, malformed]) expect(share).to.be.within(35, 65);
    const promoted = untilPromoted(here, version);
    await patchRollout(here, { maxWeight: null });
    await reaches(here, 100, version);
    expect(await ownRules(here)).to.equal('[]');
    await promoted;
    await eventually('everybody is on it', 20_000, () => sweeper.moved.size === BUCKETS.length);
    await sweeper.stop();
    console.log(`      ${sweeper.sweeps} sweeps of 100 users`);
    expect([...sweeper.flipped]).to.deep.equal([]);
  });

  it('knows each user by the cookie that the API set at the login', async () => {
    const here = installation();
    const email = `cohort-${Date.now()}@example.com`;
    const password = 'Correct-Horse-9-Staple';
    const version = await upgradeTo(here, { content: 'sound', schedule: lasting, cohort: true });
    await reaches(here, 25, version);
    const account = { email, password, firstName: 'Co', lastName: 'Hort' };
    expect((await ask(here, { method: 'POST', path: '/api/v1/auth/register', body: account })).status).to.equal(201);
    const login = await ask(here, {
      method: 'POST',
      path: '/api/v1/auth/login',
      body: { email, password, client: 'browser' },
    });
    expect(login.status).to.equal(200);
    const bucket = login.cookies.flatMap((cookie) => /^lk_bucket=(\d+);/.exec(cookie)?.[1] ?? []).map(Number)[0] ?? -1;
    expect(bucket).to.be.within(0, 99);
    const jar = login.cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ');
    const expected = bucket < 25;
    for (let count = 0; count < 50; count += 1) {
      const seen = await ask(here, { path: '/api/v1/auth/me', cookie: jar });
      expect([seen.status, seen.version === version]).to.deep.equal([200, expected]);
    }
    await withdraw(here);
  });

  it('is on stable within the bound after a fault, and the rule goes with the weight', async () => {
    const here = installation();
    const fault = { kind: 'error', ratio: 0.5 };
    const isRolledBack = runsAndIs(here.recorder, 'RolledBack');
    const version = await upgradeTo(here, { content: 'faulty', fault, schedule: lasting, cohort: true });
    const sweeper = new Sweeper(here, version);
    await eventually('the canary answers', rolloutDeadlineMs, () => sweeper.moved.size > 0);
    const firstMs = Date.now();
    await here.recorder.until('The rollback', { deadlineMs: rolloutDeadlineMs }, isRolledBack);
    expect(await ownRules(here)).to.equal('[]');
    const after = sweeper.sweeps;
    await eventually('two more sweeps', 30_000, () => sweeper.sweeps >= after + 3);
    await sweeper.stop();
    const exposureMs = sweeper.lastCanaryAtMs - firstMs;
    console.log(`      ${exposureMs} ms from the first to the last canary answer, ${sweeper.moved.size} users met it`);
    expect(exposureMs).to.be.at.most(exposureLimitMs);
    expect([...sweeper.moved].every((bucket) => bucket < 25)).to.equal(true);
    expect(await onCanary(here, version)).to.deep.equal([]);
  });

  it('ends when spec.cohort goes, in mid-run, at the same weight', async () => {
    const here = installation();
    const version = await upgradeTo(here, { content: 'sound', schedule: lasting, cohort: true });
    await reaches(here, 25, version);
    expect(await ownRules(here)).to.contain(JSON.stringify(cohortExpression(cohortCookie, 'canary', 25)));
    await patchRollout(here, { cohort: null });
    await eventually('the rules are gone', 20_000, async () => (await ownRules(here)) === '[]');
    expect(here.recorder.record.weight).to.equal(25);
    await eventually('the user of bucket 0 goes by chance', 10_000, async () => {
      return (await ask(here, { cookie: cookieFor(0) })).version !== version;
    });
    // At weight 0 the operator has nothing to write while Helm runs, twice.
    await patchRollout(here, { maxWeight: 0 });
    await reaches(here, 0, version);
    await upgradeTo(here, { content: 'sound', schedule: lasting, cohort: false });
    await withdraw(here);
  });
});
