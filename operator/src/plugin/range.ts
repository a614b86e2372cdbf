/**
 * `replay` over a Prometheus range: what a policy would have made of a run, from what Prometheus remembers of it. Reads with the user's
 * rights and writes nothing. Called by commands.ts; range-run.ts decides, range-view.ts draws.
 */
import { isApiError } from '../clients/api-error.ts';
import type { Sample } from '../core/observation.ts';
import type { Spec } from '../core/spec.ts';
import { type CommandDeps, CommandError, json, lines } from './command.ts';
import { EXIT } from './conclusion.ts';
import { type Way, wayTo } from './prometheus.ts';
import { askRange, type Grid, MAX_POINTS, type RangeSource } from './prometheus-range.ts';
import {
  byFigure,
  FIGURES,
  type FigureName,
  type RangeFigures,
  type RangeScope,
  scrapeQuestion,
  tileLength,
  tileQuestions,
} from './range-figures.ts';
import { runOver } from './range-run.ts';
import { drawRange, partedAt, type RangeReplay } from './range-view.ts';
import { newestSpan, type RealRun, realRun, type Span } from './real-decisions.ts';
import { policyIn, recordLists } from './record-commands.ts';
import type { RecordList } from './records.ts';
import type { Rollout } from './rollouts.ts';
import { resolveTime } from './time-point.ts';

/** Runs the command and resolves to the exit code. @throws {ApiError} @throws {CommandError} */
export async function replayRange(deps: CommandDeps): Promise<number> {
  const { options, rollouts, namespace, terminal } = deps;
  const { named } = await policyIn(options.policies[0] ?? '');
  const rollout = await rollouts.get(namespace, options.name);
  if (rollout.spec === undefined) {
    throw new CommandError(`the manifest cannot be replayed: ${rollout.violations.join('; ')}`);
  }
  const spec = { ...rollout.spec, ...named };
  const really = realRun(await recordsOf(deps), rollout.status);
  const span = spanOf(deps, really);
  const way = wayOf(deps, spec);
  const scope = { spec, namespace: rollout.namespace, replicaSets: really.replicaSets };
  const read = await readFigures(deps, { source: { cluster: deps.cluster, way }, scope, span });
  const replay = replayOf(rollout, { spec, span, way, really, ...read });
  if (options.output === 'json') json(terminal, replay);
  else {
    const { columns, hasColour } = terminal;
    lines(terminal, drawRange(replay, { columns, hasColour, nowMs: terminal.nowMs() }));
  }
  return EXIT.done;
}

/** The records are beside the point: without them the replay says so. */
async function recordsOf(deps: CommandDeps): Promise<RecordList | undefined> {
  try {
    const [list] = await recordLists(deps);
    return list;
  } catch (error) {
    const isAbsent = error instanceof CommandError && deps.options.file === undefined;
    if (isAbsent || isApiError(error, 'ERR_API_FORBIDDEN')) return undefined;
    throw error;
  }
}

/** @throws {CommandError} when it is none, or nobody knows where it begins */
function spanOf({ options, terminal }: CommandDeps, really: RealRun): Span {
  const nowMs = terminal.nowMs();
  const { from, to } = options.range ?? {};
  const newest = newestSpan(really, nowMs);
  const fromMs = from === undefined ? newest?.fromMs : resolveTime(from, nowMs);
  if (fromMs === undefined) {
    throw new CommandError('neither records nor status know when the newest run began: say --from TIME');
  }
  const end = to === undefined ? (from === undefined ? newest?.toMs : undefined) : resolveTime(to, nowMs);
  const toMs = Math.min(end ?? nowMs, nowMs);
  if (toMs > fromMs) return { fromMs, toMs };
  const text = (atMs: number): string => new Date(atMs).toISOString();
  throw new CommandError(`no range from ${text(fromMs)} to ${text(toMs)}: --from must be before --to, and before now`);
}

function wayOf({ options }: CommandDeps, { prometheusAddress }: Spec): Way {
  const address = options.range?.prometheus;
  if (address !== undefined) return { kind: 'direct', address };
  const [operatorNamespace = ''] = options.operator.split('/');
  return wayTo(prometheusAddress, operatorNamespace);
}

interface Reading {
  readonly source: RangeSource;
  readonly scope: RangeScope;
  readonly span: Span;
}

interface Read {
  readonly figures: RangeFigures;
  readonly scrapeMs: number;
}

/** All queries, a few at a time: a replay must not be what slows Prometheus down. */
async function readFigures(deps: CommandDeps, { source, scope, span }: Reading): Promise<Read> {
  const { fromMs, toMs } = span;
  const scrapeMs = await scrapeOf(source, scope, span);
  const tileMs = tileLength(toMs - fromMs, scrapeMs);
  const count = Math.max(1, Math.floor((toMs - fromMs) / tileMs));
  const grid: Grid = { firstMs: fromMs + tileMs, stepMs: tileMs, count };
  const questions = tileQuestions(scope, tileMs);
  const found = new Map<FigureName, readonly Sample[]>();
  const waiting = [...FIGURES];
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      deps.terminal.note(`asking query ${FIGURES.length - waiting.length} of ${FIGURES.length}, ${count} looks each`);
      found.set(name, await askRange(source, questions[name], grid));
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    // After a failure nobody asks, or says, anything more.
    waiting.length = 0;
    deps.terminal.note('');
  }
  return { figures: { fromMs, tileMs, count, series: byFigure((name) => found.get(name) ?? []) }, scrapeMs };
}

const AT_ONCE = 4;

/** The shortest time between two samples of a pod. @throws {CommandError} when there is not one */
async function scrapeOf(source: RangeSource, scope: RangeScope, { fromMs, toMs }: Span): Promise<number> {
  const rangeMs = toMs - fromMs;
  const windowMs = Math.ceil(Math.max(Math.min(300_000, rangeMs / 2), rangeMs / MAX_POINTS));
  const count = Math.max(1, Math.floor(rangeMs / windowMs));
  const grid = { firstMs: fromMs + windowMs, stepMs: windowMs, count };
  const samples = await askRange(source, scrapeQuestion(scope, windowMs), grid);
  const most = Math.max(0, ...samples.map((sample) => (sample.kind === 'value' ? sample.value : 0)));
  if (most > 0) return Math.max(1_000, Math.round(windowMs / most / 1_000) * 1_000);
  const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()];
  throw new CommandError(
    `Prometheus has nothing of the pods of ${scope.spec.targetName} in namespace ${scope.namespace} from ${from} to ${to}: does it keep that long, and is it the rollout's (--prometheus URL)?`,
  );
}

interface Found extends Read {
  readonly spec: Spec;
  readonly span: Span;
  readonly way: Way;
  readonly really: RealRun;
}

function replayOf({ namespace, name, status }: Rollout, found: Found): RangeReplay {
  const { spec, span, way, figures, scrapeMs } = found;
  const { fromMs, tileMs, count } = figures;
  const toMs = fromMs + count * tileMs;
  const would = runOver(spec, figures, status?.revision ?? 'unknown');
  const isWithin = ({ atMs }: { readonly atMs: number }): boolean => atMs >= span.fromMs && atMs <= span.toMs;
  const really = { ...found.really, decisions: found.really.decisions.filter(isWithin) };
  const partedMs = partedAt(would, really, tileMs);
  return { rollout: `${namespace}/${name}`, fromMs, toMs, tileMs, scrapeMs, way, would, really, partedMs };
}
