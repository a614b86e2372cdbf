import { expect } from 'chai';
import { judge, type K6Summary } from '../../../load/runner/judge.ts';
import { SCENARIOS } from '../../../load/runner/stages.ts';
import { levelsOf, thresholdsOf } from '../../../load/service-levels.ts';

const JUDGING = { stage: 'average', tolerance: 1, limit: 200, loginLimit: 5 } as const;
const trend = (ms: number) => ({ avg: ms, 'p(50)': ms, 'p(95)': ms, 'p(99)': ms, max: ms });
const rate = (value: number) => ({ value, passes: 1000 * value, fails: 1000 * (1 - value) });

/** Everything as it should be. */
const GOOD: K6Summary = {
  metrics: {
    checks: rate(1),
    latchkey_errors: rate(0),
    latchkey_api_ms: trend(20),
    latchkey_session_ms: trend(20),
    latchkey_refresh_ms: trend(20),
    latchkey_login_ms: trend(300),
    latchkey_logins_good: rate(1),
    latchkey_logins_true: rate(1),
    latchkey_refreshes_good: rate(1),
    latchkey_refusals_good: rate(1),
    latchkey_limit_passed: { count: 200 },
    latchkey_login_limit_passed: { count: 5 },
    latchkey_short_refused: { count: 3 },
    latchkey_memory_growth_mb: { value: 2, min: 2, max: 2 },
  },
};

const missed = (scenario: (typeof SCENARIOS)[number]['name'], change: K6Summary['metrics']): readonly string[] =>
  judge(levelsOf(scenario, JUDGING), { metrics: { ...GOOD.metrics, ...change } })
    .filter(({ holds }) => !holds)
    .map(({ level }) => level.metric);

describe('the service levels', () => {
  it("hold at figures inside of the runbook's", () => {
    for (const { name } of SCENARIOS) expect(missed(name, {}), name).to.deep.equal([]);
  });

  it('are the figures that the runbook and the recovery plan give', () => {
    const say = (scenario: (typeof SCENARIOS)[number]['name']) => thresholdsOf(levelsOf(scenario, JUDGING));
    expect(say('login')).to.deep.include({
      latchkey_login_ms: ['p(95)<500'],
      latchkey_logins_good: ['rate>0.99'],
      latchkey_logins_true: ['rate>0.999'],
    });
    expect(say('validate')).to.deep.include({ latchkey_session_ms: ['p(99)<200'], latchkey_errors: ['rate<0.001'] });
    expect(say('refresh')).to.deep.include({
      latchkey_refresh_ms: ['avg<100'],
      latchkey_refreshes_good: ['rate>0.99'],
    });
    expect(say('mixed')).to.deep.include({ latchkey_api_ms: ['p(95)<200'] });
  });

  it('are missed at the limit itself', () => {
    expect(missed('login', { latchkey_login_ms: trend(500) })).to.deep.equal(['latchkey_login_ms']);
    expect(missed('login', { latchkey_logins_good: rate(0.99) })).to.deep.equal(['latchkey_logins_good']);
    expect(missed('validate', { latchkey_errors: rate(0.001) })).to.deep.equal(['latchkey_errors']);
    expect(missed('memory', { latchkey_memory_growth_mb: { value: 16, min: 0, max: 16 } })).to.have.length(1);
  });

  it('of a limit are exact: one more is as wrong as one less', () => {
    for (const count of [199, 201]) {
      expect(missed('rate-limit', { latchkey_limit_passed: { count } })).to.deep.equal(['latchkey_limit_passed']);
    }
  });

  it('are missed where nothing was measured', () => {
    const unfed = { avg: 0, 'p(50)': 0, 'p(95)': 0, 'p(99)': 0, max: 0 };
    expect(missed('login', { latchkey_login_ms: unfed })).to.deep.equal(['latchkey_login_ms']);
    expect(missed('login', { latchkey_logins_good: { value: 0, passes: 0, fails: 0 } })).to.have.length(1);
    expect(missed('memory', { latchkey_memory_growth_mb: { value: 0, min: 0, max: 0 } })).to.have.length(1);
    const nothing = judge(levelsOf('validate', JUDGING), { metrics: {} });
    expect(nothing.filter(({ holds }) => holds).map(({ level }) => level.metric)).to.deep.equal([
      'latchkey_sessions_lost',
    ]);
  });

  it('say nothing of refusals where there were none, and judge them where there were', () => {
    expect(missed('login', { latchkey_refusals_good: { value: 0, passes: 0, fails: 0 } })).to.deep.equal([]);
    expect(missed('login', { latchkey_refusals_good: rate(0.5) })).to.deep.equal(['latchkey_refusals_good']);
  });

  it('of speed are not judged under stress; what must always hold is', () => {
    const metrics = levelsOf('login', { ...JUDGING, stage: 'stress' }).map(({ metric }) => metric);
    expect(metrics).to.include.members(['latchkey_internal_errors', 'latchkey_unanswered', 'latchkey_logins_true']);
    expect(metrics).to.not.include.members(['latchkey_login_ms']);
  });

  it('give room in time and memory by the tolerance, and in nothing else', () => {
    const tolerant = thresholdsOf(levelsOf('mixed', { ...JUDGING, tolerance: 10 }));
    expect(tolerant).to.deep.include({ latchkey_api_ms: ['p(95)<2000'], latchkey_errors: ['rate<0.001'] });
  });
});
