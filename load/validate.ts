// How fast sessions are validated (requirement L1: p99 below 200 ms). Each user signs in once, then only validates. By hand:
//   k6 run -e BASE_URL=http://… -e RATE=500 load/validate.ts
// Options: RATE=300 validations a second, USERS=20, DURATION=1m, SIGN_IN_EVERY_MS=600, and those of session.ts.
import exec from 'k6/execution';
import { lookAtHealth, User, userNumber } from './session.ts';

const users = Number(__ENV.USERS ?? 20);
const signInEveryMs = Number(__ENV.SIGN_IN_EVERY_MS ?? 600);

export const options = {
  scenarios: {
    validate: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE ?? 300),
      timeUnit: '1s',
      duration: __ENV.DURATION ?? '1m',
      preAllocatedVUs: users,
      maxVUs: users,
    },
  },
  thresholds: { latchkey_validate_ms: ['p(99)<200'], latchkey_sessions_lost: ['count==0'] },
  summaryTrendStats: ['avg', 'p(50)', 'p(95)', 'p(99)', 'max'],
};

let user: User | undefined;

export default function validate(): void {
  if (Date.now() >= exec.scenario.startTime + userNumber() * signInEveryMs) user ??= new User(String(userNumber()));
  if (user === undefined || user.isWaiting) lookAtHealth();
  else if (user.signedIn) user.validate();
  else user.signIn();
}
