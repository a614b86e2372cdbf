/**
 * `node api/compose/make-env.ts --host auth.example.com > api/compose/production.env`: everything that compose.production.yaml must be told,
 * with fresh secrets. Writes to standard output alone, so nothing that exists is ever overwritten by it.
 */
import { createPrivateKey, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { generateKeys } from '../src/embedded/keys.ts';

const HELP = `usage: node api/compose/make-env.ts --host NAME [options] > api/compose/production.env

  --host NAME       the name that browsers ask for, and the certificate has, such as auth.example.com
  --tls-folder DIR  holds tls.crt (with its chain) and tls.key, readable for user 101 (default: /etc/latchkey/tls)
  --smtp-url URL    the mail server, such as smtps://user:password@smtp.example.com:465; without it nobody proves an address
  --help            this text

exit code: 0 done, 2 the command line is wrong`;

export interface ProductionChoices {
  readonly host: string;
  readonly tlsFolder: string;
  readonly smtpUrl: string | undefined;
}

/** Letters that a URL and a shell take as they are. */
const password = (): string => randomBytes(24).toString('hex');

/** One line: an env file has no others. */
const keyInOneLine = (pem: string): string => JSON.stringify(createPrivateKey(pem).export({ format: 'jwk' }));

export const productionEnv = ({ host, tlsFolder, smtpUrl }: ProductionChoices): Readonly<Record<string, string>> => {
  const { databasePassword: _unused, JWT_PRIVATE_KEY: pem, ...keys } = generateKeys();
  return {
    PUBLIC_HOST: host,
    TLS_FOLDER: tlsFolder,
    POSTGRES_PASSWORD: password(),
    DATABASE_PASSWORD: password(),
    REDIS_PASSWORD: password(),
    JWT_PRIVATE_KEY: keyInOneLine(pem),
    ...keys,
    AUDIT_KEY: randomBytes(32).toString('base64'),
    // Compose takes a `$` in an env file for the beginning of a variable; the URL means the same without.
    ...(smtpUrl === undefined
      ? { EMAIL_VERIFICATION: 'optional' }
      : { SMTP_URL: smtpUrl.replaceAll('$', '%24'), MAIL_FROM: `no-reply@${host}` }),
  };
};

const envText = (variables: Readonly<Record<string, string>>): string =>
  Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

const HOST = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** @throws TypeError that names what is wrong */
const readChoices = (argv: readonly string[]): ProductionChoices | 'help' => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      host: { type: 'string' },
      'tls-folder': { type: 'string', default: '/etc/latchkey/tls' },
      'smtp-url': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const { host } = values;
  if (host === undefined) throw new TypeError('--host is missing: give the name of the certificate');
  if (!HOST.test(host)) throw new TypeError(`--host ${host}: is no host name, such as auth.example.com`);
  return { host, tlsFolder: values['tls-folder'], smtpUrl: values['smtp-url'] };
};

if (import.meta.main) {
  try {
    const choices = readChoices(process.argv.slice(2));
    process.stdout.write(choices === 'help' ? `${HELP}\n` : envText(productionEnv(choices)));
  } catch (error) {
    process.stderr.write(`make-env: ${error instanceof Error ? error.message : 'failed'}\n\n${HELP}\n`);
    process.exitCode = 2;
  }
}
