/** The one logger: JSON lines, constant messages, data in keys. Made by main.ts and handed down. */
import { pino } from 'pino';

export type Log = pino.Logger;

/** What may never be written, wherever it sits in what is logged. */
const SECRET_KEYS = [
  'password',
  'accessToken',
  'refreshToken',
  'authorization',
  'cookie',
  'passwordHash',
  'connectionString',
];

/** The parts of an error that are safe: a driver's error carries SQL, parameters or connection strings in other fields. */
const serializeError = (error: unknown): unknown => {
  if (!(error instanceof Error)) return { message: 'not an error' };
  const code = 'code' in error ? error.code : undefined;
  return {
    name: error.name,
    code,
    message: error.message.replaceAll(/\b\w+:\/\/[^\s@/]+@/g, '[address]@'),
    stack: error.stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 8),
    cause: error.cause === undefined ? undefined : serializeError(error.cause),
  };
};

export const createLog = (level: string, version: string | undefined): Log =>
  pino({
    level,
    base: { service: 'latchkey-api', version },
    serializers: { error: serializeError },
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`]), censor: '[secret]' },
  });
