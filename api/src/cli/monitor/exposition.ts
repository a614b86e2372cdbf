/** Reads the Prometheus text format, as `/api/metrics` writes it. Pure; called by addresses.ts and ../report.ts. */

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

const valueOf = (text: string): number => (text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text));

const labelsOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, name = '', value = '']) => [
      name,
      value.replaceAll(/\\[n"\\]/g, (escape) => ESCAPES[escape] ?? escape),
    ]),
  );

/** Every series of these names; lines that are none are passed over. */
export const readExposition = (text: string, names: ReadonlySet<string>): readonly Series[] =>
  text.split('\n').flatMap((line) => {
    const [, name = '', labels = '', value = ''] = LINE.exec(line) ?? [];
    if (!names.has(name)) return [];
    return [{ name, labels: labelsOf(labels), value: valueOf(value) }];
  });
