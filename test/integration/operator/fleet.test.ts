// Issue, "the operator, whole", fleet and 7: what many rollouts cost one operator. Only with TEST_LONG=1, since a thousand adoptions take
// a machine of two cores many minutes: FLEET_SIZE (1000) rollouts, FLEET_IN_FLIGHT (20) of them in flight, FLEET_SOAK_MINUTES (30).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { bundleOperator } from '../../../operator/bundle.ts';
import { eventually } from '../../support/eventually.ts';
import { Fleet } from '../../support/fleet.ts';
import { OperatorProcess } from '../../support/operator.ts';
import { preparedApiserver } from '../../support/rollout-scene.ts';

const isLong = process.env['TEST_LONG'] === '1';
const size = Number(process.env['FLEET_SIZE'] ?? 1_000);
const inFlight = Number(process.env['FLEET_IN_FLIGHT'] ?? 20);
const soakMs = Number(process.env['FLEET_SOAK_MINUTES'] ?? 30) * 60_000;
const setUpMs = 3_600_000;
const checkEveryMs = 60_000;
const namespace = 'fleet';
const budget = { cores: 0.25, requestsPerSecond: 5, rssMiB: 200 } as const;
const CLOCK_TICKS = 100;

const suite = isLong ? describe : () => undefined;

suite(`an operator with ${size} rollouts, ${inFlight} of them in flight`, function () {
  this.timeout(setUpMs + soakMs + 120_000);

  it('stays within its budgets, misses no check, and takes a sick one to 0 as fast as an operator with one', async () => {
    const server = await preparedApiserver();
    const fleet = await Fleet.start(server, namespace, size);
    const { program, settings } = await asInTheImage();
    const env = { LOG_LEVEL: 'info', ...settings };
    const operator = new OperatorProcess({ kubeconfig: server.kubeconfig(), namespace, program, env });
    try {
      await Promise.race([measure(fleet, operator), ended(operator)]);
    } finally {
      await operator.kill('SIGKILL');
      await fleet.close();
    }
  });
});

/** The whole of it, once the fleet stands. */
async function measure(fleet: Fleet, operator: OperatorProcess): Promise<void> {
  await adopted(fleet);
  const running = fleet.names.slice(0, inFlight);
  await fleet.release(running);
  await eventually('some are in flight', 60_000, async () => (await fleet.phases())['Progressing'] === inFlight);
  await eventually('their traffic is on', 60_000, async () => (await fleet.weightOf(running.at(-1) ?? '')) === 50);
  await settled(operator);

  const before = await sample(operator);
  const rssMiB: number[] = [];
  for (let left = soakMs; left > 0; left -= Math.min(left, 60_000)) {
    await pause(Math.min(left, 60_000));
    const { rssMiB: now } = await sample(operator);
    rssMiB.push(now);
    console.log(`      minute ${rssMiB.length}: ${now.toFixed(0)} MiB`);
  }
  const after = await sample(operator);
  const seconds = (after.atMs - before.atMs) / 1_000;
  const spent = {
    rssMiB: Math.max(...rssMiB),
    cores: (after.cpuSeconds - before.cpuSeconds) / seconds,
    requestsPerSecond: (after.requests - before.requests) / seconds,
    checksPerRollout: (after.rounds - before.rounds) / inFlight,
  };
  console.log(`      ${seconds.toFixed(0)} s: ${JSON.stringify(spent)}`);
  expect(spent.rssMiB).to.be.at.most(budget.rssMiB);
  expect(spent.cores).to.be.at.most(budget.cores);
  expect(spent.requestsPerSecond).to.be.at.most(budget.requestsPerSecond);
  expect(spent.checksPerRollout).to.be.at.least(Math.floor((seconds * 1_000) / checkEveryMs) - 1);

  const [sick = ''] = running;
  const sickAt = performance.now();
  fleet.sick.add(sick);
  await eventually('its weight is 0', 10_000, async () => (await fleet.weightOf(sick)) === 0);
  const tookMs = performance.now() - sickAt;
  console.log(`      first fault to weight 0 in status: ${tookMs.toFixed(0)} ms`);
  expect(tookMs).to.be.at.most(3_000);
}

/** Asked now and then only: a list of a thousand costs the apiserver more than an adoption. */
async function adopted(fleet: Fleet): Promise<void> {
  const startedAt = performance.now();
  await eventually('all are adopted', setUpMs, async () => {
    await pause(10_000);
    const { Succeeded: count = 0 } = await fleet.phases();
    console.log(`      ${((performance.now() - startedAt) / 1_000).toFixed(0)} s: ${count} of ${size} adopted`);
    return count === size;
  });
}

async function ended(operator: OperatorProcess): Promise<never> {
  throw new Error(`the operator ended with ${await operator.exited} too early: ${operator.tail(20)}`);
}

/** What operator/Dockerfile makes: one file, a small nursery, and a code cache that is filled beforehand. */
async function asInTheImage() {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-fleet-'));
  const program = join(folder, 'operator.mjs');
  await bundleOperator(program);
  const settings = {
    // Two fifths of the chart's 256 MiB.
    NODE_OPTIONS: '--max-semi-space-size=2 --max-old-space-size=102',
    MALLOC_ARENA_MAX: '2',
    NODE_COMPILE_CACHE: join(folder, 'cache'),
  };
  execFileSync(process.execPath, [program, '--help'], { env: settings, stdio: 'ignore' });
  return { program, settings };
}

interface Cost {
  readonly atMs: number;
  readonly rssMiB: number;
  readonly cpuSeconds: number;
  /** To the apiserver, since the start. */
  readonly requests: number;
  /** Rounds of the steps' checks. */
  readonly rounds: number;
}

async function sample(operator: OperatorProcess): Promise<Cost> {
  const { body } = await operator.get('/metrics');
  const sum = (name: string, matcher = ''): number =>
    body
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && line.includes(matcher))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  const stat = readFileSync(`/proc/${operator.pid}/stat`, 'utf8');
  // Fields 14 and 15 of proc(5), counted after the command's name, which may hold blanks.
  const [user = '0', system = '0'] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  const rssKiB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${operator.pid}/status`, 'utf8'))?.[1]);
  return {
    atMs: performance.now(),
    rssMiB: rssKiB / 1_024,
    cpuSeconds: (Number(user) + Number(system)) / CLOCK_TICKS,
    requests: sum('latchkey_api_requests_total'),
    rounds: sum('latchkey_rollout_checks_total', 'check="errorRate"'),
  };
}

/** Waits until the burst of adoptions is over: nothing is queued any more. */
async function settled(operator: OperatorProcess): Promise<void> {
  await eventually('the queue is empty', 60_000, async () =>
    /^latchkey_workqueue_depth 0$/m.test((await operator.get('/metrics')).body),
  );
}
