/** Figures, targets, and how both are shown. Filled by the scenarios, printed by main.ts. */
import type { Spread } from './measure.ts';

export interface Figure {
  /** What was measured, such as `validate`. */
  readonly name: string;
  readonly unit: string;
  readonly value: Spread;
  /** What it must be, in words; undefined: shown for comparison. */
  readonly target?: string;
  readonly isMet?: boolean;
  readonly note?: string;
}

const format = (value: number): string => {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
};

const columns = ({ name, unit, value, target, isMet, note }: Figure): readonly string[] => [
  name,
  format(value.median),
  value.min === value.max ? '' : `${format(value.min)} … ${format(value.max)}`,
  unit,
  target ?? '',
  isMet === undefined ? '' : isMet ? '✓' : '✗',
  note ?? '',
];

const HEAD = ['', 'median', 'min … max', '', 'target', '', ''];

/** Figures as aligned columns. */
export const table = (figures: readonly Figure[]): string => {
  const rows = [HEAD, ...figures.map(columns)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (column: number): boolean => column === 1 || column === 2;
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};
