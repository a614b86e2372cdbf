/** `hot`: validate, me and refresh a CPU-second, against the floor and against Better Auth on the same stores; memory under that load. */
import { BETTER_AUTH_MODES, type BetterAuth, installBetterAuth, startBetterAuth } from './better-auth.ts';
import { Connection, requestBytes } from './connection.ts';
import { type Floor, startFloor } from './floor.ts';
import { type ClientSession, reads, refreshes, renew } from './latchkey.ts';
import { alternate, type Measured, type Round, type Subject, spreadOf } from './measure.ts';
import type { PinnedProcess } from './pinned-process.ts';
import type { Figure } from './report.ts';
import type { Scenario, Scene } from './scene.ts';

const VALIDATE = '/api/v1/auth/validate';
const ME = '/api/v1/auth/me';
const VALIDATE_SHARE = 0.6;
const ME_SHARE = 0.4;
const REFRESH_PER_CPU_SECOND = 500;
const RESIDENT_MB = 130;

interface Subjects {
  readonly server: PinnedProcess;
  readonly floor: Floor;
  readonly others: readonly BetterAuth[];
}

/** The bytes that validate answers now. */
const validateBody = async (port: number, { accessToken }: ClientSession): Promise<string> => {
  const connection = await Connection.open(port);
  const headers = { authorization: `Bearer ${accessToken}` };
  const { status, body } = await connection.exchange(requestBytes({ method: 'GET', path: VALIDATE, headers }));
  connection.close();
  if (status !== 200) throw new Error(`validate: ${status} ${body.toString()}`);
  return body.toString();
};

const startOthers = async (scene: Scene): Promise<readonly BetterAuth[]> => {
  const folder = await installBetterAuth(scene.say);
  if (folder === undefined) return [];
  const started: BetterAuth[] = [];
  for (const mode of BETTER_AUTH_MODES) started.push(await startBetterAuth(folder, scene.stores, mode));
  return started;
};

const subjectsOf = ({ server, floor, others }: Subjects, { latchkey, connections }: Scene): readonly Subject[] => {
  const { sessions } = latchkey;
  const ours = (name: string, path: string): Subject => ({
    name,
    process: server,
    conversations: () => reads(path, sessions, connections),
  });
  return [
    { name: 'floor', process: floor.process, conversations: () => floor.conversations(connections) },
    ours('validate', VALIDATE),
    ours('me', ME),
    { name: 'refresh', process: server, conversations: () => refreshes(sessions, connections) },
    ...others.map((other) => ({
      name: other.process.name,
      process: other.process,
      conversations: () => other.conversations(connections),
    })),
  ];
};

const valuesOf = (measured: readonly Measured[], name: string, pick: (round: Round) => number): readonly number[] =>
  measured.find((one) => one.name === name)?.rounds.map(pick) ?? [];

const rate = (round: Round): number => round.perCpuSecond;

/** Round by round against the floor of the same round: what slows the machine slows both. */
const share = (measured: readonly Measured[], name: string, needed: number): Figure => {
  const floors = valuesOf(measured, 'floor', rate);
  const value = spreadOf(
    valuesOf(measured, name, rate).map((one, index) => (100 * one) / (floors[index] ?? Number.NaN)),
  );
  const target = `≥ ${needed * 100} %`;
  return { name: `${name}, share of the floor`, unit: '%', value, target, isMet: value.median >= needed * 100 };
};

const perCpuSecond = (measured: readonly Measured[], name: string): Figure => {
  const p99 = spreadOf(valuesOf(measured, name, (round) => round.p99Ms)).median;
  const perSecond = spreadOf(valuesOf(measured, name, (round) => round.perSecond)).median;
  const note = `${perSecond.toFixed(0)}/s, p99 ${p99.toFixed(0)} ms`;
  return { name, unit: '/CPU-s', value: spreadOf(valuesOf(measured, name, rate)), note };
};

const figuresOf = (measured: readonly Measured[], others: readonly BetterAuth[]): readonly Figure[] => {
  const best = Math.max(...others.map(({ process }) => spreadOf(valuesOf(measured, process.name, rate)).median));
  const ahead = (name: string): Figure => {
    const figure = perCpuSecond(measured, name);
    if (others.length === 0) return figure;
    return { ...figure, target: `> ${best.toFixed(0)} (Better Auth)`, isMet: figure.value.median > best };
  };
  const refresh = perCpuSecond(measured, 'refresh');
  const resident = (name: string): Figure['value'] => {
    const all = valuesOf(measured, name, (round) => round.residentMb);
    return { ...spreadOf(all), median: Math.max(...all) };
  };
  const ours = ['validate', 'me', 'refresh'].map(resident);
  const peak = Math.max(...ours.map(({ max }) => max));
  const least = Math.min(...ours.map(({ min }) => min));
  return [
    perCpuSecond(measured, 'floor'),
    ahead('validate'),
    share(measured, 'validate', VALIDATE_SHARE),
    ahead('me'),
    share(measured, 'me', ME_SHARE),
    {
      ...refresh,
      target: `≥ ${REFRESH_PER_CPU_SECOND}`,
      isMet: refresh.value.median >= REFRESH_PER_CPU_SECOND,
    },
    {
      name: 'memory under load, highest',
      unit: 'MB',
      value: { median: peak, min: least, max: peak },
      target: `< ${RESIDENT_MB}`,
      isMet: peak < RESIDENT_MB,
    },
    ...others.flatMap(({ process }) => [
      perCpuSecond(measured, process.name),
      { name: `${process.name}: memory`, unit: 'MB', value: resident(process.name) },
    ]),
  ];
};

export const hotPaths: Scenario = async (scene) => {
  const { latchkey } = scene;
  const server = await latchkey.serve();
  await renew(server.port, latchkey.sessions);
  const [first] = latchkey.sessions;
  if (first === undefined) throw new Error('no session');
  const floor = await startFloor(await validateBody(server.port, first));
  const others = await startOthers(scene);
  try {
    const measured = await alternate(subjectsOf({ server, floor, others }, scene), scene);
    return figuresOf(measured, others);
  } finally {
    for (const process of [server, floor.process, ...others.map((other) => other.process)]) await process.stop();
  }
};
