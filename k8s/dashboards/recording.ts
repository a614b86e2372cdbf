/**
 * What a Prometheus answered about one real run, kept in docs/images/recording.json: by query, so that a query that was changed since has no
 * answer and no picture. Written by record.ts, drawn by pictures.ts. Pure.
 */
import { z } from 'zod';

/** A value a step; undefined where there was none, or none that is a number. */
export type Values = readonly (number | undefined)[];

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: Values;
}

export const isValue = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);

/** The values between the gaps, as indices; `until` is the one after the last. */
export function stretchesOf(values: Values): readonly { readonly from: number; readonly until: number }[] {
  const stretches: { from: number; until: number }[] = [];
  for (const [index, value] of values.entries()) {
    if (!isValue(value)) continue;
    const last = stretches.at(-1);
    if (last?.until === index) last.until = index + 1;
    else stretches.push({ from: index, until: index + 1 });
  }
  return stretches;
}

const GAP = '-';
const SIGNIFICANT_DIGITS = 3;

/** One line of text: `0.5` is a value, `-` a gap, `0*40` forty alike. Figures keep three digits. */
export function packed(values: Values): string {
  const runs: { token: string; count: number }[] = [];
  for (const value of values) {
    const token = isValue(value) ? String(rounded(value)) : GAP;
    const last = runs.at(-1);
    if (last?.token === token) last.count += 1;
    else runs.push({ token, count: 1 });
  }
  return runs.map(({ token, count }) => (count === 1 ? token : `${token}*${count}`)).join(' ');
}

export const rounded = (value: number): number => Number(value.toPrecision(SIGNIFICANT_DIGITS));

/** @throws RangeError for a text that `packed` does not write */
export function unpacked(text: string): Values {
  return text.split(' ').flatMap((run) => {
    const [token = '', times = '1'] = run.split('*');
    const [value, count] = [token === GAP ? undefined : Number(token), Number(times)];
    if (token === '' || Number.isNaN(value) || !Number.isInteger(count) || count < 1)
      throw new RangeError(`"${run}" is no value of a recording`);
    return Array.from({ length: count }, () => value);
  });
}

const seriesShape = z.strictObject({
  labels: z.record(z.string(), z.string()),
  values: z.string().transform(unpacked),
});
const recordingShape = z.strictObject({
  /** Which run it was, as the captions say it. */
  source: z.string().min(1),
  from: z.iso.datetime(),
  stepS: z.int().positive(),
  points: z.int().min(2),
  /** What `$__rate_interval` stood for. */
  rateInterval: z.string(),
  answers: z.record(z.string(), z.array(seriesShape)),
});

export type Recording = Readonly<z.infer<typeof recordingShape>>;

/** @throws ZodError for a text that is no recording */
export const parseRecording = (text: string): Recording => recordingShape.parse(JSON.parse(text));

/** A line a series, so that the file stays small and a diff of it readable. */
export function recordingText({ answers, ...run }: Recording): string {
  const series = ({ labels, values }: Series): string => `   ${JSON.stringify({ labels, values: packed(values) })}`;
  const answer = ([query, found]: [string, readonly Series[]]): string =>
    `  ${JSON.stringify(query)}: [${found.length === 0 ? '' : `\n${found.map(series).join(',\n')}\n  `}]`;
  const head = Object.entries(run).map(([key, value]) => ` ${JSON.stringify(key)}: ${JSON.stringify(value)},`);
  return `{\n${head.join('\n')}\n "answers": {\n${Object.entries(answers).map(answer).join(',\n')}\n }\n}\n`;
}

/** @throws Error when the recording was made before the query was */
export function answerTo({ answers }: Recording, query: string): readonly Series[] {
  const answer = answers[query];
  if (answer === undefined)
    throw new Error(
      `docs/images/recording.json has no answer to the query ${query}: record a run with npm run pictures`,
    );
  return answer;
}
