// Refresh under load (requirement L1): every user refreshes over and over, and nobody may be logged out by it. By hand:
//   k6 run -e BASE_URL=http://… load/refresh.ts
// Options: RATE=100 refreshes a second, USERS=20, DURATION=1m, SIGN_IN_EVERY_MS=600, and those of session.ts.
import exec from 'k6/execution';
import { lookAtHealth, User, userNumber } from './session.ts';

const users = Number(__ENV.USERS ?? 20);
const signInEveryMs = Number(__ENV.SIGN_IN_EVERY_MS ?? 600);

export const options = {
  scenarios: {
    refresh: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE ?? 100),
      timeUnit: '1s',
      duration: __ENV.DURATION ?? '1m',
      preAllocatedVUs: users,
      maxVUs: users,
    },
  },
  // The runbook wants a refresh in 100 ms.
  thresholds: { latchkey_refresh_ms: ['p(95)<100'], latchkey_sessions_lost: ['count==0'] },
  summaryTrendStats: ['avg', 'p(50)', 'p(95)', 'p(99)', 'max'],
};

let user: User | undefined;

export default function refresh(): void {
  if (Date.now() >= exec.scenario.startTime + userNumber() * signInEveryMs) user ??= new User(String(userNumber()));
  if (user === undefined || user.isWaiting) lookAtHealth();
  else if (user.signedIn) user.refresh();
  else user.signIn();
}
