/** Draws what was found: faults with their remedies first. Pure; called by ../doctor.ts, ../config.ts and ../report.ts. */
import { beside, type Colour, painter } from '../drawing.ts';
import type { CheckReport, Outcome, Verdict } from './check.ts';

const MARKS: Readonly<Record<Verdict, readonly [mark: string, how: Colour]>> = {
  fail: ['FAIL', 'red'],
  warn: ['WARN', 'yellow'],
  skipped: ['skip', 'dim'],
  ok: ['ok  ', 'green'],
};
const ORDER: readonly Verdict[] = ['fail', 'warn', 'skipped', 'ok'];

export interface Canvas {
  readonly columns: number;
  readonly hasColour: boolean;
}

/** A check's id or a variable's name, and what was found there. */
export type Row = Outcome & { readonly label: string };

export const rowsOf = (reports: readonly CheckReport[]): readonly Row[] =>
  reports.flatMap(({ id, outcomes }) => outcomes.map((outcome) => ({ ...outcome, label: id })));

export const countOf = (rows: readonly Row[], verdict: Verdict): number =>
  rows.filter((row) => row.verdict === verdict).length;

const drawRow = (row: Row, width: number, { columns, hasColour }: Canvas): readonly string[] => {
  const [mark, how] = MARKS[row.verdict];
  const label = `${mark}  ${row.label.padEnd(width)}  `;
  const [first = '', ...others] = beside(label, row.finding, columns);
  const remedy = 'remedy' in row ? beside(`${' '.repeat(6)}${'→ do'.padEnd(width)}  `, row.remedy, columns) : [];
  return [first.replace(mark, painter(hasColour)(mark, how)), ...others, ...remedy];
};

const drawRows = (rows: readonly Row[], canvas: Canvas): readonly string[] => {
  const width = Math.max(...rows.map(({ label }) => label.length));
  return ORDER.flatMap((verdict) =>
    rows.filter((row) => row.verdict === verdict).flatMap((row) => drawRow(row, width, canvas)),
  );
};

export const drawReports = (reports: readonly CheckReport[], canvas: Canvas): readonly string[] => {
  const rows = rowsOf(reports);
  const counts = ORDER.map((verdict) => `${countOf(rows, verdict)} ${verdict}`).join(', ');
  return [...drawRows(rows, canvas), '', `${reports.length} checks: ${counts}`];
};

interface Finding {
  readonly name: string;
  readonly verdict: 'fail' | 'warn';
  readonly finding: string;
  readonly remedy: string;
}

export const drawFindings = (findings: readonly Finding[], canvas: Canvas): readonly string[] => {
  const rows = findings.map(({ name, ...finding }) => ({ ...finding, label: name }));
  if (rows.length === 0) return ['no finding'];
  return [...drawRows(rows, canvas), '', `${countOf(rows, 'fail')} fail, ${countOf(rows, 'warn')} warn`];
};
