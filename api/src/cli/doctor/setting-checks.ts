/** Settings that the service accepts and that are wrong where it runs, and those that it refuses. Part of the list in ../doctor.ts. */
import { ConfigError, readConfig } from '../../config.ts';
import { violationOf } from '../violation.ts';
import { type Check, fail, faultsOr, type Outcome, ok, warn } from './check.ts';

const configuration: Check = {
  id: 'configuration',
  looksAt: 'the service starts with this environment',
  look: async ({ env }) => {
    try {
      readConfig(env);
      return ok('every variable is accepted');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.violations.map(violationOf).map(({ name, rule, remedy }) => fail(`${name} ${rule}`, remedy));
    }
  },
};

/** Addresses that a range covers, as a power of two; the widest that a cluster's or a provider's network has is a /8 (a /32 of IPv6). */
const isTooWide = (range: string): boolean => {
  const [address = '', bits] = range.split('/');
  return bits !== undefined && Number(bits) < (address.includes(':') ? 32 : 8);
};

const proxyTrust: Check = {
  id: 'proxy-trust',
  looksAt: 'X-Forwarded-For is believed from the gateway, and from nobody else',
  look: async ({ env, appEnv }) => {
    const ranges = (env['TRUST_PROXY'] ?? '')
      .split(',')
      .map((text) => text.trim())
      .filter((text) => text !== '');
    const wide = ranges.filter(isTooWide);
    const remedy = 'TRUST_PROXY=10.0.0.0/8, or narrower: the addresses that the gateway’s pods have';
    if (wide.length > 0)
      return fail(
        `TRUST_PROXY believes ${wide.join(', ')}: anybody can say that he comes from anywhere, so limits and lockouts hold nobody`,
        remedy,
      );
    if (ranges.length > 0) return ok(`believed from ${ranges.join(', ')}`);
    if (appEnv === 'development') return ok('development: nobody is believed');
    return warn(
      'TRUST_PROXY is empty: behind a gateway every client has its address, and all share one budget',
      remedy,
    );
  },
};

const https: Check = {
  id: 'https',
  looksAt: 'browsers are told to stay with HTTPS, and cookies come back',
  look: async ({ env, appEnv }) => {
    if (appEnv === 'development') return ok('development: plain HTTP is accepted');
    const faults: Outcome[] = [];
    if (!(env['PUBLIC_URL'] ?? '').startsWith('https://'))
      faults.push(
        fail(
          'PUBLIC_URL is not HTTPS: no Strict-Transport-Security is sent, and links in mails can be read on their way',
          'PUBLIC_URL=https://auth.example.com',
        ),
      );
    const plain = (env['ALLOWED_ORIGINS'] ?? '').split(',').filter((text) => text.trim().startsWith('http://'));
    if (plain.length > 0)
      faults.push(
        fail(
          `ALLOWED_ORIGINS has ${plain.map((text) => text.trim()).join(', ')}: the session's cookies are Secure and never come back from there`,
          'ALLOWED_ORIGINS=https://app.example.com',
        ),
      );
    return faultsOr(faults, 'PUBLIC_URL and every allowed origin are HTTPS');
  },
};

const passwords: Check = {
  id: 'password-cost',
  looksAt: 'a stolen password hash is expensive to guess',
  look: async (installation) => {
    const cost = installation.read('BCRYPT_COST');
    if (cost >= 12 || installation.appEnv === 'development') return ok(`BCRYPT_COST is ${cost}`);
    return warn(
      `BCRYPT_COST is ${cost}, below the security plan's 12`,
      'BCRYPT_COST=12; logins move their accounts to it',
    );
  },
};

const verification: Check = {
  id: 'email-verification',
  looksAt: 'an address is proved before its account can log in',
  look: async (installation) => {
    if (installation.read('EMAIL_VERIFICATION') === 'required' || installation.appEnv === 'development')
      return ok(`EMAIL_VERIFICATION is ${installation.read('EMAIL_VERIFICATION')}`);
    return warn(
      'EMAIL_VERIFICATION is optional: anybody can register with any address',
      'EMAIL_VERIFICATION=required, with SMTP_URL',
    );
  },
};

const modes: Check = {
  id: 'modes',
  looksAt: 'the service is open',
  look: async (installation) => {
    const faults: Outcome[] = [];
    if (installation.read('MAINTENANCE_MODE'))
      faults.push(warn('MAINTENANCE_MODE is on: everything but probes answers 503', 'MAINTENANCE_MODE=false'));
    if (installation.read('DISABLE_AUTH') && installation.appEnv !== 'development')
      faults.push(fail('DISABLE_AUTH is on: nobody can log in', 'DISABLE_AUTH=false'));
    return faultsOr(faults, 'neither maintenance nor auth-disabled');
  },
};

const rollout: Check = {
  id: 'rollout-percentage',
  looksAt: 'the operator says how far the rollout is',
  look: async (installation) => {
    const url = installation.read('AUTH_ROLLOUT_URL');
    if (url === '') return ok('AUTH_ROLLOUT_URL is not set: nobody is asked');
    const answer = await fetch(url, { signal: AbortSignal.timeout(installation.waitMs) }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok === true) return ok('the operator answers');
    return warn(
      answer === undefined ? 'nobody answers at AUTH_ROLLOUT_URL' : `AUTH_ROLLOUT_URL answers ${answer.status}`,
      'name the operator’s metrics Service and the rollout: AUTH_ROLLOUT_URL=http://latchkey-operator-metrics.latchkey-system:8080/rollouts/NAMESPACE/NAME/percentage',
    );
  },
};

export const SETTING_CHECKS: readonly Check[] = [
  configuration,
  proxyTrust,
  https,
  passwords,
  verification,
  modes,
  rollout,
];
