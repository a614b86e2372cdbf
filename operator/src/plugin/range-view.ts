/** Draws a replay over a Prometheus range for a terminal: what would have been decided beside what was. Pure; called by range.ts. */
import { msToDuration } from '../core/duration.ts';
import { type Paint, painter } from './drawing.ts';
import { type Way, wayText } from './prometheus.ts';
import type { RangeEntry, RangeRun } from './range-run.ts';
import type { RealDecision, RealRun } from './real-decisions.ts';
import { type Canvas, cut, row } from './view.ts';

export interface RangeReplay {
  /** namespace/name */
  readonly rollout: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** How far the looks are apart. */
  readonly tileMs: number;
  readonly scrapeMs: number;
  readonly way: Way;
  readonly would: RangeRun;
  /** Within the range. */
  readonly really: RealRun;
  /** From when on the weight would have been another than it was; undefined when never, or when nobody knows. */
  readonly partedMs: number | undefined;
}

/** The first write that only one of the two made, or made otherwise, by more than a look's time. */
export function partedAt(would: RangeRun, { decisions, source }: RealRun, tileMs: number): number | undefined {
  if (source === 'status') return undefined;
  const mine = would.entries.filter(({ weight }) => weight !== undefined);
  const theirs = decisions.filter(({ weight }) => weight !== undefined);
  for (let index = 0; index < Math.max(mine.length, theirs.length); index += 1) {
    const [one, other] = [mine[index], theirs[index]];
    const isSame = one?.weight === other?.weight && Math.abs((one?.atMs ?? 0) - (other?.atMs ?? 0)) <= tileMs;
    if (!isSame) return Math.min(one?.atMs ?? Number.POSITIVE_INFINITY, other?.atMs ?? Number.POSITIVE_INFINITY);
  }
  return undefined;
}

export function drawRange(replay: RangeReplay, canvas: Canvas): readonly string[] {
  const paint = painter(canvas.hasColour);
  const { rollout, fromMs, toMs, would, really } = replay;
  const shown = would.entries.filter((entry, index) => isWorthALine(entry, would.entries[index - 1]));
  const lines = [
    ...shown.map((entry) => ({ atMs: entry.atMs, text: wouldLines(entry, paint, canvas) })),
    ...really.decisions.map((decision) => ({ atMs: decision.atMs, text: reallyLines(decision, paint, canvas) })),
  ].toSorted((left, right) => left.atMs - right.atMs);
  return [
    `${paint(rollout, 'bold')}   ${instant(fromMs)} to ${instant(toMs)}`,
    '',
    row('looks', looksText(replay)),
    row('', wayText(replay.way)),
    '',
    ...lines.flatMap(({ text }) => text),
    '',
    row('would', endText(replay, paint)),
    row('really', reallyText(really)),
    '',
    ...limitsOf(replay).map((text, index) => row(index === 0 ? 'unseen' : '', paint(text, 'dim'))),
  ];
}

function instant(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
}

function looksText({ tileMs, scrapeMs, would }: RangeReplay): string {
  const blind = would.blindLooks === 0 ? '' : `, ${would.blindLooks} of them in gaps: unknown`;
  return `${would.looks}, every ${msToDuration(tileMs)} (a sample every ${msToDuration(scrapeMs)} in Prometheus)${blind}`;
}

/** What is not as it should be, a word each: "errorRate P3, 5 checks NoData". */
function foundText(results: RangeEntry['results']): string {
  const byWord = new Map<string, string[]>();
  for (const { check, verdict } of results) {
    if (verdict.kind === 'pass') continue;
    const word = verdict.kind === 'fail' ? verdict.severity : verdict.why;
    byWord.set(word, [...(byWord.get(word) ?? []), check]);
  }
  const few = (names: readonly string[]): string => (names.length > 2 ? `${names.length} checks` : names.join(' and '));
  return [...byWord].map(([word, names]) => `${few(names)} ${word}`).join(', ');
}

/** Holding while all is well is told once something was not. */
function isWorthALine({ reason, results }: RangeEntry, before: RangeEntry | undefined): boolean {
  const isClean = (entry: RangeEntry['results']): boolean => foundText(entry) === '';
  return reason !== 'Holding' || !isClean(results) || (before !== undefined && !isClean(before.results));
}

function wouldLines(entry: RangeEntry, paint: Paint, canvas: Canvas): readonly string[] {
  const { atMs, kind, reason, weight, message, results } = entry;
  const isMove = weight !== undefined;
  const head = decisionLine({ atMs, who: 'would', what: `${kind} ${reason}`, weight });
  const how = kind === 'zero' || kind === 'rollback' ? 'red' : kind === 'reduce' ? 'yellow' : 'bold';
  const found = foundText(results);
  const why = isMove || found === '' ? message : `${message}; ${found}`;
  return [cut(`${isMove ? paint(head, how) : head} ${why}`, canvas)];
}

function reallyLines(
  { atMs, kind, reason, weight, message }: RealDecision,
  paint: Paint,
  canvas: Canvas,
): readonly string[] {
  const head = decisionLine({ atMs, who: 'really', what: `${kind} ${reason}`, weight });
  return [paint(cut(`${head} ${message}`, canvas), 'dim')];
}

function decisionLine({
  atMs,
  who,
  what,
  weight,
}: {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
  readonly weight: number | undefined;
}): string {
  const to = weight === undefined ? '' : `→ ${weight} %`;
  return `  ${instant(atMs)}  ${who.padEnd(6)}  ${what.padEnd(24)} ${to.padEnd(7)}`;
}

function endText({ would, toMs }: RangeReplay, paint: Paint): string {
  const last = would.entries.at(-1);
  const at = instant(last?.atMs ?? toMs);
  switch (would.end) {
    case 'promoted':
      return paint(`be promoted at ${at}`, 'green');
    case 'zeroed':
      return paint(`be taken to 0 % at ${at} and wait there for a person`, 'red');
    case 'rolled-back':
      return paint(`be rolled back at ${at}`, 'red');
    case 'running':
      return `still run at ${instant(toMs)}, where the range ends: ${last?.kind ?? 'hold'} ${last?.reason ?? ''}`;
  }
}

function reallyText({ decisions, source }: RealRun): string {
  const last = decisions.at(-1);
  if (last === undefined) return `unknown: neither records nor the status' history reach into this time`;
  const newest = `${last.kind} ${last.reason} at ${instant(last.atMs)} was the last decision`;
  return source === 'records'
    ? newest
    : `${newest}; the status keeps ten and no weights (-f FILE reads the operator's lines)`;
}

/** What nobody can say from a range, and how far this one goes. */
function limitsOf({ tileMs, partedMs, really }: RangeReplay): readonly string[] {
  return [
    `the sentinel looks at the pods every second; here what it finds comes up to ${msToDuration(tileMs)} later, or never where it cut it short between two scrapes`,
    'silent and unready pods, alerts, reported complaints, approvals and edits of the route are not in Prometheus',
    ...(partedMs === undefined
      ? []
      : [
          `from ${instant(partedMs)} on its weight would have been another: later counts are of the traffic that really flowed`,
        ]),
    ...(really.replicaSets.length === 0
      ? ['no record names the ReplicaSets: the counts are of every pod of the target']
      : []),
  ];
}
