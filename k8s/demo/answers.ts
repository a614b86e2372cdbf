// What the clients saw, read from k6's answer log (load/session.ts writes a JSON line an answer). Called by traffic.ts
// with the log's text; its figures end in the live view, the report, and the assertions of the end-to-end tests. Pure.
import { z } from 'zod';

const answerLine = z.object({
  t: z.number(),
  status: z.number(),
  version: z.string(),
  route: z.string(),
  error: z.string().optional(),
});
const lostLine = z.object({ t: z.number(), lost: z.string(), user: z.string() });
const logLine = z.union([answerLine, lostLine]);

/** One answer at the client; `atMs` is the client's clock, status 0 means that none came. */
export interface Answer {
  readonly atMs: number;
  readonly status: number;
  readonly version: string;
  readonly route: string;
  /** Why none came, in the client's words. */
  readonly error?: string | undefined;
}

/** A session that ended though its user had not logged out. */
export interface LostSession {
  readonly atMs: number;
  readonly how: string;
  readonly user: string;
}

export interface AnswerLog {
  readonly answers: readonly Answer[];
  readonly lost: readonly LostSession[];
}

/** Parses whole lines; a line that is no answer (a warning of k6) is left out. */
export function parseAnswers(lines: readonly string[]): AnswerLog {
  const answers: Answer[] = [];
  const lost: LostSession[] = [];
  for (const line of lines) {
    const parsed = parseLine(line);
    if (parsed === undefined) continue;
    const { t: atMs } = parsed;
    if ('lost' in parsed) lost.push({ atMs, how: parsed.lost, user: parsed.user });
    else {
      const { status, version, route, error } = parsed;
      answers.push({ atMs, status, version, route, ...(error !== undefined && { error }) });
    }
  }
  return { answers, lost };
}

function parseLine(line: string): z.infer<typeof logLine> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return logLine.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** A failure as the user feels it: no answer, a refusal for too many requests, or a server's error. */
export function isFailure(answer: Answer): boolean {
  return answer.status === 0 || answer.status === 429 || answer.status >= 500;
}

/** Counts over `[fromMs, untilMs)`. */
export interface AnswerCounts {
  readonly requests: number;
  readonly failed: number;
  readonly unanswered: number;
  readonly failedByVersion: Readonly<Record<string, number>>;
  readonly requestsByVersion: Readonly<Record<string, number>>;
}

export function countAnswers(answers: readonly Answer[], fromMs: number, untilMs: number): AnswerCounts {
  const requestsByVersion: Record<string, number> = {};
  const failedByVersion: Record<string, number> = {};
  let requests = 0;
  let failed = 0;
  let unanswered = 0;
  for (const answer of answers) {
    if (answer.atMs < fromMs || answer.atMs >= untilMs) continue;
    requests += 1;
    requestsByVersion[answer.version] = (requestsByVersion[answer.version] ?? 0) + 1;
    if (!isFailure(answer)) continue;
    failed += 1;
    if (answer.version === '') unanswered += 1;
    failedByVersion[answer.version] = (failedByVersion[answer.version] ?? 0) + 1;
  }
  return { requests, failed, unanswered, failedByVersion, requestsByVersion };
}

/** What failed in `[fromMs, untilMs)`, counted by kind, most frequent first: `12 × 503 login at 1.0.0`. */
export function failureKinds(answers: readonly Answer[], fromMs: number, untilMs: number): string[] {
  const kinds = new Map<string, number>();
  for (const answer of answers) {
    if (answer.atMs < fromMs || answer.atMs >= untilMs || !isFailure(answer)) continue;
    const what = answer.status === 0 ? `no answer (${answer.error ?? 'unknown'})` : String(answer.status);
    const kind = `${what} ${answer.route}${answer.version === '' ? '' : ` at ${answer.version}`}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].toSorted(([, a], [, b]) => b - a).map(([kind, count]) => `${count} × ${kind}`);
}

/** How long a sick version reached clients: from its first faulty answer to its last answer of any kind. */
export interface Exposure {
  readonly firstFaultyAtMs: number;
  readonly lastAnswerAtMs: number;
  readonly exposureMs: number;
  /** Requests a second that the version answered meanwhile: what its evidence was made of. */
  readonly requestsPerSecond: number;
  readonly faultyAnswers: number;
}

/** @returns undefined when the version never answered with a failure in the log */
export function exposureOf(answers: readonly Answer[], version: string): Exposure | undefined {
  const ofVersion = answers.filter((answer) => answer.version === version);
  const faulty = ofVersion.filter(isFailure);
  const first = minimum(faulty.map((answer) => answer.atMs));
  const last = maximum(ofVersion.map((answer) => answer.atMs));
  if (first === undefined || last === undefined) return undefined;
  const exposed = ofVersion.filter((answer) => answer.atMs >= first && answer.atMs <= last).length;
  const exposureMs = last - first;
  return {
    firstFaultyAtMs: first,
    lastAnswerAtMs: last,
    exposureMs,
    requestsPerSecond: Math.round(exposed / Math.max(0.001, exposureMs / 1000)),
    faultyAnswers: faulty.length,
  };
}

function minimum(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((least, value) => Math.min(least, value));
}

function maximum(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((most, value) => Math.max(most, value));
}
