/** The process: configuration, service, signal, drain, exit. `node api/src/main.ts`; dev.ts is the same with everything it needs brought along. */
import './thread-pool.ts';
import type { RequestHandler } from 'express';
import { ConfigError, readConfig } from './config.ts';
import { untilSignal } from './lifetime.ts';
import { createLog } from './log.ts';
import { startService } from './service.ts';

export interface ServeOptions {
  /** Stands between the guard and the routes (app.ts): fault images use it. */
  readonly beforeRoutes?: RequestHandler;
}

/** @throws ConfigError before anything is opened. */
export const serve = async (env: NodeJS.ProcessEnv, options: ServeOptions = {}): Promise<void> => {
  const { config, secrets } = readConfig(env);
  const log = createLog(config.logLevel, env['APP_VERSION']);
  const stopAsked = untilSignal(); // a SIGTERM while we start is a SIGTERM too
  const service = await startService({ config, secrets, log, ...options });
  const signal = await stopAsked;
  log.info({ signal }, 'stopping');
  await service.stop();
  log.info('stopped');
};

/** Serves until a signal, then exits 0; exits 1 with one line a violation when the configuration is wrong. */
export const run = async (options: ServeOptions = {}): Promise<void> => {
  try {
    await serve(process.env, options);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const violation of error.violations) console.error(`config: ${violation}`);
    process.exit(1);
  }
};

if (import.meta.main) await run();
