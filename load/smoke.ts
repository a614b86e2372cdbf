// One user walks through every route of this slice once: the quickest proof that an installation works. By hand, or as
// the chart's test:  k6 run -e BASE_URL=http://… load/smoke.ts
import { check } from 'k6';
import { judgedAs } from './profile.ts';
import { lookAtHealth, User } from './session.ts';

export const options = { ...judgedAs('smoke'), vus: 1, iterations: 1 };

export default function smoke(): void {
  const user = new User(`smoke-${Date.now()}`);
  lookAtHealth();
  check(user, { 'a new user signs in': (someone) => someone.signIn() });
  user.me();
  user.validate();
  user.refresh();
  user.me();
  check(user, { 'the session lives through a refresh': (someone) => someone.signedIn });
  user.logOut();
  check(user, { 'a logout ends the session': (someone) => !someone.signedIn });
}
