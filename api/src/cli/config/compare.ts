/**
 * Two environments side by side: what only one of them has, what must not be the same in both, and what should be. Pure. Called by ../config.ts.
 * Secrets are compared and never come out, not even shortened or hashed: a digest of a weak one can be guessed.
 */
import { type ConfigFinding, type Env, KNOWN_NAMES } from './rules.ts';

/** A person or a machine that knows one of the two would know the other; data of one would be read in the other. */
const MUST_DIFFER: readonly string[] = [
  'JWT_PRIVATE_KEY',
  'REFRESH_TOKEN_KEY',
  'ENCRYPTION_KEY',
  'PASSWORD_PEPPER',
  'AUDIT_KEY',
  'PUBLIC_URL',
];

/** Comma lists in which no entry may be in both. */
const LISTS: readonly string[] = ['ENCRYPTION_KEYS_PREVIOUS', 'PASSWORD_PEPPERS_PREVIOUS', 'AUDIT_KEYS_PREVIOUS'];

const URLS: readonly string[] = ['DATABASE_URL', 'REDIS_URL', 'SMTP_URL'];

/** What makes a test in one say something about the other; with the value that it has where it is not set. None of them is a secret. */
const SHOULD_EQUAL: Readonly<Record<string, string>> = {
  PASSWORD_POLICY: 'seed',
  BCRYPT_COST: '12',
  EMAIL_VERIFICATION: 'required',
  LOCKOUT_FAILURES: '5',
  LOCKOUT_MINUTES: '30',
  LOCKOUT_BACKOFF_MS: '1000',
  HTTPS_REDIRECT: 'false',
  COHORT_COOKIE: '',
  SHUTDOWN_GRACE_SECONDS: '25',
};

export interface Side {
  readonly label: string;
  readonly env: Env;
}

const has = ({ env }: Side, name: string): boolean => (env[name] ?? '') !== '';

const onlyIn = (one: Side, other: Side): readonly ConfigFinding[] =>
  [...KNOWN_NAMES, 'MIGRATION_DATABASE_URL']
    .filter((name) => has(one, name) && !has(other, name) && SHOULD_EQUAL[name] === undefined)
    .map((name) => ({
      name,
      verdict: 'warn',
      finding: `is set in ${one.label} and not in ${other.label}`,
      remedy: `set it in ${other.label} too, or take it out of ${one.label}`,
    }));

const same = (name: string, what: string, remedy: string): ConfigFinding => ({
  name,
  verdict: 'fail',
  finding: `${what} in both environments`,
  remedy,
});

const SECRET_REMEDY =
  'make a new one for one of them; docs/configuration.md says how, and how the old one is kept for reading';

const normal = (text: string | undefined): string => (text ?? '').replaceAll('\\n', '\n').trim().replace(/\/+$/, '');

const sameValues = (a: Side, b: Side): readonly ConfigFinding[] =>
  MUST_DIFFER.filter((name) => has(a, name) && normal(a.env[name]) === normal(b.env[name])).map((name) =>
    same(
      name,
      'is the same',
      name === 'PUBLIC_URL' ? 'PUBLIC_URL=https://auth.example.com, each its own' : SECRET_REMEDY,
    ),
  );

const entriesOf = ({ env }: Side, name: string): readonly string[] =>
  (env[name] ?? '').split(',').flatMap((text) => (text.trim() === '' ? [] : [text.trim()]));

const sameEntries = (a: Side, b: Side): readonly ConfigFinding[] => [
  ...LISTS.filter((name) => entriesOf(a, name).some((entry) => entriesOf(b, name).includes(entry))).map((name) =>
    same(name, 'has an entry that is the same', 'take the other environment’s key out of the list'),
  ),
  ...sharedServices(a, b).map((id) =>
    same('SERVICE_KEYS', `has the same key for ${id}`, `"${id}:$(openssl rand -base64 32)" in one of them`),
  ),
];

const sharedServices = (a: Side, b: Side): readonly string[] => {
  const keyOf = (entry: string): string => entry.slice(entry.indexOf(':') + 1);
  const others = new Set(entriesOf(b, 'SERVICE_KEYS').map(keyOf));
  return entriesOf(a, 'SERVICE_KEYS').flatMap((entry) =>
    others.has(keyOf(entry)) ? [entry.slice(0, Math.max(0, entry.indexOf(':')))] : [],
  );
};

const urlOf = ({ env }: Side, name: string): URL | undefined => {
  const text = env[name] ?? '';
  return URL.canParse(text) ? new URL(text) : undefined;
};

const ofUrl = (a: Side, b: Side, name: string): readonly ConfigFinding[] => {
  const [one, other] = [urlOf(a, name), urlOf(b, name)];
  if (one === undefined || other === undefined) return [];
  const isSamePlace = one.host === other.host && one.pathname === other.pathname;
  const isSamePassword = one.password !== '' && one.password === other.password;
  return [
    ...(isSamePlace && name !== 'SMTP_URL'
      ? [
          same(
            name,
            'leads to the same place',
            `give each environment a ${name === 'REDIS_URL' ? 'Redis' : 'database'} of its own`,
          ),
        ]
      : []),
    ...(isSamePassword ? [same(name, 'has the same password', 'change it in one of them')] : []),
  ];
};

const differing = (a: Side, b: Side): readonly ConfigFinding[] =>
  Object.entries(SHOULD_EQUAL).flatMap(([name, unset]) => {
    const [one, other] = [a.env[name] ?? unset, b.env[name] ?? unset];
    if (one === other) return [];
    return [
      {
        name,
        verdict: 'warn' as const,
        finding: `is ${one || 'empty'} in ${a.label} and ${other || 'empty'} in ${b.label}: a test in one says less about the other`,
        remedy: `${name}=${other} in both, or ${name}=${one}`,
      },
    ];
  });

export const compare = (a: Side, b: Side): readonly ConfigFinding[] => [
  ...sameValues(a, b),
  ...sameEntries(a, b),
  ...URLS.flatMap((name) => ofUrl(a, b, name)),
  ...differing(a, b),
  ...onlyIn(a, b),
  ...onlyIn(b, a),
];
