// Steady, mixed traffic for a rollout: users register and log in once, then call me and validate, refresh, and now and
// then log out and in again. Run by the demo and the end-to-end tests (k8s/demo/traffic.ts), or by hand:
//   k6 run -e BASE_URL=http://… load/mixed.ts
//
// Options (-e NAME=value):
//   RATE=220              requests a second; 25 % of it gives the canary 55
//   DURATION=30m          how long
//   USERS=24              virtual users, each with one session
//   SIGN_IN_EVERY_MS=1500 one user signs up and in every so often (two hashes of about 250 ms of CPU each)
//   LOGINS_PER_S=0.3      logouts with a new login, over all users
//   REFRESH_SHARE=0.1     share of the requests that refresh
//   HOST=                 Host header, where the route asks for one
//   REQUEST_TIMEOUT_MS=10000
//   STABLE_VERSION=       what the header latchkey-version says at stable; any other value counts as canary
//   LOG_ANSWERS=none      none | canary | all: one JSON line an answer, {t (ms), status, version, route, error}
//   SUMMARY=              file for the JSON summary
//   MAX_FAILED=0          failed requests that the thresholds let pass (a sick canary fails some by design)
import exec from 'k6/execution';
import { lookAtHealth, User, userNumber } from './session.ts';

const rate = Number(__ENV.RATE ?? 220);
const users = Number(__ENV.USERS ?? 24);
const signInEveryMs = Number(__ENV.SIGN_IN_EVERY_MS ?? 1500);
const loginsPerS = Number(__ENV.LOGINS_PER_S ?? 0.3);
const refreshShare = Number(__ENV.REFRESH_SHARE ?? 0.1);
const maxFailed = Number(__ENV.MAX_FAILED ?? 0);
const failures = [`count<=${maxFailed}`];

export const options = {
  scenarios: {
    mixed: {
      executor: 'constant-arrival-rate',
      rate,
      timeUnit: '1s',
      duration: __ENV.DURATION ?? '30m',
      preAllocatedVUs: users,
      // Slow answers need more hands to keep the rate. They only look at the service's health: if they signed in too,
      // slow answers would cause hashes, and hashes slower answers.
      maxVUs: users * 4,
      gracefulStop: '5s',
    },
  },
  thresholds: {
    latchkey_sessions_lost: ['count==0'],
    latchkey_failed_stable: failures,
    latchkey_failed_canary: failures,
    latchkey_failed_unanswered: failures,
    latchkey_validate_ms: ['p(99)<200'],
  },
  summaryTrendStats: ['avg', 'p(50)', 'p(95)', 'p(99)', 'max'],
  noVUConnectionReuse: false,
};

// A module is loaded once for each virtual user, so this is the user's own.
let user: User | undefined;

export default function iteration(): void {
  const number = userNumber();
  const mayBegin = number < users && Date.now() >= exec.scenario.startTime + number * signInEveryMs;
  if (mayBegin) user ??= new User(String(number));
  if (user === undefined || user.isWaiting) lookAtHealth();
  else if (user.signedIn) act(user, Math.random());
  else user.signIn();
}

function act(someone: User, dice: number): void {
  const logoutShare = loginsPerS / rate;
  if (dice < logoutShare) someone.logOut();
  else if (dice < logoutShare + refreshShare) someone.refresh();
  else if (dice < 0.5 + refreshShare / 2) someone.me();
  else someone.validate();
}

export function handleSummary(data: object): Record<string, string> {
  const summary = JSON.stringify(data, null, 2);
  const file = __ENV.SUMMARY ?? '';
  return file === '' ? { stdout: `${summary}\n` } : { [file]: `${summary}\n` };
}
