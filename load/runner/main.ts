/**
 * `npm run load -- SCENARIO`: load on an API as in production, held against the service levels; leaves a report. The walk: options, scene, k6,
 * judgement, report. docs/load.md says what the figures mean.
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { reasonOf } from '../../k8s/local/failure.ts';
import { partsFor } from '../../k8s/local/parts.ts';
import { progressTo } from '../../k8s/local/progress.ts';
import { levelsOf } from '../service-levels.ts';
import { judge } from './judge.ts';
import { type Ran, runK6 } from './k6.ts';
import { describeMachine, describeVersions, type Machine, type Versions } from './machine.ts';
import { HELP, type LoadOptions, parseOptions, type RunOptions, UsageError } from './options.ts';
import { reportPage } from './report.ts';
import { type House, hashesPerSecond, openHouse, type Scene, sceneAt, setScene } from './scene.ts';
import { SHORTAGE, takeConnections } from './shortage.ts';
import { slowDown } from './slow.ts';
import { LIMITS, LOADS, type Load } from './stages.ts';
import { type RunSummary, summaryOf } from './summary.ts';
import { listText, loadText, planText, verdictText } from './words.ts';

const progress = progressTo((line) => console.error(line));

const say = (line: string): void => progress.note(line);

/** The runbook's sessions, whoever uses them. */
const SESSIONS = 100;
const FEW_SESSIONS = 8;
/** For a server elsewhere, whose cores nobody here can ask: --rate says better. */
const UNKNOWN_HASHES_PER_SECOND = 4;

/** What is asked of a stage, where cores are not asked what they can do. */
const planOf = async (
  options: RunOptions,
  hashes: () => Promise<number> = () => Promise.resolve(UNKNOWN_HASHES_PER_SECOND),
): Promise<Load> => {
  const stage = LOADS[options.scenario][options.stage];
  const { users = stage.users, durationS = stage.durationS, rate } = options;
  if (rate !== undefined || 'rate' in stage)
    return { users, durationS, rate: rate ?? ('rate' in stage ? stage.rate : 0) };
  return { users, durationS, rate: Math.round((await hashes()) * stage.hashShare * 60) / 60 };
};

const loadFor = (options: RunOptions): Promise<Load> => {
  if (options.baseUrl !== undefined) return planOf(options);
  return planOf(options, () =>
    progress.stage('measuring how many passwords these cores hash', () =>
      hashesPerSecond(options.stage === 'smoke' ? 0.5 : 2),
    ),
  );
};

const settingsOf = (options: RunOptions, load: Load, scene: Scene): Readonly<Record<string, string>> => {
  const { limit, loginLimit } = LIMITS[options.stage];
  return {
    ...scene.settings,
    BASE_URL: scene.baseUrl,
    STAGE: options.stage,
    TOLERANCE: String(options.tolerance),
    RATE: String(load.rate),
    USERS: String(load.users),
    DURATION: `${load.durationS}s`,
    LIMIT: String(limit),
    LOGIN_LIMIT: String(loginLimit),
    LOG_ANSWERS: 'all',
    LOOK_EVERY_MS: String(Math.min(1_000, load.durationS * 25)),
    SHORT_FROM: String(SHORTAGE.from),
    SHORT_UNTIL: String(SHORTAGE.until),
    GOOD_FROM: String(SHORTAGE.goodFrom),
    MAX_FAILED: '1000000000', // judged as a share, by the service levels
  };
};

/** Some, to warm the server up with; where users use them, one each, and the runbook's number at least. */
const sessionsFor = ({ scenario, stage, users }: RunOptions): number => {
  const asked = users ?? LOADS[scenario][stage].users;
  if (['smoke', 'login', 'rate-limit'].includes(scenario)) return Math.min(asked, FEW_SESSIONS);
  return stage === 'smoke' || users !== undefined ? asked : Math.max(SESSIONS, asked);
};

const setUp = async (options: RunOptions, users: number, folder: string, house: House | undefined): Promise<Scene> => {
  if (house === undefined) return sceneAt(options.baseUrl ?? '');
  return setScene(house, { options, users, sessions: house.takeSessions(sessionsFor(options)), folder, say });
};

const measure = async (options: RunOptions, load: Load, tools: Tools): Promise<Ran> => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-load-'));
  // It holds tokens: whoever stops us leaves none behind.
  const forget = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', forget);
  try {
    const scene = await setUp(options, load.users, folder, tools.house);
    const { own } = scene;
    const endSlowness = own === undefined ? () => undefined : slowDown(own.server, options.slow);
    try {
      say(`${options.scenario}, ${options.stage}: ${loadText(load)}`);
      return await runK6({
        program: tools.k6,
        scenario: options.scenario,
        settings: settingsOf(options, load, scene),
        folder,
        durationS: load.durationS,
        say,
        meanwhile: async (signal) => {
          if (options.scenario !== 'pool' || own === undefined) return;
          await takeConnections(own.database, load.durationS * 1000, signal);
        },
      });
    } finally {
      endSlowness();
      await scene.stop();
    }
  } finally {
    process.removeListener('exit', forget);
    forget();
  }
};

/** What all scenarios share. */
interface Tools {
  readonly k6: string;
  /** Undefined: the server runs elsewhere. */
  readonly house: House | undefined;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly folder: string;
}

const runOne = async (options: RunOptions, tools: Tools): Promise<RunSummary> => {
  const load = await loadFor(options);
  const startedAt = new Date();
  const { summary, figures } = await measure(options, load, tools);
  const levels = levelsOf(options.scenario, { ...options, ...LIMITS[options.stage] });
  const result = summaryOf({ ...tools, options, load, startedAt, verdicts: judge(levels, summary), figures });
  const folder = resolve(tools.folder, `${options.scenario}-${options.stage}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'summary.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  await writeFile(join(folder, 'report.html'), reportPage(result, figures));
  say(`report: ${join(folder, 'report.html')}`);
  return result;
};

/** For whoever interrupts: PostgreSQL has to end before its folder can go. */
let stopHouse = async (): Promise<void> => {};

const run = async ({ runs, folder }: LoadOptions, machine: Machine): Promise<readonly RunSummary[]> => {
  const isOwn = runs.every(({ baseUrl }) => baseUrl === undefined);
  const { k6 } = await partsFor(isOwn ? ['k6', 'redis-server'] : ['k6'], { progress });
  const sessions = runs.reduce((sum, options) => sum + sessionsFor(options), 0);
  const house = isOwn ? await openHouse(sessions, say) : undefined;
  stopHouse = async () => house?.stop();
  try {
    const tools = { k6, house, machine, versions: await describeVersions(k6), folder };
    const results: RunSummary[] = [];
    for (const options of runs) results.push(await runOne(options, tools));
    return results;
  } finally {
    await house?.stop();
  }
};

const main = async (): Promise<number> => {
  const machine = describeMachine(); // before anything of ours makes it busy
  const options = parseOptions(process.argv.slice(2));
  if (options.action === 'help') console.log(HELP);
  if (options.action === 'list') console.log(listText());
  if (options.action !== 'run') return 0;
  if (options.isDryRun) {
    for (const one of options.runs) console.log(planText(one, await planOf(one)));
    return 0;
  }
  const runs = await run(options, machine);
  const holds = runs.every((one) => one.holds);
  console.log(options.isJson ? JSON.stringify({ holds, runs }, undefined, 2) : runs.map(verdictText).join('\n\n'));
  return holds ? 0 : 1;
};

if (import.meta.main) {
  let isInterrupted = false;
  // k6 and the API end with this process: each hears its exit.
  const interrupt = (): void => {
    if (isInterrupted) process.exit(130);
    isInterrupted = true;
    void stopHouse().finally(() => process.exit(130));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  let code = 1;
  try {
    code = await main();
  } catch (error) {
    const isUsage = error instanceof UsageError;
    if (isUsage) code = 2;
    const hint = isUsage ? '\nnpm run load -- --help lists what there is' : '';
    if (!isInterrupted) console.error(`load: ${reasonOf(error)}${hint}`);
  }
  if (!isInterrupted) process.exit(code);
}
