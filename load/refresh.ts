// Refresh under load (requirement L1): every user refreshes over and over, and nobody may be logged out by it. By hand:
//   k6 run -e BASE_URL=http://… load/refresh.ts
// Options: those of profile.ts (RATE=100, USERS=20, DURATION=1m), SIGN_IN_EVERY_MS=600, and those of session.ts.
import { executorOf, judgedAs, loadOf } from './profile.ts';
import { lookAtHealth, userInTurn } from './session.ts';

export const options = {
  ...judgedAs('refresh'),
  scenarios: { refresh: executorOf(loadOf({ rate: 100, users: 20, duration: '1m' })) },
};

export default function refresh(): void {
  const user = userInTurn(600);
  if (user === undefined || user.isWaiting) lookAtHealth();
  else if (user.signedIn) user.refresh();
  else user.signIn();
}
