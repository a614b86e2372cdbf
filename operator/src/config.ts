/** The environment and the command line, parsed once by main.ts. Every violation is reported together. */
import { parseArgs } from 'node:util';
import { z } from 'zod';

const environment = z.object({
  /** Empty: every namespace. */
  WATCH_NAMESPACE: z
    .string()
    .regex(/^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$/, 'must be a namespace name, or empty for all namespaces')
    .max(63)
    .default(''),
  POD_NAME: z.string().max(253).default('latchkey-operator'),
  POD_NAMESPACE: z.string().max(63).default('default'),
  LEASE_NAME: z.string().max(253).default('latchkey-operator'),
  ALERTS_TOKEN_FILE: z.string().max(4_096).default(''),
  NOTIFICATIONS_FILE: z.string().max(4_096).default(''),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  ACCEPT_UNGUARDED_APPROVALS: z.enum(['true', 'false']).default('false'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Config {
  readonly watchNamespace: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly leaseName: string;
  readonly port: number;
  readonly logLevel: string;
  /** Let a RolloutApproval count although the apiserver takes forged ones. */
  readonly acceptUnguarded: boolean;
  readonly kubeconfig: string | undefined;
  /** The channels of the notifications; undefined tells nobody. */
  readonly notificationsFile: string | undefined;
  /** The bearer token of Alertmanager; undefined takes no alerts. */
  readonly alertsTokenFile: string | undefined;
}

export type ConfigResult =
  | { readonly kind: 'run'; readonly config: Config }
  | { readonly kind: 'test-notifications'; readonly config: Config }
  | { readonly kind: 'help' }
  | { readonly kind: 'invalid'; readonly violations: readonly string[] };

export const HELP = `latchkey-operator: moves traffic to a new version along a schedule, and takes it back when the metrics say so.

usage: node operator.mjs [--kubeconfig FILE] [--test-notifications]

  --kubeconfig FILE      outside a cluster; without it: the pod's service account, or $KUBECONFIG, or ~/.kube/config
  --test-notifications   send a test message to each channel, say what came of it, and end; exit code 1 when one failed
  --help                 this text

environment:
  WATCH_NAMESPACE      the only namespace to watch; empty (default) watches all
  POD_NAME             this replica's name in the Lease and in Events
  POD_NAMESPACE        where the Lease lives (default: default)
  LEASE_NAME           the Lease's name (default: latchkey-operator)
  ALERTS_TOKEN_FILE    the bearer token for Alertmanager at /hooks/alertmanager; empty (default) takes no alerts
  NOTIFICATIONS_FILE   the channels to tell people by (docs/notifications.md); empty (default) tells nobody
  PORT                 serves /metrics, /livez, /readyz, /hooks/alertmanager, /rollouts (default: 8080)
  LOG_LEVEL            trace, debug, info, warn, error, fatal or silent (default: info)
  ACCEPT_UNGUARDED_APPROVALS   true: a RolloutApproval counts although the API server takes forged ones (default: false)
`;

export function parseConfig(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): ConfigResult {
  const violations: string[] = [];
  const flags = flagsOf(argv, violations);
  if (flags.help) return { kind: 'help' };
  const parsed = environment.safeParse(env);
  if (!parsed.success)
    violations.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  if (!parsed.success || violations.length > 0) return { kind: 'invalid', violations };
  const { WATCH_NAMESPACE, POD_NAME, POD_NAMESPACE, LEASE_NAME, PORT, LOG_LEVEL } = parsed.data;
  const { NOTIFICATIONS_FILE, ALERTS_TOKEN_FILE } = parsed.data;
  return {
    kind: flags['test-notifications'] === true ? 'test-notifications' : 'run',
    config: {
      watchNamespace: WATCH_NAMESPACE,
      podName: POD_NAME,
      podNamespace: POD_NAMESPACE,
      leaseName: LEASE_NAME,
      port: PORT,
      logLevel: LOG_LEVEL,
      acceptUnguarded: parsed.data.ACCEPT_UNGUARDED_APPROVALS === 'true',
      kubeconfig: flags.kubeconfig,
      notificationsFile: NOTIFICATIONS_FILE === '' ? undefined : NOTIFICATIONS_FILE,
      alertsTokenFile: ALERTS_TOKEN_FILE === '' ? undefined : ALERTS_TOKEN_FILE,
    },
  };
}

interface Flags {
  readonly kubeconfig?: string | undefined;
  readonly 'test-notifications'?: boolean | undefined;
  readonly help?: boolean | undefined;
}

function flagsOf(argv: readonly string[], violations: string[]): Flags {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        kubeconfig: { type: 'string' },
        'test-notifications': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    violations.push(error instanceof Error ? error.message : 'unreadable arguments');
    return {};
  }
}
