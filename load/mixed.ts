// Steady, mixed traffic for a rollout: users register and log in once, then call me and validate, refresh, and now and
// then log out and in again. Run by the demo and the end-to-end tests (k8s/demo/traffic.ts), or by hand:
//   k6 run -e BASE_URL=http://… load/mixed.ts
//
// Options (-e NAME=value):
//   RATE=220              requests a second; 25 % of it gives the canary 55. 0: each user asks again as soon as it is answered
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
import { executorOf, judgedAs, loadOf } from './profile.ts';
import { lookAtHealth, type User, userInTurn, userNumber } from './session.ts';

const load = loadOf({ rate: 220, users: 24, duration: '30m' });
const loginsPerS = Number(__ENV.LOGINS_PER_S ?? 0.3);
const refreshShare = Number(__ENV.REFRESH_SHARE ?? 0.1);
const failures = [`count<=${Number(__ENV.MAX_FAILED ?? 0)}`];
const judged = judgedAs('mixed');

export const options = {
  ...judged,
  // Slow answers need more hands to keep the rate. They only look at the service's health: if they signed in too,
  // slow answers would cause hashes, and hashes slower answers.
  scenarios: { mixed: executorOf(load, load.users * 3) },
  thresholds: {
    ...judged.thresholds,
    latchkey_failed_stable: failures,
    latchkey_failed_canary: failures,
    latchkey_failed_unanswered: failures,
  },
};

export default function iteration(): void {
  const user = userNumber() < load.users ? userInTurn(1500) : undefined;
  if (user === undefined || user.isWaiting) lookAtHealth();
  else if (user.signedIn) act(user, Math.random());
  else user.signIn();
}

/** Of this user, since a module is each user's own. */
let lastActMs = Date.now();

/** By the clock, not by the requests: a faster server would log in more often, and a login costs hundreds of them. */
function shareOfLogouts(): number {
  const elapsedS = (Date.now() - lastActMs) / 1000;
  lastActMs = Date.now();
  return (loginsPerS * elapsedS) / load.users;
}

function act(someone: User, dice: number): void {
  const logoutShare = shareOfLogouts();
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
