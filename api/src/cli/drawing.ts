/** Marks and columns of a terminal's picture. Pure; used by the views of doctor, config, monitor and report. */

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
export type Colour = keyof typeof CODES;
export type Paint = (text: string, how: Colour) => string;

export const painter =
  (hasColour: boolean): Paint =>
  (text, how) =>
    hasColour ? `\u001B[${CODES[how]}m${text}\u001B[0m` : text;

/** Breaks at spaces; a word that is longer than a line stays whole, so that a command can be copied. */
export const wrap = (text: string, columns: number): readonly string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
};

/** Text beside a label, each further line below its first. */
export const beside = (label: string, text: string, columns: number): readonly string[] =>
  wrap(text, Math.max(30, columns - label.length)).map(
    (line, i) => `${i === 0 ? label : ' '.repeat(label.length)}${line}`,
  );

/** Columns as wide as their widest cell; the last one is not filled up. */
export const table = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = rows.reduce<readonly number[]>(
    (widest, row) => row.map((cell, i) => Math.max(widest[i] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
};
