/**
 * `latchkey monitor`: the runbook's monitor of authentication, live figures against the limits of the decision matrix and the alerts, from the service's
 * own addresses or from Prometheus. Exit codes: 0 no limit was crossed, 1 one was, 2 wrong usage, 3 nobody can be asked.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, CommandError, command, describe, EXIT, UsageError } from './command.ts';
import { durationMs } from './duration.ts';
import { addressSource, type Source } from './monitor/addresses.ts';
import { type FigureGroup, figuresOf, isAtLeast, SEVERITIES, type Severity, worstOf } from './monitor/figures.ts';
import type { Reading } from './monitor/growth.ts';
import { prometheusSource } from './monitor/prometheus.ts';
import { type Canvas, drawLine, drawPicture, type Head } from './monitor/view.ts';
import type { Terminal } from './terminal.ts';

const HELP = `Usage: latchkey monitor [ADDRESS …] [options]

Live figures against the runbook's limits: error rate, latency, logins, refreshes, sessions, lockouts, rate limits, database, pool,
Redis, audit trail, mails. On a terminal a picture that is drawn anew; into a pipe one line a turn.

  latchkey monitor                                     this pod, http://127.0.0.1:$PORT
  latchkey monitor http://10.0.0.5:3000 http://10.0.0.6:3000
  latchkey monitor --prometheus http://prometheus:9090 --selector 'job="auth-api"'

Options
  --once               one look and the verdict: two scrapes, --interval apart; one question to Prometheus
  --interval <time>    between two turns (default 5s)
  --window <time>      over which rates are made (default 5m, the runbook's)
  --duration <time>    end after that (default: never)
  --fail-on <P0…P3>    which severities are exit code 1 (default P3: every limit)
  --strict             a figure with a limit that nobody knows, or of too little traffic, is exit code 1 too
  --prometheus <url>   ask Prometheus instead of addresses
  --selector <text>    which series there: what stands between the braces (default job="auth-api")
  -o, --output         text (default) or json: an object with --once, else a line a turn
  -h, --help           this text

Environment
  PORT                        where the pod listens, when no address is named
  LATCHKEY_PROMETHEUS_TOKEN   optional: a bearer token for Prometheus
  NO_COLOR                    no colours

Exit codes: 0 no limit was crossed, 1 one was crossed in any turn, 2 wrong usage, 3 nobody could be asked
`;

const CLEAR = '\u001B[H\u001B[J';
const DEADLINE_MS = 3_000;
/** The matrix: a service that nobody reaches for longer is a P0. */
const DOWN_MS = 5 * 60_000;

interface Plan {
  readonly source: Source;
  readonly isOnce: boolean;
  readonly intervalMs: number;
  readonly durationMs: number;
  readonly failOn: Severity;
  readonly isStrict: boolean;
  readonly isJson: boolean;
  readonly terminal: Terminal;
}

interface Turn {
  readonly groups: readonly FigureGroup[];
  readonly head: Head;
}

const canvasOf = ({ hasColour, ...terminal }: Terminal): Canvas => ({
  columns: terminal.columns(),
  rows: terminal.rows(),
  hasColour,
});

const addressesOf = (operands: readonly string[], { env }: Terminal): readonly string[] => {
  const all = operands.length > 0 ? operands : [`http://127.0.0.1:${env['PORT'] ?? '3000'}`];
  for (const text of all) {
    const isHttp = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
    if (!isHttp || new URL(text).username !== '')
      throw new UsageError(
        `${isHttp ? 'an address with a password' : text} is no address such as http://10.0.0.5:3000`,
      );
  }
  return all;
};

const sourceOf = (
  operands: readonly string[],
  values: { readonly prometheus: string | undefined; readonly selector: string },
  { terminal, windowMs }: { readonly terminal: Terminal; readonly windowMs: number },
): Source => {
  const { prometheus: address, selector } = values;
  if (address === undefined)
    return addressSource({ addresses: addressesOf(operands, terminal), windowMs, deadlineMs: DEADLINE_MS });
  if (operands.length > 0) throw new UsageError('name addresses or --prometheus, not both');
  addressesOf([address], terminal);
  const token = terminal.env['LATCHKEY_PROMETHEUS_TOKEN'];
  return prometheusSource({ address, selector, windowMs, deadlineMs: DEADLINE_MS, token });
};

const NOBODY: Reading = { growth: [], seconds: 0, gauges: [], answering: 0, asked: 1, away: [] };

const isCrossed = (groups: readonly FigureGroup[], { failOn, isStrict }: Plan): boolean => {
  const worst = worstOf(groups);
  const isUnknown = groups.some(({ figures }) => figures.some(({ state }) => state === 'unknown'));
  return (worst !== undefined && isAtLeast(worst, failOn)) || (isStrict && isUnknown);
};

const asJson = ({ groups, head }: Turn, isGood: boolean) => ({
  at: new Date(head.atMs).toISOString(),
  isGood,
  worst: worstOf(groups) ?? null,
  windowSeconds: head.windowSeconds,
  trouble: head.trouble ?? null,
  figures: groups.flatMap(({ figures }) =>
    figures.map(({ label: _label, isBelow: _isBelow, value, ...figure }) => ({ ...figure, value: value ?? null })),
  ),
});

const runOnce = async (plan: Plan, isPrometheus: boolean): Promise<Answer> => {
  const { source, terminal } = plan;
  const sinceMs = terminal.nowMs();
  const read = async (): Promise<Reading> => {
    const reading = await source.read();
    if (reading.answering === 0) throw new Error(`nobody answers at ${source.label}`);
    return reading;
  };
  try {
    let reading = await read();
    if (!isPrometheus) {
      await sleep(plan.intervalMs, undefined, { signal: terminal.over });
      reading = await read();
    }
    const groups = figuresOf(reading);
    const atMs = terminal.nowMs();
    const { label } = source;
    const head = { label, atMs, elapsedMs: atMs - sinceMs, windowSeconds: reading.seconds, trouble: undefined };
    const canvas = canvasOf(terminal);
    const isGood = !isCrossed(groups, plan);
    return { data: asJson({ groups, head }, isGood), text: drawPicture(groups, head, canvas).join('\n'), isGood };
  } catch (error) {
    throw new CommandError(describe(error), EXIT.unreachable);
  }
};

const show = async (turn: Turn, { terminal, isJson, ...plan }: Plan): Promise<void> => {
  const { groups, head } = turn;
  if (isJson) {
    const isGood = !isCrossed(groups, { terminal, isJson, ...plan });
    await terminal.write(`${JSON.stringify(asJson(turn, isGood))}\n`);
  } else if (terminal.isInteractive) {
    const canvas = canvasOf(terminal);
    await terminal.write(`${CLEAR}${drawPicture(groups, head, canvas).join('\n')}\n`);
  } else await terminal.write(`${drawLine(groups, head)}\n`);
};

/** What was seen so far, which the exit code says at the end. */
interface Seen {
  readonly isCrossed: boolean;
  /** Since when nobody answers; undefined while somebody does. */
  readonly awaySinceMs: number | undefined;
}

const turn = async (plan: Plan, sinceMs: number, { awaySinceMs, isCrossed: wasCrossed }: Seen): Promise<Seen> => {
  const { source, terminal } = plan;
  let trouble: string | undefined;
  const reading = await source.read().catch((error: unknown) => {
    trouble = describe(error);
    return NOBODY;
  });
  const atMs = terminal.nowMs();
  const isAway = reading.answering === 0;
  const since = isAway ? (awaySinceMs ?? atMs) : undefined;
  if (isAway) trouble ??= `nobody answers at ${source.label}`;
  else if (reading.away.length > 0) trouble = `no answer from ${reading.away.join(', ')}`;
  const groups = figuresOf(reading);
  const head = { label: source.label, atMs, elapsedMs: atMs - sinceMs, windowSeconds: reading.seconds, trouble };
  // The first scrape says nothing of growth, and no line of a script should say that all is well.
  if (reading.seconds > 0 || isAway) await show({ groups, head }, plan);
  const isDown = since !== undefined && atMs - since > DOWN_MS;
  const crossesNow = isAway ? isDown : reading.seconds > 0 && isCrossed(groups, plan);
  return { isCrossed: wasCrossed || crossesNow, awaySinceMs: since };
};

const runLive = async (plan: Plan): Promise<Answer> => {
  const { terminal, intervalMs } = plan;
  const sinceMs = terminal.nowMs();
  let seen: Seen = { isCrossed: false, awaySinceMs: undefined };
  for (;;) {
    seen = await turn(plan, sinceMs, seen);
    const isDone = terminal.over.aborted || terminal.nowMs() - sinceMs + intervalMs > plan.durationMs;
    if (isDone) break;
    const isOver = await sleep(intervalMs, false, { signal: terminal.over }).catch(() => true);
    if (isOver) break;
  }
  if (!seen.isCrossed && seen.awaySinceMs !== undefined)
    throw new CommandError(`nobody answers at ${plan.source.label}`, EXIT.unreachable);
  return { data: undefined, text: '', isGood: !seen.isCrossed };
};

const severityOf = (text: string): Severity => {
  const found = SEVERITIES.find((severity) => severity === text);
  if (found === undefined) throw new UsageError(`--fail-on is one of ${SEVERITIES.join(', ')}`);
  return found;
};

export const monitor = command({
  name: 'monitor',
  help: HELP,
  options: {
    once: { type: 'boolean', default: false },
    interval: { type: 'string', default: '5s' },
    window: { type: 'string', default: '5m' },
    duration: { type: 'string' },
    'fail-on': { type: 'string', default: 'P3', values: SEVERITIES },
    strict: { type: 'boolean', default: false },
    prometheus: { type: 'string' },
    selector: { type: 'string', default: 'job="auth-api"' },
  },
  work: async ({ operands, values, isJson, terminal }) => {
    const windowMs = durationMs('window', values.window);
    const plan: Plan = {
      source: sourceOf(operands, values, { terminal, windowMs }),
      isOnce: values.once,
      intervalMs: durationMs('interval', values.interval),
      durationMs: values.duration === undefined ? Number.POSITIVE_INFINITY : durationMs('duration', values.duration),
      failOn: severityOf(values['fail-on']),
      isStrict: values.strict,
      isJson,
      terminal,
    };
    return plan.isOnce ? runOnce(plan, values.prometheus !== undefined) : runLive(plan);
  },
});
