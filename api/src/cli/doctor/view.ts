/** Draws what the checks found: faults with their remedies first. Pure; called by ../doctor.ts. */
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

interface Row {
  readonly id: string;
  readonly outcome: Outcome;
}

export const rowsOf = (reports: readonly CheckReport[]): readonly Row[] =>
  reports.flatMap(({ id, outcomes }) => outcomes.map((outcome) => ({ id, outcome })));

export const countOf = (reports: readonly CheckReport[], verdict: Verdict): number =>
  rowsOf(reports).filter(({ outcome }) => outcome.verdict === verdict).length;

const drawRow = ({ id, outcome }: Row, width: number, { columns, hasColour }: Canvas): readonly string[] => {
  const [mark, how] = MARKS[outcome.verdict];
  const label = `${mark}  ${id.padEnd(width)}  `;
  const [first = '', ...others] = beside(label, outcome.finding, columns);
  const remedy =
    'remedy' in outcome ? beside(`${' '.repeat(6)}${'→ do'.padEnd(width)}  `, outcome.remedy, columns) : [];
  return [first.replace(mark, painter(hasColour)(mark, how)), ...others, ...remedy];
};

export const drawReports = (reports: readonly CheckReport[], canvas: Canvas): readonly string[] => {
  const rows = rowsOf(reports);
  const width = Math.max(...rows.map(({ id }) => id.length));
  const counts = ORDER.map((verdict) => `${countOf(reports, verdict)} ${verdict}`).join(', ');
  return [
    ...ORDER.flatMap((verdict) =>
      rows.filter(({ outcome }) => outcome.verdict === verdict).flatMap((row) => drawRow(row, width, canvas)),
    ),
    '',
    `${reports.length} checks: ${counts}`,
  ];
};
