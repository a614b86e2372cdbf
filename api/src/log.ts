/**
 * The one logger: JSON lines, constant messages, data in keys. Made by main.ts and handed down. Everything passes core/redact.ts on its way out.
 * A line of an error says its `category` (core/error-report.ts): database, auth, config, dependency or internal.
 */
import { pino } from 'pino';
import { redact, redactText } from './core/redact.ts';

export type Log = pino.Logger;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Where the lines go; the tests read them. */
type Destination = pino.DestinationStream;

export const createLog = (level: string, version: string | undefined, destination?: Destination): Log => {
  const options = {
    level,
    base: { service: 'latchkey-api', version },
    // Errors included: pino's own serializers would run before and show a driver's fields.
    serializers: { err: (error: unknown): unknown => error },
    hooks: {
      // `log.warn(error)` would make the error's own words the message, which no formatter sees.
      logMethod(this: pino.Logger, [first, ...rest]: Parameters<pino.LogFn>, method: pino.LogFn) {
        if (typeof first === 'string') method.apply(this, [redactText(first)]);
        else if (first instanceof Error) method.apply(this, [{ error: first }, rest[0] ?? 'error']);
        else method.apply(this, [first, ...rest]);
      },
    },
    formatters: {
      log: (line: Record<string, unknown>): Record<string, unknown> => {
        const clean = redact(line);
        return isRecord(clean) ? clean : {};
      },
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
};
