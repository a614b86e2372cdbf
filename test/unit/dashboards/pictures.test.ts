import { expect } from 'chai';
import type { Board, Panel } from '../../../k8s/dashboards/boards.ts';
import { nameOf } from '../../../k8s/dashboards/panels.ts';
import { boardPicture } from '../../../k8s/dashboards/pictures.ts';
import { line, type Plot, stairs } from '../../../k8s/dashboards/plot.ts';
import type { Recording, Series } from '../../../k8s/dashboards/recording.ts';
import { ROLLOUT_QUERIES, rolloutPicture } from '../../../k8s/dashboards/rollout-picture.ts';
import { escaped, fitted, strokeOf, widthOf, wrapped } from '../../../k8s/dashboards/svg.ts';

const plot: Plot = {
  left: 0,
  top: 0,
  width: 40,
  height: 100,
  scale: { top: 10, ticks: [0, 10] },
  unit: 'short',
  points: 5,
  stepS: 1,
};
const stroke = { colour: '#000', dash: '' };
const pathsOf = (svg: string): readonly string[] => [...svg.matchAll(/ d="([^"]*)"/g)].map(([, path]) => path ?? '');

const recordingOf = (answers: Readonly<Record<string, Series[]>>): Recording => ({
  source: 'a test',
  from: '2026-01-02T03:04:05.000Z',
  stepS: 1,
  points: 3,
  rateInterval: '10s',
  answers,
});
const panelOf = (fields: Partial<Panel>): Panel => ({
  title: 'A panel',
  kind: 'timeseries',
  unit: 'short',
  width: 12,
  queries: [{ legend: '{{pod}}', expr: 'up' }],
  ...fields,
});
const drawn = (panel: Panel, series: Series[]): string => {
  const board: Board = { uid: 'latchkey-x', title: 'A board', namespacesOf: 'x', panels: [panel] };
  return boardPicture(board, recordingOf({ up: series }));
};
const textsOf = (svg: string): readonly string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)/g)].map(([, text]) => text ?? '');

/** Opening and closing tags in pairs, every attribute quoted: what a parser of XML insists on. */
const expectWellFormed = (svg: string): void => {
  const open: string[] = [];
  const tag = /<(\/?)([a-z]+)(?: [\w-]+="[^"<]*")*(\/?)>/g;
  for (const [, close, name = '', alone] of svg.matchAll(tag)) {
    if (close === '/') expect(open.pop()).to.equal(name);
    else if (alone === '') open.push(name);
  }
  const rest = svg.replaceAll(tag, '');
  expect(open).to.deep.equal([]);
  expect(rest).not.to.match(/[<>]|&(?!(?:amp|lt|gt|quot|#39);)/);
};

describe('a line', () => {
  it('goes from value to value, the highest at the top', () => {
    expect(pathsOf(line(plot, [0, 10, 5, 0, 10], stroke))).to.deep.equal(['M0 100L10 0L20 50L30 100L40 0']);
  });

  it('is broken where there is no value, or none that is a number', () => {
    expect(pathsOf(line(plot, [1, 2, undefined, 3, 4], stroke))).to.deep.equal(['M0 90L10 80M30 70L40 60']);
    expect(pathsOf(line(plot, [1, 2, Number.NaN, 3, 4], stroke))).to.deep.equal(['M0 90L10 80M30 70L40 60']);
  });

  it('is a dot where a value stands between two gaps', () => {
    expect(pathsOf(line(plot, [undefined, 5, undefined, undefined, 5], stroke))).to.deep.equal(['M10 50h0M40 50h0']);
  });

  it('leaves out the middle of a level stretch', () => {
    expect(pathsOf(line(plot, [5, 5, 5, 5, 0], stroke))).to.deep.equal(['M0 50L30 50L40 100']);
  });

  it('is nothing where there are no values', () => {
    expect(line(plot, [undefined, undefined], stroke)).to.equal('');
  });
});

describe('stairs', () => {
  it('keep a value until the next one and begin anew after a gap', () => {
    const paths = pathsOf(stairs(plot, [0, 10, 10, undefined, 5], stroke)).filter((path) => !path.endsWith('Z'));
    expect(paths).to.deep.equal(['M0 100H10V0H20', 'M40 50H40']);
  });
});

describe('names', () => {
  const hostile = `</text><script>"'&\u0000`;

  it('are escaped, in text and in attributes', () => {
    expect(escaped(hostile)).to.equal('&lt;/text&gt;&lt;script&gt;&quot;&#39;&amp;\ufffd');
    const svg = drawn(panelOf({ title: hostile }), [{ labels: { pod: hostile }, values: [1, 2, 3] }]);
    expect(svg).not.to.contain('<script');
    expectWellFormed(svg);
  });

  it('take the place of {{labels}} in a legend; a label that is missing is nothing', () => {
    expect(nameOf('{{check}} {{ verdict }}', { check: 'errorRate', verdict: 'pass' })).to.equal('errorRate pass');
    expect(nameOf('{{pod}}', {})).to.equal('');
  });

  it('that have no room are cut with an ellipsis, and whole in a title', () => {
    expect(fitted('abcdef', 10, widthOf('abcdef', 10))).to.equal('abcdef');
    expect(fitted('abcdef', 10, widthOf('abcd', 10))).to.equal('abc…');
    const long = 'auth-api-'.repeat(20);
    const svg = drawn(panelOf({}), [{ labels: { pod: long }, values: [1, 2, 3] }]);
    expect(textsOf(svg).every((text) => text.length < long.length)).to.equal(true);
    expect(svg).to.contain(`<title>${long}</title>`);
  });

  it('are broken into lines between words', () => {
    expect(wrapped('one two three', 10, widthOf('one two', 10))).to.deep.equal(['one two', 'three']);
  });
});

describe('the lines of a panel', () => {
  it('differ in colour, and in dashes when there are more than colours', () => {
    const strokes = Array.from({ length: 30 }, (_, index) => JSON.stringify(strokeOf(index)));
    expect(new Set(strokes).size).to.equal(30);
  });

  it('are all in the legend, below one another where names are long, and inside the panel', () => {
    const series = Array.from({ length: 9 }, (_, index) => ({
      labels: { pod: `auth-api-stable-7d9f8b6c5d-x${index}` },
      values: [index, 1, 2],
    }));
    const svg = drawn(panelOf({}), series);
    for (const { labels } of series) expect(textsOf(svg)).to.include(labels.pod);
    const [, frame = ''] = /<g transform="translate\([^)]*\)"><rect[^>]*height="([\d.]+)"/.exec(svg) ?? [];
    const ys = [...svg.matchAll(/<text[^>]* y="([\d.]+)"[^>]*>auth-api/g)].map(([, y]) => Number(y));
    expect(Math.max(...ys)).to.be.below(Number(frame));
    expect(new Set(ys).size).to.be.above(3);
  });
});

describe('a panel', () => {
  it('without any value says so', () => {
    expect(textsOf(drawn(panelOf({}), []))).to.include('No data');
    expect(textsOf(drawn(panelOf({ kind: 'stat' }), [{ labels: {}, values: [undefined] }]))).to.include('No data');
  });

  it('of one number shows the last there was, with its unit', () => {
    const panel = panelOf({ kind: 'stat', unit: 's', queries: [{ legend: '{{stage}}', expr: 'up' }] });
    const svg = drawn(panel, [{ labels: { stage: 'patched' }, values: [1, 0.025, undefined] }]);
    expect(textsOf(svg)).to.include.members(['25 ms', 'patched']);
  });

  it('that is a table shows what stood at the end, a column a label', () => {
    const panel = panelOf({ kind: 'table', queries: [{ legend: '', expr: 'up' }] });
    const svg = drawn(panel, [
      { labels: { name: 'auth-api', phase: 'Progressing' }, values: [1, 1, undefined] },
      { labels: { name: 'auth-api', phase: 'RolledBack' }, values: [undefined, undefined, 1] },
    ]);
    expect(textsOf(svg)).to.include.members(['name', 'phase', 'Value', 'auth-api', 'RolledBack', '1']);
    expect(textsOf(svg)).not.to.include('Progressing');
  });

  it('whose query was changed after the run was recorded is refused', () => {
    const changed = panelOf({ queries: [{ legend: '', expr: 'up == 1' }] });
    expect(() => drawn(changed, [])).to.throw('no answer to the query up == 1');
  });
});

describe('the picture of a rollout', () => {
  it('says each weight, each decision but holds, the phases, and where its data is from', () => {
    const values = (...each: readonly (number | undefined)[]): Series[] => [{ labels: {}, values: each }];
    const svg = rolloutPicture(
      recordingOf({
        [ROLLOUT_QUERIES.phase]: [{ labels: { phase: 'RolledBack', revision: 'abc' }, values: [1, 1, 1] }],
        [ROLLOUT_QUERIES.weight]: values(0, 25, 0),
        [ROLLOUT_QUERIES.canaryRequests]: values(0, 20, 0),
        [ROLLOUT_QUERIES.stableRequests]: values(80, 60, 80),
        [ROLLOUT_QUERIES.canaryFaults]: values(undefined, 0.3, undefined),
        [ROLLOUT_QUERIES.stableFaults]: values(0, 0, 0),
        [ROLLOUT_QUERIES.decisions]: [
          { labels: { decision: 'rollback', reason: 'SeverityP0' }, values: [0, 0, 1] },
          { labels: { decision: 'hold', reason: 'Holding' }, values: [0, 1, 1] },
        ],
      }),
    );
    expect(textsOf(svg)).to.include.members(['25 %', 'rollback (SeverityP0)', 'RolledBack abc', 'canary', 'stable']);
    expect(textsOf(svg).join(' ')).to.contain('not by Grafana').and.to.contain('The run: a test');
    expectWellFormed(svg);
  });
});
