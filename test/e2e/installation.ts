// One installation for all end-to-end tests: the real cluster, both charts, steady traffic. Each test file calls
// `useInstallation` in its describe; mocha runs them in one process, so the first one pays for the set-up. Its watch of the
// route's weights is judged after every test.
import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { buildImages, images } from '../../k8s/demo/images.ts';
import {
  apiValues,
  type ImageName,
  installOperator,
  names,
  prepareApi,
  removeNamespace,
  upgradeApi,
  type Values,
} from '../../k8s/demo/install.ts';
import { type Place, placeOf } from '../../k8s/demo/place.ts';
import { type Recorder, type RolloutRecord, type ScheduleStep, startRecorder } from '../../k8s/demo/record.ts';
import { startTraffic, type Traffic, untilServing } from '../../k8s/demo/traffic.ts';
import { type Cluster, clusterUp } from '../../k8s/local/cluster.ts';
import { progressTo } from '../../k8s/local/progress.ts';
import { forbiddenRises } from '../support/rollout.ts';
import { tagImage } from './tag-image.ts';

export const namespace = 'lk-rollout';
export const host = 'e2e.latchkey.test';

/** Short steps: enough for the checks to see something, no more. */
export const quickSchedule: readonly ScheduleStep[] = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 25, hold: '3s', checkEvery: '1s' },
  { weight: 50, hold: '3s', checkEvery: '1s' },
  { weight: 100, hold: '4s', checkEvery: '1s' },
];

/** Stays at 25 % until a test has seen what it came for. */
export const lastingSchedule: readonly ScheduleStep[] = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 25, hold: '10m', checkEvery: '1s' },
  { weight: 100, hold: '10m', checkEvery: '1s' },
];

/** Set by the API all the time, so that switching its use is no new template. */
export const cohortCookie = 'lk_bucket';

/** More than a rollout of quickSchedule takes on two busy cores. */
export const rolloutDeadlineMs = 180_000;
const users = 24;
const setUpDeadlineMs = 40 * 60_000;
/** A hash of 1 ms: what a login costs is the API's subject, and two cores have better things to do here. */
const cheapHashes = { environment: 'staging', bcryptCost: 4 } as const;
const contents = { sound: images.first, faulty: images.sick } as const;

export interface Installation {
  readonly cluster: Cluster;
  readonly place: Place;
  readonly recorder: Recorder;
  readonly traffic: Traffic;
}

/** All its clients together. */
export interface OfferedLoad {
  readonly requestsPerSecond: number;
  readonly loginsPerSecond: number;
}

/** Leaves two cores room to start pods beside it: a starved server fails requests for a reason that is not the rollout's. */
const steadyLoad: OfferedLoad = { requestsPerSecond: 90, loginsPerSecond: 8 };
/** A quarter of it is the 55 requests a second for which the exposure is promised. */
export const exposureLoad: OfferedLoad = { requestsPerSecond: 220, loginsPerSecond: 20 };

/** A new version for the target, never seen before. */
export interface Candidate {
  readonly content: keyof typeof contents;
  /** The plan of test/faults/plan.ts, for a faulty one. */
  readonly fault?: Readonly<Record<string, unknown>>;
  readonly schedule: readonly ScheduleStep[];
  /** Switches the cohort, from here on; without it, as it was. */
  readonly cohort?: boolean;
}

/** What the watch of weights is judged by, set by the test that runs. */
const watched: { schedule: readonly ScheduleStep[]; edited: number[]; from: number } = {
  schedule: quickSchedule,
  edited: [],
  from: 0,
};

type Base = Omit<Installation, 'traffic'>;

let shared: Promise<Base> | undefined;
let running: { readonly load: OfferedLoad; readonly traffic: Traffic } | undefined;
let stableImage: ImageName | undefined;

/** Registers set-up and the invariants in the calling describe; the returned function gives the installation. */
export function useInstallation(load = steadyLoad): () => Installation {
  let installation: Installation | undefined;
  before('the cluster and both charts', async function () {
    this.timeout(setUpDeadlineMs);
    shared ??= install();
    const base = await shared;
    installation = { ...base, traffic: await trafficOf(base.place, load) };
  });
  const get = (): Installation => {
    if (installation === undefined) throw new Error('The installation is there only inside tests.');
    return installation;
  };
  beforeEach('the watch of weights begins', () => {
    watched.edited = [];
    watched.from = Math.max(0, get().recorder.record.weights.length - 1);
  });
  afterEach('no weight rose where it must not', () => {
    const weights = get().recorder.record.weights.slice(watched.from);
    const schedule = watched.schedule.map(({ weight }) => weight);
    expect(forbiddenRises(weights, { schedule, edited: watched.edited })).to.deep.equal([]);
  });
  return get;
}

after('traffic and watches end', async function () {
  this.timeout(60_000);
  const installed = await shared?.catch(() => undefined); // A failed set-up has been told already.
  installed?.recorder.stop();
  await running?.traffic.stop();
});

/** What runs already, or, where it is another load, new traffic in its place. */
async function trafficOf(place: Place, load: OfferedLoad): Promise<Traffic> {
  if (running?.load === load) return running.traffic;
  await restTraffic();
  const traffic = await steadyTraffic(place, host, load);
  running = { load, traffic };
  return traffic;
}

async function restTraffic(): Promise<void> {
  await running?.traffic.stop();
  running = undefined;
}

async function install(): Promise<Base> {
  const progress = progressTo((line) => console.log(`    ${line}`));
  const cluster = await clusterUp({ progress });
  const place = placeOf(cluster);
  await progress.stage('images', (note) => buildImages(place, note));
  await progress.stage('charts', async () => {
    await installOperator(place, images.operator);
    await removeNamespace(place, namespace);
    await prepareApi(place, namespace);
    stableImage = await freshImage(cluster, 'sound');
    await upgradeApi(place, stableImage, apiValuesFor(place, host), namespace);
  });
  const recorder = startRecorder(place.kubectl, recordedIn(namespace));
  await recorder.until('The first installation', { deadlineMs: rolloutDeadlineMs }, isPromoted);
  await untilServing(place.gatewayUrl, { host });
  return { cluster, place, recorder };
}

export const recordedIn = (where: string) => ({
  namespace: where,
  rollout: names.release,
  route: names.release,
  rule: names.rule,
});

/**
 * For a test that brings an installation of its own: the shared one's traffic ends, since on two cores that also start pods the one would
 * wait for the other until its clients give up. The next `useInstallation` starts it again.
 */
export async function onlyTraffic(place: Place, hostname: string, load: OfferedLoad): Promise<Traffic> {
  await restTraffic();
  return await steadyTraffic(place, hostname, load);
}

/** Users who have logged in and keep their sessions: two dozen logins in two seconds at cold pods would be another test. */
const steadyTraffic = ({ k6, gatewayUrl }: Place, hostname: string, load: OfferedLoad): Promise<Traffic> =>
  startTraffic({
    k6,
    baseUrl: gatewayUrl,
    settings: { ...trafficSettings(hostname, load), USERS: String(users) },
    untilSignedIn: users,
  });

export const trafficSettings = (hostname: string, load: OfferedLoad) => ({
  HOST: hostname,
  RATE: String(load.requestsPerSecond),
  SIGN_IN_EVERY_MS: '100',
  LOGINS_PER_S: String(load.loginsPerSecond),
  REQUEST_TIMEOUT_MS: '3000',
  DURATION: '3h',
});

export function apiValuesFor(place: Place, hostname: string): Values & { readonly rollout: Values } {
  const values = apiValues(place, quickSchedule);
  return {
    ...values,
    config: { ...values.config, ...cheapHashes, cohortCookie },
    route: { ...values.route, hostnames: [hostname] },
    podDisruptionBudget: { enabled: false },
  };
}

/** Changes the target by `helm upgrade`, and returns the version as the header latchkey-version will say it. */
export async function upgradeTo({ cluster, place }: Installation, candidate: Candidate): Promise<string> {
  const image = await freshImage(cluster, candidate.content);
  watched.schedule = candidate.schedule;
  const plan = candidate.fault === undefined ? [] : [{ name: 'FAULT_PLAN', value: JSON.stringify(candidate.fault) }];
  const { schedule, cohort } = candidate;
  const rollout = { schedule, ...(cohort === undefined ? {} : { cohort: { enabled: cohort } }) };
  await upgradeApi(place, image, { extraEnv: plan, rollout }, namespace);
  return image.tag;
}

/** A faulty version that is still sound, at 25 % of the traffic; `set` changes the AuthRollout before it gets there. */
export async function canaryAt25(
  installation: Installation,
  set: () => Promise<void> = async () => {},
): Promise<string> {
  const { recorder } = installation;
  const isAt25 = runsAt25(recorder);
  const fault = { kind: 'none' };
  const version = await upgradeTo(installation, { content: 'faulty', fault, schedule: lastingSchedule });
  await set();
  await recorder.until('25 %', { deadlineMs: rolloutDeadlineMs }, isAt25);
  return version;
}

/** As `kubectl patch` does it; null takes a field away. */
export async function patchRollout({ place }: Installation, spec: object): Promise<void> {
  const patch = JSON.stringify({ spec });
  await place.kubectl.run(['patch', 'aroll', names.release, '-n', namespace, '--type=merge', '-p', patch]);
}

/** A sound version all the way to its promotion. */
export async function promote(installation: Installation): Promise<void> {
  const version = await upgradeTo(installation, { content: 'sound', schedule: quickSchedule });
  await untilPromoted(installation, version);
}

/** Waits until the running upgrade is promoted, after which `withdraw` goes back to it. */
export async function untilPromoted({ recorder }: Installation, version: string): Promise<void> {
  await recorder.until(
    `The promotion of ${version}`,
    { deadlineMs: rolloutDeadlineMs },
    runsAndIs(recorder, 'Succeeded'),
  );
  stableImage = { repository: contents.sound.repository, tag: version };
}

/** Puts the target back to what stable runs, which ends the run at once. */
export async function withdraw({ place, recorder }: Installation): Promise<void> {
  if (stableImage === undefined) throw new Error('Nothing is installed.');
  await upgradeApi(place, stableImage, { extraEnv: [] }, namespace);
  await recorder.until('The end of the withdrawn run', { deadlineMs: rolloutDeadlineMs }, isPromoted);
}

/** A condition that holds at 25 % of a run that began after this call. An earlier one may still stand there, and status and route are two watches. */
export function runsAt25(recorder: Recorder): (record: RolloutRecord) => boolean {
  const before = recorder.record.status?.revision;
  const from = recorder.record.weights.length;
  return ({ status, weights }) =>
    status?.phase === 'Progressing' && status.revision !== before && weights.slice(from).at(-1)?.weight === 25;
}

/** A condition that holds in a phase of a run that began after this call. */
export function runsAndIs(recorder: Recorder, phase: string): (record: RolloutRecord) => boolean {
  const revisionBefore = recorder.record.status?.revision;
  let hasBegun = false;
  return ({ status }) => {
    hasBegun ||= status?.revision !== revisionBefore || status?.phase === 'Progressing';
    return hasBegun && status?.phase === phase;
  };
}

/** The rollback is there and its zero proven by the canary's own counter: until then answers of it may still come. */
export async function untilOver(recorder: Recorder, isRolledBack: (record: RolloutRecord) => boolean): Promise<void> {
  await recorder.until('The rollback', { deadlineMs: rolloutDeadlineMs }, isRolledBack);
  await recorder.until('The proof of zero', { deadlineMs: rolloutDeadlineMs }, ({ status }) => {
    return status?.zero?.provenAt !== undefined;
  });
}

export function isPromoted({ status, weight }: RolloutRecord): boolean {
  return status?.phase === 'Succeeded' && status.revision === status.stableRevision && weight === 0;
}

/** Announces a weight that the test itself puts on the route. */
export function allowEdit(weight: number): void {
  watched.edited.push(weight);
}

export async function freshImage(cluster: Cluster, content: keyof typeof contents): Promise<ImageName> {
  const { repository, tag } = contents[content];
  const fresh = { repository, tag: `${tag}-${randomUUID().slice(0, 8)}` };
  await tagImage(cluster, { repository, tag }, fresh);
  return fresh;
}
