// The rate limits (requirement L1): one client asks twice as often as it may, another logs in twice as often as it may, and a
// third goes its way. The limits must be exact, the refusals must say when to come back, and the third must notice nothing.
// Needs a server whose limits are small enough to be reached within a minute and that trusts this machine to say who the
// client is: npm run load -- rate-limit starts one.
//   LIMIT=200  LOGIN_LIMIT=5   the server's RATE_LIMIT_PER_MINUTE and RATE_LIMIT_LOGIN_PER_MINUTE
import { Counter } from 'k6/metrics';
import { judgedAs, limits, loadOf } from './profile.ts';
import { type Answer, request, User } from './session.ts';

const { limit, loginLimit } = limits;
const { duration } = loadOf({ rate: 0, users: 10, duration: '10s' });
/** Of each pass twice what may: beyond it the flood would prove nothing more. */
const times = 2;
const passed = new Counter('latchkey_limit_passed');
const loginsPassed = new Counter('latchkey_login_limit_passed');
const neighbourRefused = new Counter('latchkey_neighbour_refused');

const once = { executor: 'shared-iterations', maxDuration: '50s' };

export const options = {
  ...judgedAs('rate-limit'),
  scenarios: {
    flood: { ...once, exec: 'flood', vus: 10, iterations: limit * times },
    logins: { ...once, exec: 'logins', vus: 1, iterations: loginLimit * times },
    neighbour: {
      executor: 'constant-arrival-rate',
      exec: 'neighbour',
      rate: 3,
      timeUnit: '1s',
      duration,
      preAllocatedVUs: 2,
    },
  },
};

/** 401 for want of a token: counted like any other request, and no work for the database. */
export function flood(): void {
  if (isLetIn(request('GET', 'validate', { from: '198.51.100.7' }))) passed.add(1);
}

const account = new User('', 0);

export function logins(): void {
  const body = { email: account.email, password: 'Not-The-Password-1!' };
  if (isLetIn(request('POST', 'login', { body, from: '198.51.100.8' }))) loginsPassed.add(1);
}

export function neighbour(): void {
  if (!isLetIn(request('GET', 'validate', { from: '198.51.100.9' }))) neighbourRefused.add(1);
}

function isLetIn({ status }: Answer): boolean {
  return status !== 429;
}
