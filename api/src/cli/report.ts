/**
 * `latchkey report ADDRESS`: the verification after a deployment. Asks the running service what its users and its operators ask, holds the figures
 * against the limits, looks at its parts with doctor, and writes all of it down. Exit codes: 0 nothing failed, 1 something did, 2 usage, 3 nobody answers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { command, describe, UsageError } from './command.ts';
import { rowsOf } from './doctor/view.ts';
import { examine } from './doctor.ts';
import { durationMs } from './duration.ts';
import { addressSource } from './monitor/addresses.ts';
import { type Figure, type FigureGroup, figuresOf } from './monitor/figures.ts';
import { limitText, valueText } from './monitor/view.ts';
import { documentOf, type Report, statusOf } from './report/document.ts';
import { type Credentials, probeLogin } from './report/login-probe.ts';
import { probeHeaders, probeHealth, probeMetrics } from './report/service-probe.ts';
import { askAt, type Step } from './report/step.ts';
import type { Terminal } from './terminal.ts';

const HELP = `Usage: latchkey report ADDRESS [options]

Verifies a deployment and writes the report: health and version, the way of a test account (login, me, refresh, logout), headers and
cookies, metrics, the service levels, and what latchkey doctor finds. What people have to add has its heading.

  latchkey report https://auth.example.com > report.md

Options
  --expect-version <v>    the version that should answer (the service shows it with EXPOSE_VERSION=true)
  --metrics <address>     where /api/metrics answers, if not at ADDRESS: a pod
  --measure <time>        how long the service levels are measured (default 10s)
  --began <time>          when the deployment began, as 2026-03-04T12:00:00Z
  --credentials-stdin     read the test account from standard input: {"email": "…", "password": "…"}
  --pods <n>              for doctor: how many pods share PostgreSQL (default 2)
  -o, --output            markdown (default) or json
  -h, --help              this text

Environment
  LATCHKEY_PROBE_EMAIL, LATCHKEY_PROBE_PASSWORD   optional: a test account without rights and without a second factor
  DATABASE_URL and the rest of the service's      optional: with it the checks of latchkey doctor are part of the report

Exit codes: 0 nothing failed, 1 something failed, 2 wrong usage, 3 the service does not answer
`;

const credentialsSchema = z.object({ email: z.string().min(3), password: z.string().min(1) });

/** Never from the arguments, which every process of the machine can read. @throws UsageError, which quotes nothing */
const readCredentials = async (fromInput: boolean, terminal: Terminal): Promise<Credentials | undefined> => {
  if (fromInput) {
    const text = await terminal.readInput();
    const parsed = credentialsSchema.safeParse(
      await Promise.resolve(text)
        .then(JSON.parse)
        .catch(() => undefined),
    );
    if (parsed.success) return parsed.data;
    throw new UsageError('standard input has to be {"email": "…", "password": "…"}');
  }
  const { LATCHKEY_PROBE_EMAIL: email = '', LATCHKEY_PROBE_PASSWORD: password = '' } = terminal.env;
  if (email === '' && password === '') return undefined;
  if (email !== '' && password !== '') return { email, password };
  throw new UsageError('set LATCHKEY_PROBE_EMAIL and LATCHKEY_PROBE_PASSWORD, or neither');
};

const addressOf = (text: string | undefined): string => {
  if (text === undefined) throw new UsageError('name the address: latchkey report https://auth.example.com');
  const isAddress = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).username === '';
  if (!isAddress) throw new UsageError('an address is http:// or https:// without user and password');
  return text;
};

interface Measured {
  readonly groups: readonly FigureGroup[];
  readonly seconds: number;
  readonly steps: readonly Step[];
}

const SECTION = 'Limits';

const levelStep = (figure: Figure): readonly Step[] => {
  const { state, label } = figure;
  if (state === 'ok' || state === 'none' || state === 'unknown') return [];
  const finding = `${state}: ${valueText(figure)}, wanted ${limitText(figure)}`;
  const remedy = 'the runbook has a page for each alert: docs/runbook/README.md';
  return [{ section: SECTION, name: label, verdict: state === 'P3' ? 'warn' : 'fail', finding, remedy }];
};

/** Two looks, and what grew between them; the probe's own requests are part of it. */
const measure = async (address: string, measureMs: number, terminal: Terminal): Promise<Measured> => {
  const source = addressSource({ addresses: [address], windowMs: 2 * measureMs + 60_000, deadlineMs: 5_000 });
  await source.read();
  await sleep(measureMs, undefined, { signal: terminal.over });
  const reading = await source.read();
  if (reading.answering === 0) return { groups: [], seconds: 0, steps: [] };
  const groups = figuresOf(reading);
  const crossed = groups.flatMap(({ figures }) => figures.flatMap(levelStep));
  const fine: Step = { section: SECTION, name: 'limits', verdict: 'ok', finding: 'none is crossed' };
  return { groups, seconds: reading.seconds, steps: crossed.length === 0 ? [fine] : crossed };
};

const INSTALLATION = 'Installation (latchkey doctor)';

const doctorSteps = async (terminal: Terminal, pods: number): Promise<readonly Step[]> => {
  if ((terminal.env['DATABASE_URL'] ?? '') === '') {
    const finding =
      'no DATABASE_URL here: kubectl -n auth exec deploy/auth-api-stable -- latchkey doctor looks from a pod';
    return [{ section: INSTALLATION, name: 'doctor', verdict: 'skipped', finding }];
  }
  const reports = await examine(terminal, { pods, deadlineMs: 5_000 });
  return rowsOf(reports).map(({ label, ...outcome }) => ({ ...outcome, section: INSTALLATION, name: label }));
};

const readBegan = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new UsageError('--began is a time such as 2026-03-04T12:00:00Z');
  return ms;
};

interface Plan {
  readonly address: string;
  readonly metrics: string;
  readonly expectedVersion: string | undefined;
  readonly credentials: Credentials | undefined;
  readonly measureMs: number;
  readonly beganMs: number | undefined;
  readonly pods: number;
}

const verify = async (plan: Plan, terminal: Terminal): Promise<Report> => {
  const { address, metrics, credentials, measureMs, beganMs } = plan;
  const ask = askAt(address);
  const { steps: health, version } = await probeHealth(ask, plan.expectedVersion);
  const [measured, users, headers, shown, installation] = await Promise.all([
    measure(metrics, measureMs, terminal),
    probeLogin(ask, address, credentials),
    probeHeaders(ask, address),
    probeMetrics(askAt(metrics)).catch((error: unknown): readonly Step[] => [
      {
        section: 'Monitoring',
        name: 'metrics',
        verdict: 'fail',
        finding: describe(error),
        remedy: 'name a pod with --metrics',
      },
    ]),
    doctorSteps(terminal, plan.pods),
  ]);
  const steps = [...health, ...users, ...headers, ...shown, ...measured.steps, ...installation];
  const bySection = [...new Set(steps.map(({ section }) => section))].flatMap((section) =>
    steps.filter((step) => step.section === section),
  );
  return {
    address: new URL(address).origin,
    version,
    atMs: terminal.nowMs(),
    beganMs,
    steps: bySection,
    figures: measured.groups,
    measuredSeconds: measured.seconds,
  };
};

const asJson = (report: Report) => ({
  status: statusOf(report),
  address: report.address,
  version: report.version ?? null,
  verifiedAt: new Date(report.atMs).toISOString(),
  beganAt: report.beganMs === undefined ? null : new Date(report.beganMs).toISOString(),
  steps: report.steps,
  measuredSeconds: report.measuredSeconds,
  figures: report.figures.flatMap(({ figures }) =>
    figures.map(({ id, value, unit, state, limits, note }) => ({
      id,
      value: value ?? null,
      unit,
      state,
      limits,
      note,
    })),
  ),
});

export const report = command({
  name: 'report',
  help: HELP,
  options: {
    'expect-version': { type: 'string' },
    metrics: { type: 'string' },
    measure: { type: 'string', default: '10s' },
    began: { type: 'string' },
    'credentials-stdin': { type: 'boolean', default: false },
    pods: { type: 'string', default: '2' },
    output: { type: 'string', short: 'o', default: 'markdown', values: ['markdown', 'json'] },
  },
  work: async ({ operands, values, terminal }) => {
    const [first, ...rest] = operands;
    if (rest.length > 0) throw new UsageError('report takes one address');
    const address = addressOf(first);
    const pods = Number(values.pods);
    if (!Number.isInteger(pods) || pods < 1) throw new UsageError('--pods is a whole number of at least 1');
    const plan: Plan = {
      address,
      metrics: values.metrics === undefined ? address : addressOf(values.metrics),
      expectedVersion: values['expect-version'],
      measureMs: durationMs('measure', values.measure),
      beganMs: readBegan(values.began),
      pods,
      credentials: await readCredentials(values['credentials-stdin'], terminal),
    };
    const made = await verify(plan, terminal);
    return { data: asJson(made), text: documentOf(made), isGood: statusOf(made) !== 'failed' };
  },
});
