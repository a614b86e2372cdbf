/**
 * Issue, "the operator, whole", 4: no healthy rollout of a hundred is taken back though its neighbours are noisy, and each of a hundred sick
 * ones is. Only with TEST_LONG=1, since it takes some twenty minutes: MANY_RUNS (100) rollouts of each, in LANES namespaces beside each other.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { Scene } from '../../support/rollout-scene.ts';
import { percentile95 } from '../../support/traffic.ts';
import type { Behaviour } from '../../support/workloads.ts';

const suite = process.env['TEST_LONG'] === '1' ? describe : () => undefined;
const runs = Number(process.env['MANY_RUNS'] ?? 100);
const LANES = 4;
const BRISK = [5, 10, 25, 50, 100].map((weight) => ({ weight, hold: '2s', checkEvery: '1s' }));
/** A step that waits for the verdict. */
const LASTING = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 25, hold: '10m', checkEvery: '1s' },
  { weight: 100, hold: '10m', checkEvery: '1s' },
];

/** What every version does now and then, and a release is not to blame for. */
const USUAL: Behaviour = { errorShare: 0.0005, loginFailureShare: 0.02, slowShare: 0.01, isRandom: true };
const NEIGHBOUR_MS = 300;
/**
 * The moments in which somebody else has the machine: every pod of the node is slow, whatever it runs. Three in a hundred answers over all,
 * so that the p95 of a longer look stays what it is: with more every version is over the runbook's 200 ms, and holding is the right answer.
 */
const DISTURBED: Behaviour = { ...USUAL, slowShare: 0.15 };
const DISTURBED_SHARE = 0.15;

const FAULTS: readonly (readonly [name: string, fault: Behaviour])[] = [
  ['half of all answers fail', { errorShare: 0.5 }],
  ['a tenth of all answers fail', { errorShare: 0.1 }],
  ['one answer in forty fails', { errorShare: 0.025 }],
  ['three logins in ten are refused', { loginFailureShare: 0.3 }],
  ['four answers in ten are slow', { slowShare: 0.4 }],
];

suite(`${runs} rollouts with noisy neighbours`, function () {
  this.timeout(3_600_000);
  let greedy: ChildProcess | undefined;

  before('somebody wants a whole core', () => {
    greedy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  });
  after(() => void greedy?.kill('SIGKILL'));

  const inLanes = async (work: (scene: Scene, index: number) => Promise<void>): Promise<void> => {
    let next = 0;
    const lane = async (): Promise<void> => {
      const scene = await Scene.create({ schedule: BRISK });
      scene.operator({ env: { LOG_LEVEL: 'info' } });
      await scene.adopted();
      while (next < runs) await work(scene, next++);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  };

  /** Every version of a scene, and `faults` beside it, until the returned function is called. */
  function disturb(scene: Scene, faults: ReadonlyMap<string, Behaviour>): () => Promise<void> {
    const over = new AbortController();
    const loop = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const mood = Math.random() < DISTURBED_SHARE ? DISTURBED : USUAL;
        for (const { version } of scene.workloads.pods.values()) {
          scene.workloads.behaviours.set(version, { ...mood, ...faults.get(version) });
        }
        scene.workloads.requestsPerSecond = 120 + Math.random() * 160;
        await pause(NEIGHBOUR_MS, undefined, { signal: over.signal }).catch(() => undefined);
      }
    };
    const running = loop();
    return async () => {
      over.abort();
      await running;
    };
  }

  /** A new version, whose run is another one than the last. */
  async function release(scene: Scene, version: string): Promise<(revision: string | undefined) => boolean> {
    const { revision: before } = (await scene.rollout()).status;
    await scene.release(version);
    return (revision) => revision !== before;
  }

  it('takes no healthy one back', async () => {
    const decisions = new Set<string>();
    await inLanes(async (scene, index) => {
      const version = `sound-${index}`;
      const isOfThis = await release(scene, version);
      const rest = disturb(scene, new Map());
      const { status } = await scene.until(`${version} is promoted`, 180_000, ({ status: seen }) => {
        return seen.phase === 'Succeeded' && isOfThis(seen.revision) && seen.revision === seen.stableRevision;
      });
      await rest();
      for (const { decision, reason } of status.history) decisions.add(`${decision} ${reason}`);
    });
    console.log(`      ${[...decisions].join(', ')}`);
    expect([...decisions].filter((text) => /^(rollback|zero|reduce) /.test(text))).to.deep.equal([]);
  });

  it('takes every sick one back', async () => {
    const secondsBy = new Map<string, number[]>(FAULTS.map(([name]) => [name, []]));
    await inLanes(async (scene, index) => {
      const [name, fault] = FAULTS[index % FAULTS.length] ?? ['', {}];
      const version = `sick-${index}`;
      await scene.patchRollout({ spec: { schedule: LASTING } });
      const isOfThis = await release(scene, version);
      const faults = new Map<string, Behaviour>();
      const rest = disturb(scene, faults);
      await scene.until(`${version} has traffic`, 60_000, () => scene.weight().then((weight) => weight > 0));
      await pause(Math.random() * 4_000); // in any moment of the first two steps
      faults.set(version, fault);
      const sickAt = performance.now();
      await scene.until(`${version} is taken back`, 120_000, async ({ status: { phase, revision } }) => {
        return /^(RolledBack|Zeroed)$/.test(phase ?? '') && isOfThis(revision) && (await scene.weight()) === 0;
      });
      secondsBy.get(name)?.push((performance.now() - sickAt) / 1_000);
      await rest();
    });
    for (const [name, seconds] of secondsBy) {
      const [p95, worst] = [percentile95(seconds), Math.max(...seconds)].map((value) => value.toFixed(1));
      console.log(`      ${name}: ${seconds.length} taken back, p95 ${p95} s, at most ${worst} s`);
    }
    expect([...secondsBy.values()].flat()).to.have.length(runs);
  });
});
