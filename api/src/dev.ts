/**
 * `npm start`: the API on embedded defaults, nothing to configure. PostgreSQL from npm, a Redis if one listens on this machine (otherwise
 * the in-process fallback), keys kept in the data folder, and a curl line that works. Ctrl-C stops all of it.
 * Anything set in the environment wins over what is embedded.
 */
import './thread-pool.ts';
import { once } from 'node:events';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Config, ConfigError, readConfig } from './config.ts';
import { ensureLoginRole } from './db/login-role.ts';
import { migrate, withOwner } from './db/migrate.ts';
import { type EmbeddedKeys, keepKeys } from './embedded/keys.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded/postgres.ts';
import { untilSignal } from './lifetime.ts';
import { createLog } from './log.ts';
import { startService } from './service.ts';

/** Where the data lives. As root it must be a folder that PostgreSQL's unprivileged user can reach, which /root is not. */
const dataFolder = (): string =>
  process.env['LATCHKEY_HOME'] ??
  (process.getuid?.() === 0 ? '/var/lib/latchkey' : join(homedir(), '.local', 'share', 'latchkey'));

const LOCAL_REDIS = 'redis://127.0.0.1:6379';

const isListening = async (port: number): Promise<boolean> => {
  const socket = connect({ host: '127.0.0.1', port, timeout: 300 });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(300) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};

const prepareDatabase = async (
  keys: EmbeddedKeys,
  folder: string,
): Promise<{ server: EmbeddedPostgres; url: string }> => {
  const server = await startEmbeddedPostgres({ dataFolder: join(folder, 'postgres'), password: keys.databasePassword });
  const url = server.url.replace('postgres:', 'latchkey:').replace('latchkey://postgres', 'postgres://latchkey');
  await withOwner(server.url, async (client) => {
    await migrate(client);
    await ensureLoginRole(client, url);
  });
  return { server, url };
};

const invitation = (port: number, mail: string): string => {
  const at = `http://localhost:${port}/api/v1/auth`;
  const body = `{"email":"you@example.com","password":"Correct-Horse-9-Staple"}`;
  const post = (path: string): string => `curl -s -H 'content-type: application/json' -d '${body}' ${at}/${path}`;
  return `\nLatchkey is ready. In another terminal:\n\n  ${post('register')}; ${post('login')}\n\n${mail}\n\nCtrl-C stops it.\n\n`;
};

/** Whoever tries it out logs in at once; how to try the way by mail is said. */
const sayOfMail = ({ mailFolder, isVerificationRequired }: Config): string => {
  const where = mailFolder === undefined ? 'Mails go to your mail server.' : `Mails are written to ${mailFolder}.`;
  const rule = isVerificationRequired
    ? 'An account logs in once the token of its mail came to POST /api/v1/auth/verify-email.'
    : 'An account logs in without answering its mail; EMAIL_VERIFICATION=required changes that.';
  return `${where} ${rule}`;
};

export const serveEmbedded = async (): Promise<void> => {
  const stopAsked = untilSignal(); // from now on: Ctrl-C while the database starts must not leave it behind
  const folder = dataFolder();
  const keys = await keepKeys(join(folder, 'keys.json'));
  const database = process.env['DATABASE_URL'] === undefined ? await prepareDatabase(keys, folder) : undefined;
  const { databasePassword: _unused, ...secretsInEnv } = keys;
  const redisUrl = (await isListening(6379)) ? LOCAL_REDIS : '';
  const { config, secrets } = readConfig({
    APP_ENV: 'development',
    LOG_LEVEL: 'warn',
    SHUTDOWN_GRACE_SECONDS: '2', // nobody waits for a gateway here
    REDIS_URL: redisUrl,
    EMAIL_VERIFICATION: 'optional',
    MAIL_FOLDER: process.env['SMTP_URL'] === undefined ? join(folder, 'mail') : '',
    ...secretsInEnv,
    ...(database === undefined ? {} : { DATABASE_URL: database.url }),
    ...process.env,
  });
  const service = await startService({ config, secrets, log: createLog(config.logLevel, undefined) });
  process.stdout.write(invitation(service.port, sayOfMail(config)));
  await stopAsked;
  await service.stop();
  await database?.server.stop();
};

/** A sentence for people; the stack would not help them. */
const explain = (error: unknown): string => {
  if (error instanceof ConfigError) return error.violations.join('\n');
  return error instanceof Error ? error.message : 'failed';
};

if (import.meta.main) {
  try {
    await serveEmbedded();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`latchkey: ${explain(error)}\n`);
    process.exit(1);
  }
}
