// Logins (requirement L1): users log in, each on a connection that it keeps. A login costs one password hash, so a machine has
// as many logins a second as it can hash: docs/load.md says what "100 concurrent logins" asks for. By hand:
//   k6 run -e BASE_URL=http://… -e RATE=4 load/login.ts
// Options: those of profile.ts (RATE=4, USERS=100, DURATION=1m) and session.ts.
import { executorOf, judgedAs, loadOf } from './profile.ts';
import { User, userNumber } from './session.ts';

const load = loadOf({ rate: 4, users: 100, duration: '1m' });

export const options = { ...judgedAs('login'), scenarios: { login: executorOf(load) } };

let user: User | undefined;

export default function login(): void {
  user ??= new User(String(userNumber()), userNumber());
  user.signIn();
}
