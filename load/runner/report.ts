/**
 * The report as one page: what was promised and whether it held comes first, then how it went, then what it ran on. It loads nothing, runs no
 * script, and is readable on a telephone. Called by main.ts; pure.
 */
import { escapeHtml } from '../../api/src/core/escape-html.ts';
import { histogram, latencyChart, memoryChart, outcomeChart } from './charts.ts';
import type { Figures } from './figures.ts';
import type { LevelResult, RouteResult, RunSummary } from './summary.ts';
import { figureText, limitText, remarksOf } from './words.ts';

const STYLE = `
:root { color-scheme: light dark; --ink: #1a1f27; --soft: #5a6472; --line: #d9dee5; --page: #fff; --good: #2b6cb0; --refused: #b7791f; --failed: #c53030; --held: #276749; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --soft: #a3aebb; --line: #38424f; --page: #14181e; --good: #63b3ed; --refused: #ecc94b; --failed: #fc8181; --held: #68d391; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 46rem; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); }
.verdict { font-weight: 600; } .held { color: var(--held); } .missed { color: var(--failed); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { display: block; width: 100%; max-width: 40rem; height: auto; } .tick { fill: var(--soft); font-size: 12.5px; } .grid { stroke: var(--line); }
rect.good, .key.good { fill: var(--good); background: var(--good); } rect.refused, .key.refused { fill: var(--refused); background: var(--refused); }
rect.failed, .key.failed { fill: var(--failed); background: var(--failed); }
polyline { fill: none; stroke-width: 2; } polyline.p50 { stroke: var(--good); } polyline.p95 { stroke: var(--refused); }
.key { display: inline-block; width: .7rem; height: .7rem; margin: 0 .25rem 0 .75rem; border-radius: 2px; }`;

const escape = (text: string | number): string => escapeHtml(String(text));

const levelRow = (level: LevelResult): string => {
  const mark = level.holds ? '<span class="held">✓ holds</span>' : '<span class="missed">✗ missed</span>';
  const cells = [
    `<td>${escape(level.name)}<br><span class="soft">${escape(level.from)}</span></td>`,
    `<td class="number">${escape(figureText(level.value, level.unit))}</td>`,
    `<td class="number">${escape(limitText(level))}</td>`,
    `<td>${mark}</td>`,
  ];
  return `<tr>${cells.join('')}</tr>`;
};

const routeRow = ({ route, answers, statuses, p50Ms, p95Ms, p99Ms }: RouteResult): string => {
  const kinds = Object.entries(statuses).map(
    ([status, count]) => `${count} × ${status === 'none' ? 'no answer' : status}`,
  );
  const numbers = [answers, p50Ms, p95Ms, p99Ms].map(
    (value) => `<td class="number">${escape(figureText(value, 'times'))}</td>`,
  );
  return `<tr><td>${escape(route)}</td>${numbers.join('')}<td>${escape(kinds.join(', '))}</td></tr>`;
};

const table = (head: readonly string[], rows: readonly string[]): string => {
  const cells = head.map(
    (name, index) => `<th${index > 0 && name !== '' && name !== 'answered' ? ' class="number"' : ''}>${name}</th>`,
  );
  return `<div class="scroll"><table><thead><tr>${cells.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
};

const facts = (pairs: Readonly<Record<string, string | number>>): string =>
  `<div class="scroll"><table><tbody>${Object.entries(pairs)
    .map(([name, value]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`)
    .join('')}</tbody></table></div>`;

const key = (name: string, text: string): string => `<span class="key ${name}"></span>${text}`;

const charts = (figures: Figures): string =>
  [
    '<h2>How it went</h2><h3>Answers a second</h3>',
    `<p class="soft">${key('good', 'answered')}${key('refused', 'told to come later (429, 503)')}${key('failed', 'failed')}</p>`,
    outcomeChart(figures),
    '<h3>Latency, ms</h3>',
    `<p class="soft">${key('good', 'half of the answers within (p50)')}${key('refused', '95 % within (p95)')}</p>`,
    latencyChart(figures),
    ...(figures.resident.length > 1 ? ['<h3>Resident memory of the server, MB</h3>', memoryChart(figures)] : []),
    '<h2>How long answers took</h2>',
    ...[...figures.routes].map(
      ([route, { buckets }]) => `<h3>${escape(route)}</h3>${histogram(escape(route), buckets)}`,
    ),
  ].join('\n');

const machineFacts = ({ machine, versions, startedAt }: RunSummary): Readonly<Record<string, string | number>> => ({
  started: startedAt,
  processor: `${machine.cpu}, ${machine.cores} cores for server, stores and k6 together`,
  memory: `${machine.memoryGb} GB`,
  system: machine.system,
  'load before the run': machine.loadBefore,
  Latchkey: `${versions.latchkey} (${versions.commit})`,
  'Node.js': versions.node,
  k6: versions.k6,
});

export const reportPage = (result: RunSummary, figures: Figures): string => {
  const title = `${result.scenario}, ${result.stage}`;
  const missed = result.levels.filter(({ holds }) => !holds).length;
  const verdict = result.holds
    ? '<span class="held">Every service level holds.</span>'
    : `<span class="missed">${missed} of ${result.levels.length} service levels missed.</span>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Load: ${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Load: ${escape(title)}</h1>
<p class="verdict">${verdict}</p>
<p class="soft">${escape(figureText(result.answers, 'times'))} answers, ${escape(figureText(result.answersPerSecond, 'times'))} a second. ${remarksOf(result).map(escape).join(' ')}</p>
<h2>Service levels</h2>
${table(['level', 'measured', 'must be', ''], result.levels.map(levelRow))}
${charts(figures)}
<h2>By endpoint</h2>
<p class="soft">Times in ms, right to 5 %; the service levels are exact.</p>
${table(['endpoint', 'answers', 'p50', 'p95', 'p99', 'answered'], result.routes.map(routeRow))}
<h2>Settings</h2>
${facts(result.settings)}
<h2>Machine and versions</h2>
${facts(machineFacts(result))}
</body>
</html>
`;
};
