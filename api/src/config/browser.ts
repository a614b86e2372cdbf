/** What browsers may do and get: which origins may call, whether plain HTTP is sent on to HTTPS, and the cohort's cookie. Part of config.ts. */
import { z } from 'zod';
import { flag, list, variable } from './variable.ts';

/** Scheme, host and port, exactly as a browser sends it in `Origin`. */
const origin = z
  .string()
  .refine(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    'must be a comma list of origins without a path',
  );

/** Names that browsers treat in a way of their own, whatever their case. */
const RESERVED = /^__(host|secure)-/i;

export const browserVariables = {
  ALLOWED_ORIGINS: variable(
    list.pipe(z.array(origin)),
    'https://app.example.com',
    'Comma list of origins whose pages may call from a browser, exactly as browsers send them.',
  ),
  HTTPS_REDIRECT: variable(
    flag.default(false),
    'true',
    'Send plain HTTP on to HTTPS; needs a gateway that says which it was (`TRUST_PROXY`).',
  ),
  COHORT_COOKIE: variable(
    z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,64}$/, 'must be a cookie name of at most 64 characters, or empty')
      .refine((name) => !RESERVED.test(name), "must not begin with __Host- or __Secure-: those are the session's")
      .default(''),
    'lk_bucket',
    "Cookie that tells a gateway a browser user's bucket, 0 to 99: `spec.cohort.cookie` of the AuthRollout. Empty: none is set.",
  ),
};

const parsed = z.object(browserVariables);
type BrowserEnvironment = z.infer<typeof parsed>;

export interface BrowserConfig {
  readonly allowedOrigins: readonly string[];
  readonly redirectsToHttps: boolean;
  /** undefined: no cookie. */
  readonly cohortCookie: string | undefined;
}

export const readBrowser = (env: BrowserEnvironment): BrowserConfig => ({
  allowedOrigins: env.ALLOWED_ORIGINS,
  redirectsToHttps: env.HTTPS_REDIRECT,
  cohortCookie: env.COHORT_COOKIE === '' ? undefined : env.COHORT_COOKIE,
});

/** Cookies are sent over HTTPS alone, and whoever sits on the line of an http page would speak in its name. */
export const browserConflicts = ({
  APP_ENV = 'production',
  ALLOWED_ORIGINS = '',
}: NodeJS.ProcessEnv): readonly string[] =>
  APP_ENV === 'production' && ALLOWED_ORIGINS.split(',').some((text) => text.trim().startsWith('http://'))
    ? [
        'ALLOWED_ORIGINS: must all begin with https:// when APP_ENV is production; for example ALLOWED_ORIGINS=https://app.example.com',
      ]
    : [];
