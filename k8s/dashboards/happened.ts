/** What happened when, read from series: decisions from counters that grew, phases from the series that stood at 1. Called by rollout-picture.ts and record.ts. Pure. */
import { type Series, stretchesOf, type Values } from './recording.ts';

export interface Happened {
  /** Of the values: the first that counts it. */
  readonly index: number;
  readonly decision: string;
  readonly reason: string;
}

/** In the order of time; what was counted before the first value is none of it. */
export function decisionsIn(counters: readonly Series[]): readonly Happened[] {
  const happened = counters.flatMap(({ labels, values }) => {
    const { decision = '', reason = '' } = labels;
    return growths(values).map((index) => ({ index, decision, reason }));
  });
  return happened.toSorted((a, b) => a.index - b.index || a.decision.localeCompare(b.decision, 'en'));
}

/** Where the counter is higher than before; a series that appears later began at 0. */
function growths(values: Values): readonly number[] {
  let before = values[0] === undefined ? 0 : values[0];
  return values.flatMap((value, index) => {
    if (value === undefined) return [];
    const grew = value > before;
    before = value;
    return grew ? [index] : [];
  });
}

export interface Stretch {
  readonly phase: string;
  readonly revision: string;
  readonly from: number;
  /** The index after its last. */
  readonly until: number;
}

/** The phases one after the other; where two stand at once, since a scrape fell between them, the later one counts. */
export function phasesIn(infos: readonly Series[]): readonly Stretch[] {
  const stretches = infos.flatMap(({ labels: { phase = '', revision = '' }, values }) =>
    stretchesOf(values).map((stretch) => ({ phase, revision, ...stretch })),
  );
  const ordered = stretches.toSorted((a, b) => a.from - b.from);
  return ordered.map((stretch, index) => ({
    ...stretch,
    until: ordered[index + 1]?.from ?? stretch.until,
  }));
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Puts each item into the first row in which it hides no other. */
export function rowsFor<Item>(
  items: readonly Item[],
  spanOf: (item: Item) => Span,
): readonly { readonly item: Item; readonly row: number }[] {
  const rows: Span[][] = [];
  return items.map((item) => {
    const span = spanOf(item);
    const isFree = (taken: readonly Span[]): boolean =>
      taken.every(({ from, to }) => span.from >= to || span.to <= from);
    const found = rows.findIndex(isFree);
    const row = found === -1 ? rows.length : found;
    rows[row] = [...(rows[row] ?? []), span];
    return { item, row };
  });
}

/** Seconds that are shown before the first rollout begins and after the last one has ended. */
const AROUND = { before: 8, after: 20 };

/**
 * The last rollout that was taken back, and the one that was promoted before it: from the beginning of the one to a while after the end of the
 * other, as indices of the values. Undefined where there is none of either.
 */
export function spanOfRun(phases: readonly Stretch[]): Span | undefined {
  const back = phases.findLastIndex(({ phase }) => phase === 'RolledBack');
  const promoted = phases.findLastIndex(({ phase }, index) => phase === 'Succeeded' && index < back && index > 0);
  const first = promotedFrom(phases, promoted);
  const last = phases[back];
  if (last === undefined || first === undefined) return undefined;
  return { from: Math.max(0, first.from - AROUND.before), to: last.from + AROUND.after };
}

/** The first phase of the promoted revision that leads to it. */
function promotedFrom(phases: readonly Stretch[], promoted: number): Stretch | undefined {
  const end = phases[promoted];
  if (end === undefined) return undefined;
  return phases.slice(0, promoted).findLast(({ revision, from }, index, earlier) => {
    const before = earlier[index - 1];
    return revision === end.revision && from < end.from && before?.revision !== end.revision;
  });
}
