/** A second factor as its owner has it, and a clock to move. Used by the tests of login and MFA. */
import { codeAt, stepOf } from '../../api/src/crypto/totp.ts';
import { type Answer, type Api, PASSWORD, type Tokens, tokensOf } from './api.ts';

/** A clock that stands still until it is moved. Begins at the present, since PostgreSQL's own clock writes some columns. */
export class Clock {
  nowMs = Date.now();

  readonly read = (): number => this.nowMs;

  advance(ms: number): void {
    this.nowMs += ms;
  }
}

/** The code that the owner's app shows at this time. */
export const codeNow = (secret: string, nowMs: number): string => codeAt(secret, stepOf(nowMs));

export interface Enrolled {
  readonly email: string;
  readonly secret: string;
  readonly backupCodes: readonly string[];
  readonly tokens: Tokens;
}

/** A new account with a second factor; the clock is moved on, so that the next code is a fresh one. */
export const enrol = async (api: Api, clock: Clock): Promise<Enrolled> => {
  const email = await api.register();
  const { accessToken } = await api.login(email);
  const begun = await api.post('/api/v1/auth/mfa/totp', undefined, { bearer: accessToken });
  const secret = String(begun.body['secret']);
  const code = codeNow(secret, clock.nowMs);
  const confirmed = await api.post('/api/v1/auth/mfa/totp/confirm', { code }, { bearer: accessToken });
  if (confirmed.status !== 200) throw new Error(`confirm: ${confirmed.status} ${confirmed.text}`);
  clock.advance(30_000);
  const backupCodes = confirmed.body['backupCodes'] as readonly string[];
  return { email, secret, backupCodes, tokens: tokensOf(confirmed) };
};

export const logIn = (api: Api, email: string, rest: object = {}): Promise<Answer> =>
  api.post('/api/v1/auth/login', { email, password: PASSWORD, ...rest });

/** The token that stands between password and code. */
export const mfaTokenFor = async (api: Api, email: string, rest: object = {}): Promise<string> => {
  const answer = await logIn(api, email, rest);
  if (answer.body['mfaRequired'] !== true) throw new Error(`no second step: ${answer.status} ${answer.text}`);
  return String(answer.body['mfaToken']);
};

export const finish = (api: Api, body: object): Promise<Answer> => api.post('/api/v1/auth/login/mfa', body);
