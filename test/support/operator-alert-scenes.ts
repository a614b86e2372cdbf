/**
 * What each alert of the operator's chart is about, done to a real operator of its own on the real apiserver. Used by
 * test/integration/charts/operator-alerts.test.ts, which has a real Prometheus watch all of them at once.
 *
 * Between operator and apiserver stands a proxy (fault-proxy.ts) that says a bookmark a second into every watch: the apiserver says one a minute,
 * and a minute is two seconds to these rules.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { TestApiserver } from './apiserver.ts';
import { FaultProxy } from './fault-proxy.ts';
import { OperatorProcess } from './operator.ts';
import { type Ending, repeating } from './repeating.ts';
import { preparedApiserver, type Rollout, Scene, type SceneOptions, SECONDS } from './rollout-scene.ts';
import { WebhookReceiver } from './webhook-receiver.ts';

export interface StagedOperators {
  readonly operators: readonly OperatorProcess[];
  readonly inject: () => Promise<void>;
  readonly endings: readonly Ending[];
}

export interface OperatorScene {
  /** Also the namespace of its series. */
  readonly name: string;
  /** All alerts that this cause makes fire. */
  readonly fires: readonly string[];
  /** The cause is there from the beginning. */
  readonly isBorn?: true;
  /** @param folder for files that the operator reads */
  readonly stage: (folder: string) => Promise<StagedOperators>;
}

const listShape = z.object({ metadata: z.object({ resourceVersion: z.string() }) });

interface Connected {
  readonly proxy: FaultProxy;
  readonly kubeconfig: string;
  readonly endings: readonly [bookmarks: Ending, proxy: Ending];
}

const connected = async (server: TestApiserver): Promise<Connected> => {
  const proxy = await FaultProxy.start(server);
  const bookmarks = repeating(1_000, async () => {
    const { metadata } = listShape.parse(await server.request('GET', '/api/v1/namespaces?limit=1'));
    proxy.injectIntoWatches({ type: 'BOOKMARK', object: { metadata } });
  });
  const kubeconfig = server.kubeconfig(undefined, proxy.url);
  return { proxy, kubeconfig, endings: [bookmarks, () => proxy.close()] };
};

const isLease = (path: string): boolean => path.includes('/leases');

/** An operator with nothing to do. */
const idle = async (name: string, prepare: (proxy: FaultProxy) => void = () => undefined) => {
  const server = await preparedApiserver();
  await server.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const parts = await connected(server);
  prepare(parts.proxy);
  const operator = new OperatorProcess({ kubeconfig: parts.kubeconfig, namespace: name });
  await operator.isLeading();
  return { ...parts, operator };
};

const away = async (): Promise<StagedOperators> => {
  const { operator, endings } = await idle('alerts-away');
  return { operators: [operator], inject: async () => void (await operator.kill('SIGKILL')), endings };
};

const cutOff = async (): Promise<StagedOperators> => {
  const { operator, proxy, endings } = await idle('alerts-cut-off');
  const inject = async () => void proxy.faults.push({ matches: (_method, path) => isLease(path), hangs: true });
  return { operators: [operator], inject, endings };
};

const deaf = async (): Promise<StagedOperators> => {
  const { operator, proxy, endings } = await idle('alerts-deaf');
  const [bookmarks, close] = endings;
  return {
    operators: [operator],
    inject: async () => {
      proxy.faults.push({ matches: (_method, path) => !isLease(path), hangs: true });
      await bookmarks();
      proxy.dropWatches();
    },
    endings: [bookmarks, close],
  };
};

/** What an operator meets whose role is older than itself. */
const forbidden = async (): Promise<StagedOperators> => {
  const { operator, endings } = await idle('alerts-forbidden', (proxy) =>
    proxy.faults.push({ matches: (_method, path) => path.includes('/rolloutcomplaints'), status: 403 }),
  );
  return { operators: [operator], inject: async () => undefined, endings };
};

/** Long enough that only what a test does can end the step. */
const SLOW = [
  { weight: 25, hold: '5m', checkEvery: '1m' },
  { weight: 100, hold: '5m', checkEvery: '1m' },
];

interface Running extends Connected {
  readonly scene: Scene;
  readonly operator: OperatorProcess;
}

const adopted = async (options: SceneOptions, env: Readonly<Record<string, string>> = {}): Promise<Running> => {
  const scene = await Scene.create(options);
  const parts = await connected(scene.server);
  const operator = scene.operator({ kubeconfig: parts.kubeconfig, env });
  await scene.adopted();
  return { ...parts, scene, operator };
};

/** v2 has its first 25 %, and the sentinel has seen it answer. */
const underWay = async ({ scene }: Running): Promise<void> => {
  await scene.release('v2');
  await scene.holdsAt(25);
  await scene.until('the canary answers', 10_000, () =>
    scene.workloads.podsOf('auth-api').some((pod) => pod.scrapes >= 2),
  );
};

const channelsTo = (receivers: Readonly<Record<string, WebhookReceiver>>): string => {
  const secret = 'a-secret-of-more-than-32-characters';
  const channels = Object.entries(receivers).map(([name, { url }]) => ({ kind: 'webhook', name, url, secret }));
  return JSON.stringify({ channels });
};

/** A release that goes well and is told to people. */
const healthy = async (folder: string): Promise<StagedOperators> => {
  const receiver = await WebhookReceiver.start();
  const file = join(folder, 'healthy.json');
  writeFileSync(file, channelsTo({ hook: receiver }));
  const { scene, operator, endings } = await adopted({ schedule: SECONDS }, { NOTIFICATIONS_FILE: file });
  return {
    operators: [operator],
    inject: async () => {
      await scene.release('v2');
      const isDone = ({ status }: Rollout): boolean => status.phase === 'Succeeded' && status.stepIndex === 4;
      await scene.until('v2 is promoted', 90_000, isDone);
    },
    endings: [...endings, () => receiver.stop()],
  };
};

/** A canary that fails, a gateway that goes on sending to it, and people who cannot be told. */
const sick = async (folder: string): Promise<StagedOperators> => {
  const [broken, closed] = await Promise.all([WebhookReceiver.start(), WebhookReceiver.start()]);
  const file = join(folder, 'sick.json');
  writeFileSync(file, channelsTo({ broken, closed }));
  const options = { schedule: SLOW, spec: { zero: { proveWithin: '4s' } } };
  const running = await adopted(options, { NOTIFICATIONS_FILE: file });
  await underWay(running);
  const { scene, operator, endings } = running;
  return {
    operators: [operator],
    inject: async () => {
      broken.answer = { status: 500 };
      closed.answer = { status: 403 };
      scene.workloads.stuckCanaryShare = 0.25;
      scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
    },
    endings: [...endings, () => broken.stop(), () => closed.stop()],
  };
};

const STALL_MS = 600;

/** Canary pods that hang, which alone costs a round 0.8 s, under an operator that has its core half of the time. */
const starved = async (): Promise<StagedOperators> => {
  const running = await adopted({ schedule: SLOW });
  await underWay(running);
  const { scene, operator, endings } = running;
  const stalls: Ending[] = [];
  return {
    operators: [operator],
    inject: async () => {
      scene.workloads.behaviours.set('v2', { silent: true });
      const stall = async (): Promise<void> => {
        operator.signal('SIGSTOP');
        await delay(STALL_MS);
        operator.signal('SIGCONT');
      };
      stalls.push(repeating(2 * STALL_MS, stall));
    },
    endings: [async () => await Promise.all(stalls.map((end) => end())), ...endings],
  };
};

export const OPERATOR_SCENES: readonly OperatorScene[] = [
  { name: 'healthy', fires: [], stage: healthy },
  { name: 'away', fires: ['RolloutOperatorAway'], stage: away },
  { name: 'cut-off', fires: ['RolloutOperatorAway'], stage: cutOff },
  { name: 'deaf', fires: ['RolloutWatchDeaf'], stage: deaf },
  { name: 'forbidden', fires: ['RolloutWatchDeaf'], isBorn: true, stage: forbidden },
  { name: 'starved', fires: ['RolloutSentinelSlow'], stage: starved },
  {
    name: 'sick',
    fires: ['RolloutZeroNotProven', 'RolloutTakenBack', 'RolloutNotificationsStuck', 'RolloutNotificationsLost'],
    stage: sick,
  },
];
