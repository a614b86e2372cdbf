/**
 * `npm run pictures`: asks a Prometheus that scraped a real run for everything that the boards ask, keeps the answers in
 * docs/images/recording.json and draws the pictures of the documentation from them. The walk: options, span of the run, queries, files.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { readCluster } from '../local/cluster.ts';
import { reasonOf } from '../local/failure.ts';
import { phasesIn, spanOfRun } from './happened.ts';
import { allQueries, pictureFiles, recordingPath } from './pictures.ts';
import { type Recording, recordingText, type Series } from './recording.ts';
import { ROLLOUT_QUERIES } from './rollout-picture.ts';

const HELP = `npm run pictures -- [options]

Draws docs/images/*.svg from what a Prometheus answers about the last rollout that was taken back and the one that was
promoted before it. After: npm run demo -- --keep

  --prometheus URL   the Prometheus (default: that of the local cluster)
  --namespace NS     where the rollout is (default: auth)
  --from, --to TIME  the span instead, RFC 3339
  --rate DURATION    what $__rate_interval stands for (default: 5s)
  --source TEXT      which run it was, for the captions
  --dry-run          asks and draws, writes nothing
  -o, --output json  what was found, as JSON
  -h, --help

exit codes: 0 done, 1 a panel would be empty or nobody answered (nothing is written), 2 wrong usage
`;

class UsageError extends Error {
  override readonly name = 'UsageError';
}

const DEFAULT_SOURCE = 'npm run demo on a one-node Kubernetes, an hour of the runbook in ten seconds';
/** How far back a rollout is looked for, second by second. */
const LOOK_BACK_S = 2 * 3_600;
const MOST_POINTS = 200;
const ANSWER_WITHIN_MS = 15_000;

const answerShape = z.object({
  data: z.object({
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        values: z.array(z.tuple([z.number(), z.string()])),
      }),
    ),
  }),
});

interface Range {
  /** Seconds since 1970. */
  readonly fromS: number;
  readonly stepS: number;
  readonly points: number;
}

interface Asked {
  readonly prometheus: string;
  readonly namespace: string;
  readonly rate: string;
}

const optionsOf = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: {
      prometheus: { type: 'string' },
      namespace: { type: 'string', default: 'auth' },
      from: { type: 'string' },
      to: { type: 'string' },
      rate: { type: 'string', default: '5s' },
      source: { type: 'string', default: DEFAULT_SOURCE },
      'dry-run': { type: 'boolean', default: false },
      output: { type: 'string', short: 'o' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;

type Options = ReturnType<typeof optionsOf>;

function checked(args: readonly string[]): Options {
  try {
    const options = optionsOf(args);
    if (options.output !== undefined && options.output !== 'json')
      throw new UsageError(`-o knows json only, not ${options.output}.`);
    if ((options.from === undefined) !== (options.to === undefined))
      throw new UsageError('--from and --to are given together, or neither.');
    return options;
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(reasonOf(error));
  }
}

/** @throws Error with what Prometheus said, or that nobody answered */
async function ask({ prometheus, namespace, rate }: Asked, query: string, range: Range): Promise<readonly Series[]> {
  const asked = query.replaceAll('$namespace', namespace).replaceAll('$__rate_interval', rate);
  const body = new URLSearchParams({
    query: asked,
    start: String(range.fromS),
    end: String(range.fromS + (range.points - 1) * range.stepS),
    step: String(range.stepS),
  });
  const url = `${prometheus}/api/v1/query_range`;
  const answer = await fetch(url, { method: 'POST', body, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!answer.ok) throw new Error(`Prometheus answers ${answer.status} to ${asked}: ${await answer.text()}`);
  return answerShape.parse(await answer.json()).data.result.map(({ metric, values }) => ({
    labels: metric,
    values: placed(values, range),
  }));
}

/** A value a step: Prometheus leaves out the steps that have none. */
function placed(samples: readonly (readonly [number, string])[], { fromS, stepS, points }: Range): Series['values'] {
  const byIndex = new Map(samples.map(([atS, value]) => [Math.round((atS - fromS) / stepS), Number(value)]));
  return Array.from({ length: points }, (_, index) => {
    const value = byIndex.get(index);
    return value !== undefined && Number.isFinite(value) ? value : undefined;
  });
}

async function rangeOf({ from, to }: Options, asked: Asked): Promise<Range> {
  const [fromS, toS] =
    from !== undefined && to !== undefined ? [secondsOf(from), secondsOf(to)] : await rangeOfLastRun(asked);
  if (toS <= fromS) throw new UsageError('--to is not later than --from.');
  const stepS = Math.ceil((toS - fromS) / MOST_POINTS);
  return { fromS, stepS, points: Math.floor((toS - fromS) / stepS) + 1 };
}

function secondsOf(time: string): number {
  const atMs = Date.parse(time);
  if (Number.isNaN(atMs)) throw new UsageError(`${time} is no time: write 2026-01-31T12:00:00Z.`);
  return Math.floor(atMs / 1_000);
}

async function rangeOfLastRun(asked: Asked): Promise<readonly [fromS: number, toS: number]> {
  const nowS = Math.floor(Date.now() / 1_000);
  const range = { fromS: nowS - LOOK_BACK_S, stepS: 1, points: LOOK_BACK_S + 1 };
  const span = spanOfRun(phasesIn(await ask(asked, ROLLOUT_QUERIES.phase, range)));
  if (span === undefined)
    throw new Error(
      `In the last ${LOOK_BACK_S / 3_600} h no rollout in ${asked.namespace} was promoted and a later one taken back: run npm run demo -- --keep, or name --namespace or --from and --to.`,
    );
  return [range.fromS + span.from, Math.min(nowS, range.fromS + span.to)];
}

async function record(options: Options): Promise<Recording> {
  const prometheus = options.prometheus ?? readCluster()?.prometheusUrl;
  if (prometheus === undefined)
    throw new UsageError('No local cluster runs: bring one up with npm run demo -- --keep, or give --prometheus URL.');
  const asked = { prometheus, namespace: options.namespace, rate: options.rate };
  const range = await rangeOf(options, asked);
  const answers: Record<string, Series[]> = {};
  for (const query of allQueries()) answers[query] = [...(await ask(asked, query, range))];
  const { fromS, stepS, points } = range;
  const from = new Date(fromS * 1_000).toISOString();
  return { source: options.source, from, stepS, points, rateInterval: options.rate, answers };
}

function write(recording: Recording): void {
  const kept = recordingText(recording);
  const files = [[recordingPath, kept], ...pictureFiles(kept)] as const;
  for (const [path, text] of files) {
    const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

async function run(options: Options): Promise<number> {
  const recording = await record(options);
  const empty = Object.entries(recording.answers).flatMap(([query, found]) => (found.length === 0 ? [query] : []));
  const { from, stepS, points } = recording;
  const series = Object.values(recording.answers).flat().length;
  const isWritten = empty.length === 0 && !options['dry-run'];
  if (isWritten) write(recording);
  if (options.output === 'json') console.log(JSON.stringify({ from, stepS, points, series, empty, isWritten }));
  else {
    console.log(`${points} values of ${series} series, one every ${stepS} s from ${from}`);
    for (const query of empty) console.log(`nothing was found by ${query}`);
    console.log(isWritten ? 'The pictures are in docs/images.' : 'Nothing was written.');
  }
  return empty.length === 0 ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = checked(args);
    if (!options.help) return await run(options);
    console.log(HELP);
    return 0;
  } catch (error) {
    console.error(error instanceof UsageError ? `${error.message}\n\n${HELP}` : reasonOf(error));
    return error instanceof UsageError ? 2 : 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
