// Fewer database connections than are needed (requirement L1): users ask for their accounts while the database, for a while, gives the
// service two connections. Beyond them the answer must be 503 with Retry-After, never 500; and when the connections are back,
// so is the service, and nobody has been logged out. npm run load -- pool takes the connections away (runner/shortage.ts).
//   SHORT_FROM=0.25 SHORT_UNTIL=0.5 GOOD_FROM=0.75   of DURATION: the shortage, and the time by which all must be good again
import { sleep } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { executorOf, judgedAs, loadOf } from './profile.ts';
import { userInTurn } from './session.ts';

const load = loadOf({ rate: 0, users: 30, duration: '20s' });
/** Of a user who is told to come later; the clients of the API wait for the second that Retry-After says. */
const pauseS = 0.1;
const share = (name: string, otherwise: number): number => Number(__ENV[name] ?? otherwise);
const shortFrom = share('SHORT_FROM', 0.25);
const shortUntil = share('SHORT_UNTIL', 0.5);
const goodFrom = share('GOOD_FROM', 0.75);

const failedBefore = new Counter('latchkey_failed_before');
const shortRefused = new Counter('latchkey_short_refused');
const failedAfter = new Counter('latchkey_failed_after');

export const options = { ...judgedAs('pool'), scenarios: { pool: executorOf(load) } };

export default function pool(): void {
  const user = userInTurn(0);
  if (user === undefined || !user.signedIn) return;
  const begun = exec.scenario.progress;
  const status = user.me();
  if (status === 200) return;
  sleep(pauseS);
  // What began before the shortage may end in it, and what began in it after it.
  if (exec.scenario.progress < shortFrom) failedBefore.add(1);
  else if (begun >= goodFrom) failedAfter.add(1);
  else if (status === 503 && begun < shortUntil) shortRefused.add(1);
}
