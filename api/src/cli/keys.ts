/**
 * `latchkey keys list|rotate|retire`: the keys that sign access tokens. Servers see a change within half a minute, and at once when
 * they meet a token of a key that they do not know. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { z } from 'zod';
import { tokenVariables } from '../config/tokens.ts';
import { keyLives } from '../core/key-states.ts';
import { createSealedBoxes, type SealedBoxes } from '../crypto/sealed-box.ts';
import { createSigningKeys, generatePrivateKey, jwkOf, thumbprint } from '../crypto/signing-keys.ts';
import { withOwner } from '../db/migrate.ts';
import { type Ask, insertSigningKey, readSigningKeys, retireSigningKey } from '../db/signing-keys.ts';
import { keyContext, OVERLAP_MS } from '../services/key-ring.ts';
import { type Answer, command, runAlone, UsageError, verbOf } from './command.ts';

const HELP = `Usage: latchkey keys <command> [options]

Commands
  list              every key, what it does now and until when
  rotate            make a key; it is published at once and signs after --activate-in
  retire <key id>   end a key now: its tokens are refused, their clients refresh

Options
  --activate-in <seconds>   how long a new key is only published (default 600, at least 60): time for every server
                            and every cache of /.well-known/jwks.json to learn it
  --now                     sign with the new key at once; for a key that leaked
  --dry-run                 say what would be done, and do nothing
  -o, --output              text (default) or json
  -h, --help                this text

Environment
  MIGRATION_DATABASE_URL    the schema's owner (falls back to DATABASE_URL); the servers' role may only read keys
  ENCRYPTION_KEY            what the servers have: a private key is stored encrypted (rotate)
  JWT_PRIVATE_KEY           optional: lists the configured key too, and lets it be retired

A key that leaked: latchkey keys rotate --now, then latchkey keys retire -- <its id>.

Exit codes: 0 done, 1 failed, 2 wrong usage
`;

const DEFAULT_ACTIVATE_SECONDS = 600;
/** Two polls of the slowest server (services/key-ring.ts). */
const MIN_ACTIVATE_SECONDS = 60;

const VERBS = ['list', 'rotate', 'retire'] as const;

type Env = Readonly<NodeJS.ProcessEnv>;

interface Options {
  readonly env: Env;
  readonly activatesInSeconds: number;
  readonly isDryRun: boolean;
}

const configured = z.object({ JWT_PRIVATE_KEY: tokenVariables.JWT_PRIVATE_KEY });

/** The configured key, where this command was given it. */
const configuredKey = (env: Env) => {
  const read = configured.safeParse(env);
  return read.success ? createSigningKeys(read.data.JWT_PRIVATE_KEY) : undefined;
};

const readBoxes = (env: Env): SealedBoxes => {
  const read = tokenVariables.ENCRYPTION_KEY.safeParse(env['ENCRYPTION_KEY']);
  if (!read.success)
    throw new UsageError('set ENCRYPTION_KEY to what the servers have: base64 of at least 32 random bytes');
  return createSealedBoxes(read.data);
};

const good = (data: unknown, text: string): Answer => ({ data, text, isGood: true });

const isoTime = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

const runList = async (ask: Ask, env: Env): Promise<Answer> => {
  const lives = keyLives(await readSigningKeys(ask), OVERLAP_MS, Date.now());
  const own = configuredKey(env)?.keyId;
  const stored = lives.map(({ key, state, signsUntilMs }) => ({
    keyId: key.keyId,
    state,
    activatesAt: isoTime(key.activatesAtMs),
    signsUntil: isoTime(signsUntilMs),
    acceptedUntil: isoTime(key.retiredAtMs ?? (signsUntilMs === undefined ? undefined : signsUntilMs + OVERLAP_MS)),
  }));
  const isListed = own === undefined || stored.some(({ keyId }) => keyId === own);
  const isSigning = lives.every(({ state }) => state !== 'active');
  const bootstrap = {
    keyId: own,
    state: isSigning ? 'active' : 'verifying',
    activatesAt: null,
    signsUntil: null,
    acceptedUntil: null,
  };
  const keys = isListed ? stored : [bootstrap, ...stored];
  const text = keys.map(
    (key) =>
      `${key.keyId ?? ''}  ${key.state.padEnd(9)}  ${key.activatesAt ?? 'configured'.padEnd(24)}  ${key.acceptedUntil ?? '-'}`,
  );
  const header = `${'KEY'.padEnd(43)}  ${'STATE'.padEnd(9)}  ${'SIGNS FROM'.padEnd(24)}  ACCEPTED UNTIL`;
  return {
    data: { keys },
    text: keys.length === 0 ? 'no key is stored: the configured one signs' : [header, ...text].join('\n'),
    isGood: true,
  };
};

const runRotate = async (ask: Ask, { activatesInSeconds, isDryRun, env }: Options): Promise<Answer> => {
  const boxes = readBoxes(env);
  const privateKey = generatePrivateKey();
  const publicJwk = jwkOf(privateKey);
  const keyId = thumbprint(privateKey);
  const when = activatesInSeconds === 0 ? 'now' : `in ${activatesInSeconds} s`;
  if (isDryRun) return good({ isDryRun, activatesInSeconds }, `would publish a new key now and sign with it ${when}`);
  const sealedPrivateKey = boxes.seal(
    privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    keyContext(keyId),
  );
  const isNew = await insertSigningKey(ask, { keyId, publicJwk, sealedPrivateKey, activatesInSeconds });
  if (!isNew) throw new Error('another key is published and waits for its turn: let it become active, or retire it');
  return good({ keyId, activatesInSeconds }, `published ${keyId}; it signs ${when}`);
};

const runRetire = async (ask: Ask, keyId: string | undefined, { isDryRun, env }: Options): Promise<Answer> => {
  if (keyId === undefined) throw new UsageError('retire needs a key id; see latchkey keys list');
  const own = configuredKey(env);
  const ownJwk = own?.keyId === keyId ? jwkOf(own.privateKey) : undefined;
  const isKnown = ownJwk !== undefined || (await readSigningKeys(ask)).some((key) => key.keyId === keyId);
  if (!isKnown) throw new Error(`there is no key ${keyId}`);
  if (isDryRun) return good({ isDryRun, keyId }, `would retire ${keyId}: its tokens would be refused at once`);
  await retireSigningKey(ask, keyId, ownJwk);
  return good({ keyId }, `retired ${keyId}: its tokens are refused, and their clients refresh`);
};

const run = (words: readonly string[], options: Options): Promise<Answer> => {
  const { env } = options;
  const [word, keyId, ...rest] = words;
  const verb = verbOf(VERBS, word);
  const url = env['MIGRATION_DATABASE_URL'] ?? env['DATABASE_URL'];
  const inTransaction = (work: (ask: Ask) => Promise<Answer>): Promise<Answer> => {
    if (url === undefined) throw new UsageError('set MIGRATION_DATABASE_URL (or DATABASE_URL) to the database');
    return withOwner(url, async (client) => {
      await client.query('BEGIN'); // a failure ends the connection, and with it the transaction
      const answer = await work(
        async (statement, values = []) => (await client.query<Record<string, unknown>>(statement, [...values])).rows,
      );
      await client.query('COMMIT');
      return answer;
    });
  };
  if (rest.length > 0 || (keyId !== undefined && verb !== 'retire')) throw new UsageError('too many arguments');
  switch (verb) {
    case 'list':
      return inTransaction((ask) => runList(ask, env));
    case 'rotate':
      return inTransaction((ask) => runRotate(ask, options));
    case 'retire':
      return inTransaction((ask) => runRetire(ask, keyId, options));
  }
};

const readSeconds = (text: string | undefined, isNow: boolean): number => {
  if (isNow) return 0;
  if (text === undefined) return DEFAULT_ACTIVATE_SECONDS;
  const seconds = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= MIN_ACTIVATE_SECONDS))
    throw new UsageError(`--activate-in takes whole seconds, at least ${MIN_ACTIVATE_SECONDS}`);
  return seconds;
};

export const keys = command({
  name: 'keys',
  help: HELP,
  verbs: VERBS,
  options: {
    'activate-in': { type: 'string' },
    now: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
  },
  work: async ({ operands, values, terminal: { env } }) =>
    run(operands, {
      env,
      activatesInSeconds: readSeconds(values['activate-in'], values.now),
      isDryRun: values['dry-run'],
    }),
});

if (import.meta.main) await runAlone(keys);
