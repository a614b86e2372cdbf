/** The report of a deployment as Markdown: what was verified, what was found, and the parts that people write. Pure. Called by ../report.ts. */
import type { Verdict } from '../doctor/check.ts';
import type { FigureGroup } from '../monitor/figures.ts';
import { limitText, valueText } from '../monitor/view.ts';
import type { Step } from './step.ts';

export interface Report {
  readonly address: string;
  readonly version: string | undefined;
  readonly atMs: number;
  readonly beganMs: number | undefined;
  readonly steps: readonly Step[];
  /** Empty where nothing was measured. */
  readonly figures: readonly FigureGroup[];
  readonly measuredSeconds: number;
}

export type Status = 'passed' | 'passed with warnings' | 'failed';

const count = (steps: readonly Step[], verdict: Verdict): number =>
  steps.filter((step) => step.verdict === verdict).length;

export const statusOf = ({ steps }: Pick<Report, 'steps'>): Status => {
  if (count(steps, 'fail') > 0) return 'failed';
  return count(steps, 'warn') > 0 ? 'passed with warnings' : 'passed';
};

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => [
  row(...head),
  `|${head.map(() => '---').join('|')}|`,
  ...rows.map((cells) => row(...cells)),
];

const time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

const duration = (ms: number): string => {
  const minutes = Math.round(ms / 60_000);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

const TO_WRITE = '_To be written by who deployed._';

const MARKS: Readonly<Record<Verdict, string>> = { ok: 'ok', warn: '**warn**', fail: '**FAIL**', skipped: 'skipped' };

const sections = (steps: readonly Step[]): readonly string[] =>
  [...new Set(steps.map(({ section }) => section))].flatMap((section) => [
    '',
    `### ${section}`,
    '',
    ...table(
      ['', 'what', 'seen'],
      steps
        .filter((step) => step.section === section)
        .map(({ verdict, name, finding }) => [MARKS[verdict], name, finding]),
    ),
  ]);

const levels = ({ figures, measuredSeconds }: Report): readonly string[] => {
  const limited = figures.flatMap((group) => group.figures).filter(({ state }) => state !== 'none');
  if (limited.length === 0) return ['Not measured.'];
  return [
    `Over ${Math.round(measuredSeconds)} s. \`unknown\`: too little traffic in that time.`,
    '',
    ...table(
      ['figure', 'value', 'wanted', 'state', ''],
      limited.map((figure) => [figure.label, valueText(figure), limitText(figure), figure.state, figure.note]),
    ),
  ];
};

type Fault = Extract<Step, { readonly remedy: string }>;
const isFault = (step: Step): step is Fault => step.verdict === 'fail' || step.verdict === 'warn';

const summary = (report: Report): string => {
  const { steps } = report;
  const counts = (['ok', 'warn', 'fail', 'skipped'] as const).map((verdict) => `${count(steps, verdict)} ${verdict}`);
  return `The deployment **${statusOf(report)}**: ${steps.length} steps, ${counts.join(', ')}.`;
};

const head = (report: Report): readonly string[] => {
  const { address, version, atMs, beganMs } = report;
  return table(
    ['deployment', ''],
    [
      ['verified', time(atMs)],
      ['duration', beganMs === undefined ? '–' : `${duration(atMs - beganMs)}, since ${time(beganMs)}`],
      ['status', statusOf(report)],
      ['address', address],
      ['version', version ?? 'not exposed'],
    ],
  );
};

const issues = (faults: readonly Fault[]): readonly string[] =>
  faults.length === 0
    ? ['None.']
    : faults.map(({ verdict, section, name, finding }) => `- ${MARKS[verdict]} ${section}, ${name}: ${finding}`);

const actions = (faults: readonly Fault[]): readonly string[] => [
  ...faults.map(({ name, remedy }) => `- [ ] ${name}: ${remedy}`),
  '- [ ] watch it for an hour: `latchkey monitor --duration 1h`',
];

const part = (title: string, lines: readonly string[]): readonly string[] => ['', `## ${title}`, '', ...lines];

export const documentOf = (report: Report): string => {
  const faults = report.steps.filter(isFault);
  return [
    '# Verification of a deployment',
    '',
    ...head(report),
    ...part('Summary', [summary(report)]),
    ...part('Timeline', [
      ...(report.beganMs === undefined ? [] : [`- ${time(report.beganMs)}: the deployment began`]),
      `- ${time(report.atMs)}: verified`,
      '',
      TO_WRITE,
    ]),
    '',
    '## Checks',
    ...sections(report.steps),
    ...part('Service levels', levels(report)),
    ...part('Issues', issues(faults)),
    ...part('Rollback', ['_Executed or not, and why. `kubectl authrollout history NAME` lists the decisions._']),
    ...part('Lessons learned', [TO_WRITE]),
    ...part('Action items', actions(faults)),
    ...part(
      'Sign-off',
      table(
        ['role', 'name', 'date'],
        [
          ['technical lead', '', ''],
          ['engineering manager', '', ''],
          ['CTO', '', ''],
        ],
      ),
    ),
  ].join('\n');
};
