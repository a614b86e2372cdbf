/**
 * Takes secrets out of what is about to be written or shown: by the name of a key, and by the look of a text. Called by log.ts for every line,
 * and by services/error-tracking.ts. Secrets should not arrive here in the first place; this is the net below.
 */

/** Whatever the spelling: `refresh_token`, `RefreshToken`, `x-refresh-token`. */
const SECRET_KEY =
  /password|passwd|passphrase|pepper|secret|token|authorization|cookie|apikey|accesskey|privatekey|signingkey|encryptionkey|hmackey|connectionstring|databaseurl|redisurl|smtpurl|credential|backupcode|recoverycode|totp|otpauth|hash$|^(jwt|dsn|pin|otp|sealed|digest|mac|signature)$/;

/** A driver's error carries its statement and its parameters. */
const STATEMENT_KEY = /^(sql|query|statement|text|values|params|parameters|bindings|internalquery|where|detail|rows)$/;

/** Public by design: signed statements that are kept outside of the database. */
const PUBLIC_KEYS = new Set(['checkpoint']);

const REPLACEMENTS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]+-----[\s\S]*?(-----END [A-Z ]+-----|$)/g, '[key]'],
  [/\b([a-z][a-z0-9+.-]*):\/\/[^\s@/"']*@/gi, '$1://[address]@'],
  [/\b(Bearer|Basic|Digest)\s+[\w.~+/=:-]+/gi, '$1 [secret]'],
  [/\beyJ[\w-]{4,}\.[\w-]+(\.[\w-]*)?/g, '[token]'],
  [/\blk[a-z]1\.[\w.-]{10,}/g, '[token]'],
  [/\$(2[aby]|pep|argon2\w*|scrypt)\$[\w./$+,=-]{10,}/g, '[hash]'],
  [/\botpauth:\/\/\S+/gi, '[secret]'],
  [
    /\b(password|passwd|secret|token|api[_-]?key|pepper|authorization|cookie)(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&}]+)/gi,
    '$1$2[secret]',
  ],
  [/[^\s@"'<>(),:;[\]=]+@[^\s@"'<>(),:;[\]=]+\.[a-z]{2,}/gi, '[email]'],
];

const STATEMENT =
  /^\s*(with\s+\w+|select\s|insert\s+into\s|update\s+[\w."]+\s+set\s|delete\s+from\s|begin;|set_config|create\s|alter\s|drop\s|truncate\s|copy\s|merge\s+into\s|explain\s|grant\s|revoke\s)/i;

const MAX_TEXT = 2_000;
const MAX_DEPTH = 6;
const MAX_ENTRIES = 60;

/** A text without addresses, tokens, keys, hashes, statements. */
export const redactText = (text: string): string => {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  if (STATEMENT.test(short)) return '[sql]';
  return REPLACEMENTS.reduce((clean, [pattern, replacement]) => clean.replaceAll(pattern, replacement), short);
};

/** Whether a value under this key is never written. Numbers and flags are: they count and say, and hide nothing. */
const isSecretKey = (key: string): boolean => SECRET_KEY.test(key.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));

const isStatementKey = (key: string): boolean => STATEMENT_KEY.test(key.toLowerCase());

/** The parts of an error that are safe: a driver's error carries SQL, parameters or connection strings in other fields. */
const redactError = (error: Error, depth: number): unknown => ({
  name: error.name,
  code: 'code' in error && typeof error.code === 'string' ? redactText(error.code) : undefined,
  message: redactText(error.message),
  stack: framesOf(error),
  cause: error.cause === undefined ? undefined : redactAt('cause', error.cause, depth + 1),
  ...(error instanceof AggregateError
    ? { errors: error.errors.slice(0, 5).map((each: unknown) => redactAt('', each, depth + 1)) }
    : {}),
});

/** Where it was thrown: function names and lines, without the first line, which may quote anything. */
export const framesOf = (error: Error): readonly string[] =>
  (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8);

const redactObject = (value: object, depth: number): unknown => {
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((each: unknown) => redactAt('', each, depth + 1));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (value instanceof URL) return redactText(value.href);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return '[bytes]';
  if (value instanceof Map || value instanceof Set) return `[${value.constructor.name} of ${value.size}]`;
  return Object.fromEntries(
    Object.keys(value)
      .slice(0, MAX_ENTRIES)
      .map((key) => [redactText(key), redactAt(key, readOwn(value, key), depth + 1)]),
  );
};

/** A getter may throw; then it said nothing. */
const readOwn = (value: object, key: string): unknown => {
  try {
    return Reflect.get(value, key) as unknown;
  } catch {
    return '[unreadable]';
  }
};

const redactAt = (key: string, value: unknown, depth: number): unknown => {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return value;
    case 'bigint':
      return String(value);
    case 'symbol':
    case 'function':
      return `[${typeof value}]`;
    case 'string':
    case 'object':
      break;
  }
  if (value === null) return null;
  if (PUBLIC_KEYS.has(key)) return value;
  if (isSecretKey(key)) return '[secret]';
  if (isStatementKey(key)) return '[sql]';
  if (typeof value === 'string') return redactText(value);
  if (depth > MAX_DEPTH) return '[deep]'; // a circle ends here too
  return value instanceof Error ? redactError(value, depth) : redactObject(value, depth);
};

/** A copy without secrets, of bounded size, that JSON can hold; total, whatever it is given. */
export const redact = (value: unknown): unknown => redactAt('', value, 0);
