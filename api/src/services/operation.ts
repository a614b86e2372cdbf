/** What operators and auditors need, put together: the audit chain and its pages, the list of errors. Called by service.ts. */
import type { Config, Secrets } from '../config.ts';
import { createAuditKeys } from '../crypto/audit-keys.ts';
import type { Database } from '../db/database.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { startAuditSealing } from './audit-sealing.ts';
import { AuditTrail } from './audit-trail.ts';
import { ErrorTracker } from './error-tracking.ts';

export interface OperationDeps {
  readonly config: Config;
  readonly secrets: Pick<Secrets, 'auditKeys'>;
  readonly database: Database;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly nowMs: () => number;
}

export interface Operation {
  readonly auditTrail: AuditTrail;
  readonly errorTracker: ErrorTracker;
  /** Begins the background work; returns the function that ends it. */
  start(): () => Promise<void>;
}

export const createOperation = (deps: OperationDeps): Operation => {
  const { config, secrets, database } = deps;
  const errorTracker = new ErrorTracker(deps);
  return {
    auditTrail: new AuditTrail(database),
    errorTracker,
    start: () => {
      const stops = [
        startAuditSealing({ ...config, ...deps, keys: createAuditKeys(secrets.auditKeys) }),
        errorTracker.start(),
      ];
      return async () => {
        await Promise.all(stops.map((stop) => stop()));
      };
    },
  };
};
