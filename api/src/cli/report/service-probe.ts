/** Whether the deployed service is up, of the right version, and says to browsers and Prometheus what it should. Called by ../report.ts. */
import type { Outcome } from '../doctor/check.ts';
import { METRICS } from '../monitor/metric-names.ts';
import { type Answer, type Ask, type Step, wanted } from './step.ts';

const HEALTH = 'Health';
const SECURITY = 'Security';
const MONITORING = 'Monitoring';

const ofStatus = (name: string, { body, status }: Answer): Step => {
  const word = typeof body['status'] === 'string' ? body['status'] : String(status);
  if (word === 'ok') return { section: HEALTH, name, verdict: 'ok', finding: 'ok' };
  const remedy = `latchkey doctor in a pod says what: kubectl -n auth exec deploy/auth-api-stable -- latchkey doctor`;
  const verdict = word === 'degraded' ? 'warn' : 'fail';
  return { section: HEALTH, name, verdict, finding: word, remedy };
};

const versionOf = ({ headers }: Answer): string | undefined => headers.get('latchkey-version') ?? undefined;

const versionStep = (answer: Answer, expected: string | undefined): Step => {
  const [section, name] = [HEALTH, 'version'];
  const found = versionOf(answer);
  if (found === undefined)
    return { section, name, verdict: 'skipped', finding: 'not exposed: EXPOSE_VERSION=true shows it' };
  if (expected === undefined || found === expected) return { section, name, verdict: 'ok', finding: found };
  return {
    section,
    name,
    verdict: 'fail',
    finding: `${found} answers, ${expected} was expected`,
    remedy: 'kubectl authrollout status says how far the rollout is; with a canary both answer',
  };
};

export interface HealthSeen {
  readonly steps: readonly Step[];
  readonly version: string | undefined;
}

export const probeHealth = async (ask: Ask, expectedVersion: string | undefined): Promise<HealthSeen> => {
  const live = await ask('/api/health/live');
  const [ready, overall] = await Promise.all([ask('/api/health/ready'), ask('/api/health/overall')]);
  const remedy = 'kubectl -n auth logs deploy/auth-api-stable says why';
  return {
    steps: [
      wanted({ section: HEALTH, name: 'live', remedy }, [200], live),
      ofStatus('ready', ready),
      ofStatus('diagnoses', overall),
      versionStep(overall, expectedVersion),
    ],
    version: versionOf(overall),
  };
};

interface HeaderRule {
  readonly name: string;
  readonly header: string;
  readonly isRight: (value: string) => boolean;
  readonly should: string;
}

/** A year, the least that is called safe; the service says two. */
const HSTS_SECONDS = 31_536_000;

const RULES: readonly HeaderRule[] = [
  {
    name: 'content security policy',
    header: 'content-security-policy',
    isRight: (value) => /default-src 'none'/.test(value) && /frame-ancestors 'none'/.test(value),
    should: "allow nothing: default-src 'none', frame-ancestors 'none'",
  },
  {
    name: 'strict transport security',
    header: 'strict-transport-security',
    isRight: (value) => Number(/max-age=(\d+)/.exec(value)?.[1] ?? 0) >= HSTS_SECONDS,
    should: 'keep browsers on HTTPS for a year: PUBLIC_URL=https://… sends it',
  },
  {
    name: 'no sniffing of types',
    header: 'x-content-type-options',
    isRight: (value) => value === 'nosniff',
    should: 'be nosniff',
  },
  { name: 'no frames', header: 'x-frame-options', isRight: (value) => value === 'DENY', should: 'be DENY' },
  {
    name: 'no referrer',
    header: 'referrer-policy',
    isRight: (value) => value === 'no-referrer',
    should: 'be no-referrer',
  },
  {
    name: 'permissions policy',
    header: 'permissions-policy',
    isRight: (value) => value.includes('camera=()'),
    should: 'refuse what an API does not need',
  },
];

const headerOutcome = ({ header, isRight, should }: HeaderRule, value: string | null): Outcome => {
  if (value !== null && isRight(value)) return { verdict: 'ok', finding: value.slice(0, 60) };
  return {
    verdict: 'fail',
    finding: `${header} is ${value === null ? 'missing' : `«${value.slice(0, 60)}»`} and should ${should}`,
    remedy: `see whether a proxy before the service takes ${header} away or replaces it`,
  };
};

const transportStep = (address: string): Step => {
  const [section, name] = [SECURITY, 'transport'];
  return address.startsWith('https:')
    ? { section, name, verdict: 'ok', finding: 'HTTPS, with a certificate that is believed here' }
    : {
        section,
        name,
        verdict: 'warn',
        finding: 'asked over plain HTTP: what users go through was not looked at',
        remedy: 'name the public address: latchkey report https://auth.example.com',
      };
};

export const probeHeaders = async (ask: Ask, address: string): Promise<readonly Step[]> => {
  const answer = await ask('/api/v1/auth/me');
  const remedy = 'this address must refuse a request without a token: see what answers there';
  return [
    transportStep(address),
    ...RULES.map((rule) => ({
      section: SECURITY,
      name: rule.name,
      ...headerOutcome(rule, answer.headers.get(rule.header)),
    })),
    wanted({ section: SECURITY, name: 'no token, no answer', remedy }, [401], answer),
  ];
};

export const probeMetrics = async (ask: Ask): Promise<readonly Step[]> => {
  const [section, name] = [MONITORING, 'metrics'];
  const { status, text } = await ask('/api/metrics');
  const missing = Object.values(METRICS).filter((metric) => !text.includes(`# TYPE ${metric} `));
  if (missing.length === 0)
    return [{ section, name, verdict: 'ok', finding: `all ${Object.keys(METRICS).length} are shown` }];
  const isElsewhere = status !== 200 || missing.length === Object.keys(METRICS).length;
  return [
    {
      section,
      name,
      verdict: 'fail',
      finding: isElsewhere
        ? `/api/metrics answers ${status}, and shows none of ours`
        : `missing: ${missing.join(', ')}`,
      remedy: isElsewhere
        ? 'a gateway may keep metrics to itself: --metrics http://POD:3000 asks a pod'
        : 'the pod runs another version: compare it with this one',
    },
  ];
};
