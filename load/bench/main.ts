/**
 * `npm run bench`: how fast the API is and how much memory it takes, against a floor, a limit and another system measured in the same run.
 * docs/performance.md says what each figure means.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { hotPaths } from './hot-paths.ts';
import { createLatchkey } from './latchkey.ts';
import { login } from './login.ts';
import { overload } from './overload.ts';
import { pinClient, pinWarning } from './pinned-process.ts';
import { rbac } from './rbac.ts';
import { type Figure, table } from './report.ts';
import type { Scenario } from './scene.ts';
import { startStores } from './stores.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = { hot: hotPaths, login, overload, rbac };
const CONNECTIONS = 32;
const SESSIONS = 64;

const HELP = `usage: npm run bench -- [--only SCENARIO[,SCENARIO]] [--seconds N] [--rounds N] [--json FILE]

  --only      some of: ${Object.keys(SCENARIOS).join(', ')} (default: all)
                hot       validate, me and refresh a CPU-second against a bare Express handler and Better Auth; memory
                login     logins a CPU-second against bcrypt alone
                overload  ten times the logins that the core can hash
                rbac      look-ups among 100,000 accounts
  --seconds   length of a round, for hot in CPU-seconds of the server (default: 2)
  --rounds    rounds, of which the medians count (default: 7)
  --json      writes the figures to a file

Servers run on one core, everything else on the others. Better Auth comes from npm into a cache folder of this user.
Exit code 1: a target was missed.`;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '7' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => console.error(`  ${line}`);

const wanted = (): readonly (readonly [name: string, scenario: Scenario])[] => {
  const names = flags.only?.split(',') ?? Object.keys(SCENARIOS);
  return names.map((name) => {
    const scenario = SCENARIOS[name];
    if (scenario === undefined) throw new RangeError(`--only: ${name} is none of ${Object.keys(SCENARIOS).join(', ')}`);
    return [name, scenario];
  });
};

const positive = (name: string, text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`--${name}: ${text} is no positive number`);
  return value;
};

const run = async (): Promise<readonly Figure[]> => {
  const scenarios = wanted();
  const [rounds, seconds] = [positive('rounds', flags.rounds), positive('seconds', flags.seconds)];
  if (pinWarning !== undefined) say(pinWarning);
  pinClient();
  const stores = await startStores();
  try {
    const latchkey = await createLatchkey(stores, SESSIONS);
    const figures: Figure[] = [];
    for (const [name, scenario] of scenarios) {
      say(`${name}: ${rounds} rounds of ${seconds} s`);
      figures.push(...(await scenario({ stores, latchkey, rounds, seconds, connections: CONNECTIONS, say })));
    }
    return figures;
  } finally {
    await stores.stop();
  }
};

if (flags.help) {
  console.log(HELP);
} else {
  const figures = await run();
  console.log(`\n${table(figures)}\n`);
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(figures, undefined, 2)}\n`);
  const missed = figures.filter(({ isMet }) => isMet === false);
  console.log(missed.length === 0 ? 'every target is met' : `missed: ${missed.map(({ name }) => name).join('; ')}`);
  process.exit(missed.length === 0 ? 0 : 1);
}
