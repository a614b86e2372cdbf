/** What a plan reckons and draws, held against captures; the reads are in test/integration/operator/plugin-plan.test.ts. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { checkErrorRate } from '../../../../operator/src/core/checks.ts';
import { provesAbove } from '../../../../operator/src/core/evidence.ts';
import type { ProgrammableRoute } from '../../../../operator/src/core/observation.ts';
import { parseSpec, type Spec } from '../../../../operator/src/core/spec.ts';
import { lookConfidence } from '../../../../operator/src/core/trial.ts';
import { forecast } from '../../../../operator/src/plugin/forecast.ts';
import type { Plan } from '../../../../operator/src/plugin/plan.ts';
import { drawPlan } from '../../../../operator/src/plugin/plan-view.ts';
import { wayText, wayTo } from '../../../../operator/src/plugin/prometheus.ts';
import { routeDiff } from '../../../../operator/src/plugin/route-diff.ts';

const NOW_MS = Date.parse('2026-03-04T12:00:00Z');
const canvas = { nowMs: NOW_MS, columns: 120, hasColour: false };

const specWith = (extra: object = {}): Spec => {
  const reading = parseSpec({
    targetRef: { name: 'auth-api' },
    route: { httpRoute: 'auth-api', rule: 'api' },
    metrics: { prometheus: { address: 'http://prometheus.monitoring:9090' } },
    ...extra,
  });
  if (reading.kind !== 'valid') throw new Error(reading.violations.join());
  return reading.spec;
};
const fromNow = { stepIndex: 0, startedAtMs: NOW_MS };

describe('the forecast of a schedule', () => {
  it('has the times of each step, and goes on from the step in which a run stands', () => {
    const traffic = { requestsPerSecond: undefined, failing: 0.5 };
    const whole = forecast(specWith(), fromNow, traffic);
    expect(whole.map(({ toMs }) => (toMs - NOW_MS) / 60_000)).to.deep.equal([30, 60, 120, 240, 480]);
    const rest = forecast(specWith(), { stepIndex: 3, startedAtMs: NOW_MS - 3_600_000 }, traffic);
    expect(rest.map(({ weight, toMs }) => [weight, (toMs - NOW_MS) / 60_000])).to.deep.equal([
      [50, 60],
      [100, 300],
    ]);
    expect(rest[0]).to.include({ requests: undefined, worst: undefined });
  });

  it('multiplies rate, weight and time', () => {
    const [first] = forecast(specWith(), fromNow, { requestsPerSecond: 40, failing: 0.5 });
    expect(first).to.include({ requests: 3_600, windowRequests: 600 });
  });

  it('keeps a step open until its window has the requests of a verdict', () => {
    const schedule = [{ weight: 100, hold: '10s', checkEvery: '5s' }];
    const [slow] = forecast(specWith({ schedule }), fromNow, { requestsPerSecond: 0.5, failing: 0.5 });
    expect(slow).to.include({ toMs: NOW_MS + 60_000, windowRequests: 30 });
  });

  it('finds exactly what the checks would prove: not one error less', () => {
    const oneStep = specWith({ schedule: [{ weight: 100, hold: '1h', checkEvery: '1m' }] });
    const { matrix } = oneStep;
    fc.assert(
      fc.property(fc.double({ min: 0.5, max: 2_000, noNaN: true }), fc.constantFrom('P1', 'P2'), (rate, severity) => {
        const [step] = forecast(oneStep, fromNow, { requestsPerSecond: rate, failing: 0.5 });
        const requests = Math.floor(step?.windowRequests ?? 0);
        const share = severity === 'P1' ? step?.smallestP1 : step?.smallestP2;
        const isProven = (errors: number): boolean => {
          const proof = {
            isOver: (limit: number) => provesAbove(errors, requests, limit, lookConfidence(matrix)),
            isWorse: false,
          };
          const { verdict } = checkErrorRate({ bad: errors, total: requests }, matrix, proof);
          return verdict.kind === 'fail' && verdict.severity <= severity;
        };
        if (share === undefined) expect(isProven(requests)).to.equal(false);
        else {
          const errors = Math.round(share * requests);
          expect([isProven(errors - 1), isProven(errors)]).to.deep.equal([false, true]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('exposes less to a fault that is plain, and the whole step to one that nobody can prove', () => {
    const worstAt = (failing: number) => forecast(specWith(), fromNow, { requestsPerSecond: 400, failing })[0]?.worst;
    expect(worstAt(0.5)).to.deep.equal({ exposedMs: 3_000, badAnswers: 30 });
    expect(worstAt(0.02)?.exposedMs).to.equal(15_000);
    expect(worstAt(0.0001)).to.deep.equal({ exposedMs: undefined, badAnswers: 3.6 });
  });
});

describe('the way to Prometheus', () => {
  for (const [address, text] of [
    [
      'http://prometheus.monitoring:9090',
      "through the API server's proxy, services/http:prometheus:9090 in monitoring",
    ],
    [
      'https://prometheus.monitoring.svc.cluster.local/prom',
      "through the API server's proxy, services/https:prometheus:443 in monitoring",
    ],
    ['http://prometheus', "through the API server's proxy, services/http:prometheus:80 in latchkey-system"],
    ['http://127.0.0.1:9090', 'asked directly at http://127.0.0.1:9090'],
    ['http://localhost:9090', 'asked directly at http://localhost:9090'],
    ['https://prometheus.example.com', 'asked directly at https://prometheus.example.com'],
  ] as const) {
    it(`of ${address} is: ${text}`, () => {
      expect(wayText(wayTo(address, 'latchkey-system'))).to.equal(text);
    });
  }

  it('keeps the path that an address has', () => {
    expect(wayTo('http://prometheus.monitoring:9090/prom/', 'x')).to.include({ path: '/prom' });
  });
});

const route = (stable: number, canary: number): ProgrammableRoute => ({
  kind: 'programmable',
  uid: 'r',
  resourceVersion: '1',
  ruleName: 'api',
  ruleIndex: 1,
  stable: { name: 'auth-api-stable', index: 0, weight: stable },
  canary: { name: 'auth-api-canary', index: 1, weight: canary },
  hasAnnotations: false,
  fence: undefined,
  write: undefined,
  rulesManager: undefined,
  accepted: true,
});

describe("the route's next write", () => {
  it('is the adoption, then the next step, then none', () => {
    const spec = specWith();
    const changes = (...[live, status]: [ProgrammableRoute, Parameters<typeof routeDiff>[2]]): unknown =>
      routeDiff(live, spec, status)?.backends.map(({ from, to }) => [from, to]);
    expect(changes(route(0, 100), undefined)).to.deep.equal([
      [0, 100],
      [100, 0],
    ]);
    expect(changes(route(90, 10), { phase: 'Progressing', weight: 10 })).to.deep.equal([
      [90, 75],
      [10, 25],
    ]);
    expect(changes(route(0, 100), { phase: 'Progressing', weight: 100 })).to.equal(undefined);
  });

  it('names the two rules of a cohort and whom they select, or what keeps them away', () => {
    const spec = specWith({ cohort: { cookie: 'lk_bucket' } });
    const cohortAt = (live: ProgrammableRoute, weight: number): string | undefined =>
      routeDiff(live, spec, { phase: 'Progressing', weight })?.cohort;
    const rules = 'rules latchkey-cohort-canary and latchkey-cohort-stable';
    expect(cohortAt(route(90, 10), 10)).to.equal(`${rules}: buckets 0 to 24 of cookie lk_bucket on the canary`);
    expect(cohortAt(route(50, 50), 50)).to.equal(`${rules}: none at 100 %`);
    const cohort = {
      rule: {},
      canary: undefined,
      stable: undefined,
      obstacle: 'the route is full',
      refusal: undefined,
    };
    const full = { ...route(90, 10), cohort };
    expect(cohortAt(full, 10)).to.equal('no rules for cookie lk_bucket: the route is full');
    expect(routeDiff(route(90, 10), specWith(), undefined)?.cohort).to.equal(undefined);
  });
});

const plan = (extra: Partial<Plan> = {}): Plan => {
  const spec = specWith({
    schedule: [
      { weight: 5, hold: '30m', checkEvery: '1m' },
      { weight: 100, hold: '1h', checkEvery: '5m' },
    ],
  });
  const steps = forecast(spec, fromNow, { requestsPerSecond: 40, failing: 0.5 });
  return {
    namespace: 'auth',
    name: 'auth-api',
    rehearsal: { kind: 'accepted' },
    startsAtMs: NOW_MS,
    endsAtMs: steps.at(-1)?.toMs ?? 0,
    steps,
    minRequests: 30,
    confidence: 0.999,
    failing: 0.5,
    requestsPerSecond: 40,
    isRateGiven: false,
    checkpoints: [],
    route: routeDiff(route(0, 100), spec, undefined),
    rights: {
      user: [],
      operator: { kind: 'unknown', account: 'latchkey-system/latchkey-operator', why: '403 Forbidden' },
    },
    figures: {
      way: wayTo('http://prometheus.monitoring:9090', 'latchkey-system'),
      deployment: 'auth-api',
      queries: [
        { name: 'requests', query: 'sum(a)', value: 12_000, why: undefined, isAnswer: true },
        { name: 'dataLoss', query: 'sum(b)', value: undefined, why: 'NoData', isAnswer: true },
      ],
      checkpoints: [],
      requestsPerSecond: 40,
    },
    stalls: ['spec.paused is true: no step is entered before it is false'],
    ...extra,
  };
};

describe('the picture of a plan', () => {
  it('shows times, requests, what can be noticed, the route, rights, queries and what is in the way', () => {
    expect(drawPlan(plan(), canvas).join('\n')).to.equal(
      [
        'auth/auth-api   would stall: 1 reason',
        '',
        '  manifest   the API server would take it (dry run)',
        "  traffic    40 requests/s in the last 5m, through the API server's proxy, services/http:prometheus:9090 in monitoring",
        '',
        '  steps      STEP   WEIGHT   FROM                  TO                    REQUESTS   FINDS P1 FROM   P2 FROM   BAD ANSWERS AT 50 %',
        '             1      5 %      2026-03-04 12:00:00   2026-03-04 12:30:00   3,600      3.67 %          2.67 %    12 in 12s',
        '             2      100 %    2026-03-04 12:30:00   2026-03-04 13:30:00   144,000    1.48 %          0.85 %    60 in 3s',
        '  ends       2026-03-04 13:30:00, after 1h30m and what pods take to get ready',
        '',
        '  route      rule api of HTTPRoute auth-api, when auth-api-stable is ready',
        '             auth-api-stable    0 → 100',
        '             auth-api-canary  100 →   0',
        '             latchkey.dev/fence and latchkey.dev/write; nothing else changes',
        '  rights     you may apply it',
        '             the operator, latchkey-system/latchkey-operator, unknown, you may not ask: 403 Forbidden',
        '',
        '  queries    requests  12,000  sum(a)',
        '             dataLoss  NoData  sum(b)',
        '',
        '  stalls     spec.paused is true: no step is entered before it is false',
      ].join('\n'),
    );
  });

  it('lists what must say yes before each step', () => {
    const before = { stepIndex: 1, weight: 100 };
    const checkpoints = [
      { ...before, name: 'capacity', kind: 'query', asks: 'at most 0.5 of max(load)', now: 0.3 },
      { ...before, name: 'go-live', kind: 'person', asks: 'team-lead says yes', now: undefined },
    ] as const;
    expect(drawPlan(plan({ checkpoints }), canvas)).to.include.members([
      '  go/no-go   before step 2 (100 %)  capacity: at most 0.5 of max(load), now 0.3',
      '             before step 2 (100 %)  go-live: team-lead says yes',
      '  ends       2026-03-04 13:30:00, after 1h30m and what pods and checkpoints take',
    ]);
  });

  it('says that nothing is in the way, and what is not known', () => {
    const unknown = forecast(specWith(), fromNow, { requestsPerSecond: undefined, failing: 0.5 });
    const text = drawPlan(
      plan({ stalls: [], steps: unknown, requestsPerSecond: undefined, route: undefined }),
      canvas,
    ).join('\n');
    expect(text)
      .to.include('auth/auth-api   nothing is in the way')
      .and.to.include('say --requests-per-second N to see figures')
      .and.to.include('no write is to come')
      .and.to.match(/5 % +2026-03-04 12:00:00 +2026-03-04 12:30:00 +\? +\? +\? +\?/);
  });
});
