// How much load, and what it is judged by: what every script of this folder exports as its options. Options (-e NAME=value):
//   RATE=      requests a second, evenly spaced; 0: each user asks again as soon as it is answered
//   USERS=     virtual users     DURATION=1m     how long
//   STAGE=average  TOLERANCE=1  LIMIT=  LOGIN_LIMIT=   what service-levels.ts takes
import { type FixedLevel, levelsOf, type ScenarioName, type StageName, thresholdsOf } from './service-levels.ts';

export interface Defaults {
  readonly rate: number;
  readonly users: number;
  readonly duration: string;
}

export const loadOf = (defaults: Defaults) => ({
  rate: Number(__ENV.RATE ?? defaults.rate),
  users: Number(__ENV.USERS ?? defaults.users),
  duration: __ENV.DURATION ?? defaults.duration,
});

/** One scenario of k6; `spareUsers` may help where answers are slow and the rate is to be kept. */
export const executorOf = ({ rate, users, duration }: Defaults, spareUsers = 0) =>
  rate === 0
    ? { executor: 'constant-vus', vus: users, duration, gracefulStop: '10s' }
    : {
        executor: 'constant-arrival-rate',
        // In minutes, since k6 takes whole numbers and logins are few a second.
        rate: Math.max(1, Math.round(rate * 60)),
        timeUnit: '60s',
        duration,
        preAllocatedVUs: users,
        maxVUs: users + spareUsers,
        gracefulStop: '10s',
      };

export const limits = { limit: Number(__ENV.LIMIT ?? 200), loginLimit: Number(__ENV.LOGIN_LIMIT ?? 5) };

const levels = (scenario: ScenarioName): readonly FixedLevel[] =>
  levelsOf(scenario, {
    stage: (__ENV.STAGE ?? 'average') as StageName,
    tolerance: Number(__ENV.TOLERANCE ?? 1),
    ...limits,
  });

/** What all scripts have in common. */
export const judgedAs = (scenario: ScenarioName) => ({
  thresholds: thresholdsOf(levels(scenario)),
  summaryTrendStats: ['avg', 'p(50)', 'p(95)', 'p(99)', 'max'],
  noVUConnectionReuse: false,
});
