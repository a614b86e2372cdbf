/** The runbook's switches: whether authentication is on, for whom, and whether the service is closed for maintenance. Part of config.ts. */
import { z } from 'zod';
import { flag, integer, url, variable } from './variable.ts';

export const modeVariables = {
  AUTH_FEATURE_FLAG_ENABLED: variable(flag.default(true), 'true', 'Whether authentication is rolled out at all.'),
  AUTH_ROLLOUT_PERCENTAGE: variable(
    integer(0, 100).default(100),
    '100',
    'How many percent of the users have it. A flag `auth_rollout` in the database replaces it.',
  ),
  AUTH_ROLLOUT_URL: variable(
    z.union([z.literal(''), url(['http:', 'https:'])]).default(''),
    'http://latchkey-operator-metrics.latchkey-system:8080/rollouts/auth/auth-api/percentage',
    'Where the operator says how many percent of the users the rollout has reached. Asked once a second, it replaces `AUTH_ROLLOUT_PERCENTAGE`, which holds until the first answer. Empty: nobody is asked.',
  ),
  DISABLE_AUTH: variable(flag.default(false), 'false', 'Switches authentication off: its endpoints answer 503.'),
  MAINTENANCE_MODE: variable(
    flag.default(false),
    'false',
    'Closes the service for maintenance: everything but probes answers 503.',
  ),
};

const parsed = z.object(modeVariables);
type ModeEnvironment = z.infer<typeof parsed>;

export interface ModeConfig {
  readonly isFeatureEnabled: boolean;
  readonly rolloutPercentage: number;
  readonly rolloutUrl: string | undefined;
  readonly isAuthDisabled: boolean;
  readonly isInMaintenance: boolean;
}

export const readModes = (env: ModeEnvironment): ModeConfig => ({
  isFeatureEnabled: env.AUTH_FEATURE_FLAG_ENABLED,
  rolloutPercentage: env.AUTH_ROLLOUT_PERCENTAGE,
  rolloutUrl: env.AUTH_ROLLOUT_URL === '' ? undefined : env.AUTH_ROLLOUT_URL,
  isAuthDisabled: env.DISABLE_AUTH,
  isInMaintenance: env.MAINTENANCE_MODE,
});
