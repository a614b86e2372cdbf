// How fast sessions are validated (requirement L1: p99 below 200 ms): each user has one session and asks `validate` and `me`
// in turn; the runbook's load test calls `me`. By hand:
//   k6 run -e BASE_URL=http://… -e RATE=500 load/validate.ts
// Options: those of profile.ts (RATE=300, USERS=20, DURATION=1m), SIGN_IN_EVERY_MS=600, and those of session.ts.
import { executorOf, judgedAs, loadOf } from './profile.ts';
import { lookAtHealth, userInTurn } from './session.ts';

export const options = {
  ...judgedAs('validate'),
  scenarios: { validate: executorOf(loadOf({ rate: 300, users: 20, duration: '1m' })) },
};

let asked = 0;

export default function validate(): void {
  const user = userInTurn(600);
  asked += 1;
  if (user === undefined || user.isWaiting) lookAtHealth();
  else if (!user.signedIn) user.signIn();
  else if (asked % 2 === 0) user.me();
  else user.validate();
}
