import { expect } from 'chai';
import { quantileOf, startCounting } from '../../../load/runner/figures.ts';
import { reportPage } from '../../../load/runner/report.ts';
import { type RunSummary, summaryOf } from '../../../load/runner/summary.ts';
import { verdictText } from '../../../load/runner/words.ts';
import { levelsOf } from '../../../load/service-levels.ts';

const counted = (lines: readonly object[]) => {
  const counting = startCounting();
  for (const line of lines) counting.add(JSON.stringify(line));
  return counting.figures;
};
const answer = (t: number, status: number, ms: number, route = 'me') => ({ t, status, ms, route, version: '' });

const FIGURES = counted([
  answer(1_000, 200, 10),
  answer(1_500, 200, 20),
  answer(2_100, 503, 5),
  answer(3_900, 0, 10_000, 'login'),
  { t: 2_000, residentMb: 110 },
  { t: 3_000, residentMb: 112 },
]);
const [level] = levelsOf('validate', { stage: 'average', tolerance: 1, limit: 1, loginLimit: 1 });

const summary = (holds: boolean): RunSummary =>
  summaryOf({
    options: {
      scenario: 'validate',
      stage: 'average',
      baseUrl: 'http://127.0.0.1:1/?<script>alert(1)</script>',
      durationS: undefined,
      rate: undefined,
      users: undefined,
      slow: 1,
      tolerance: 1,
    },
    load: { users: 50, rate: 0, durationS: 30 },
    startedAt: new Date('2026-01-02T03:04:05Z'),
    machine: { cpu: 'A CPU', cores: 2, memoryGb: 8, system: 'Linux', loadBefore: 0.1, isBusy: false },
    versions: { latchkey: '1.2.3', commit: 'abc', node: 'v24', k6: 'v1' },
    verdicts: level === undefined ? [] : [{ level, value: holds ? 42 : 420, holds }],
    figures: FIGURES,
  });

describe('what the clients saw', () => {
  it('is counted by second and by what it means to a client', () => {
    expect([...FIGURES.seconds.keys()]).to.deep.equal([0, 1, 2]);
    expect(FIGURES.seconds.get(0)).to.include({ good: 2, refused: 0, failed: 0 });
    expect(FIGURES.seconds.get(1)).to.include({ good: 0, refused: 1 });
    expect(FIGURES.seconds.get(2)).to.include({ failed: 1 });
  });

  it('leaves out what is no answer', () => {
    const counting = startCounting();
    for (const line of ['', 'level=warning', '{"t":1', '{"t":1,"lost":"access","user":"a"}']) counting.add(line);
    expect([...counting.figures.routes]).to.deep.equal([]);
  });

  it('has quantiles that are right to a twentieth', () => {
    const { routes } = counted(Array.from({ length: 100 }, (_, index) => answer(0, 200, index + 1)));
    const buckets = routes.get('me')?.buckets ?? new Map<number, number>();
    for (const q of [0.5, 0.95, 0.99]) expect(quantileOf(buckets, q)).to.be.closeTo(q * 100, q * 5.1);
    expect(quantileOf(new Map(), 0.5)).to.be.NaN;
  });
});

describe('the verdict of a load run', () => {
  const limited = (scenario: 'validate' | 'rate-limit', statuses: Readonly<Record<string, number>>): string => {
    const routes = [{ route: 'me', answers: 3, statuses, p50Ms: 1, p95Ms: 1, p99Ms: 1 }];
    return verdictText({ ...summary(true), scenario, routes, answers: 3 });
  };

  it('says when the rate limits of a server were measured, and how they are lifted', () => {
    expect(limited('validate', { '200': 1, '429': 2 })).to.match(
      /^2 of 3 answers were 429: .*RATE_LIMIT_PER_MINUTE=1000000\.$/m,
    );
    expect(limited('validate', { '200': 3 })).to.not.include('429');
    expect(limited('rate-limit', { '200': 1, '429': 2 })).to.not.include('were 429');
  });
});

describe('the report of a load run', () => {
  const page = reportPage(summary(true), FIGURES);

  it('says first whether the levels hold, with figure and limit, and charts after that', () => {
    expect(page).to.include('Every service level holds.');
    const missedPage = reportPage(summary(false), FIGURES);
    expect(missedPage).to.include('1 of 1 service levels missed.');
    for (const part of ['420 ms', '&lt; 200 ms', '✗ missed']) expect(missedPage).to.include(part);
    expect(page.indexOf('&lt; 200 ms')).to.be.within(1, page.indexOf('<svg'));
  });

  it('loads nothing and runs no script', () => {
    expect(page).to.not.match(/<(script|link|img|iframe|object)|@import|url\(|\ssrc=|\shref=/i);
    expect(page).to.include("default-src 'none'");
  });

  it('fits a telephone, and light and dark', () => {
    expect(page).to.include('width=device-width');
    expect(page).to.include('prefers-color-scheme: dark');
    expect(page.match(/<table>/g)?.length).to.equal(page.match(/<div class="scroll"><table>/g)?.length);
  });

  it('draws answers, latency, memory and a histogram an endpoint, each with words for those who cannot see it', () => {
    const labels = [...page.matchAll(/<svg [^>]*role="img" aria-label="([^"]+)"/g)].map(([, label]) => label);
    expect(labels).to.have.length(5);
    expect(labels.join()).to.include('of me').and.include('of login').and.include('memory');
    expect(page).to.not.match(/NaN|Infinity|undefined/);
  });

  it('has the settings, the machine and the versions', () => {
    for (const part of ['50', 'A CPU', '2 cores', '1.2.3 (abc)', 'v24', '2026-01-02T03:04:05']) {
      expect(page).to.include(part);
    }
  });

  it('of a busy machine says so', () => {
    const { machine } = summary(true);
    const busy = { ...summary(true), machine: { ...machine, isBusy: true } };
    expect(reportPage(busy, FIGURES)).to.include('busy');
    expect(page).to.not.include('busy');
  });
});
