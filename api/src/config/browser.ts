/** What browsers may do: which origins may call, and whether plain HTTP is sent on to HTTPS. Part of config.ts. */
import { z } from 'zod';
import { flag, list, variable } from './variable.ts';

/** Scheme, host and port, exactly as a browser sends it in `Origin`. */
const origin = z
  .string()
  .refine(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    'must be a comma list of origins without a path',
  );

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
};

const parsed = z.object(browserVariables);
type BrowserEnvironment = z.infer<typeof parsed>;

export interface BrowserConfig {
  readonly allowedOrigins: readonly string[];
  readonly redirectsToHttps: boolean;
}

export const readBrowser = (env: BrowserEnvironment): BrowserConfig => ({
  allowedOrigins: env.ALLOWED_ORIGINS,
  redirectsToHttps: env.HTTPS_REDIRECT,
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
