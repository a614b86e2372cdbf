// What the demo was asked for on its command line. Called by demo.ts first; place.ts and demo.ts read the result.
import { parseArgs } from 'node:util';

export interface DemoOptions {
  readonly help: boolean;
  readonly keep: boolean;
  readonly pace: number;
  readonly json: string | undefined;
  readonly context: ContextOptions | undefined;
}

/** What the user's own cluster cannot be asked for, so the user says it. */
export interface ContextOptions {
  readonly name: string;
  readonly gateway: string | undefined;
  readonly gatewayUrl: string | undefined;
  readonly prometheus: string | undefined;
  readonly postgres: string | undefined;
  readonly redis: string | undefined;
  readonly build: boolean;
}

export const help = `npm run demo -- [options]

Brings up a real one-node Kubernetes on this machine, installs Latchkey with Helm, sends steady traffic through the
gateway and shows two rollouts: a healthy one that is promoted, and a sick one that is taken back by the P0 rule.
Ends with a report; exit code 0 only if every claim in it holds.

  --pace N       multiply every hold and check interval (default 1: an hour of the runbook is about ten seconds)
  --json FILE    write the report as JSON too
  --keep         leave everything running and print how to explore it (npm run demo:down removes it)
  --help         this text

On your own cluster (kind, k3d, minikube or a real one) instead:

  --context NAME           a context of your kubeconfig; namespaces auth and latchkey-system are made there
  --gateway NAMESPACE/NAME a Gateway API Gateway that HTTPRoutes of the namespace auth may attach to
  --gateway-url URL        that Gateway as this machine reaches it
  --prometheus URL         a Prometheus as pods reach it; it must scrape pods annotated prometheus.io/scrape every
                           second or two and label their series with namespace and pod
  --postgres URL           a PostgreSQL as pods and this machine reach it, with a role that may create roles and databases
  --redis URL              optional: a Redis as pods reach it
  --no-build               the images are already in the cluster; without it Docker builds them and kind, k3d or minikube
                           (by the context's name) loads them`;

/** @throws TypeError for an unknown option, with a sentence that names it; RangeError for a pace that is no number above 0 */
export function parseOptions(argv: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      pace: { type: 'string', default: '1' },
      json: { type: 'string' },
      context: { type: 'string' },
      gateway: { type: 'string' },
      'gateway-url': { type: 'string' },
      prometheus: { type: 'string' },
      postgres: { type: 'string' },
      redis: { type: 'string' },
      'no-build': { type: 'boolean', default: false },
    },
  });
  const pace = Number(values.pace);
  if (!(pace > 0)) throw new RangeError(`--pace ${values.pace}: give a number above 0, such as 2 for half the speed.`);
  return { help: values.help, keep: values.keep, pace, json: values.json, context: contextOf(values) };
}

interface ContextFlags {
  readonly context?: string | undefined;
  readonly gateway?: string | undefined;
  readonly 'gateway-url'?: string | undefined;
  readonly prometheus?: string | undefined;
  readonly postgres?: string | undefined;
  readonly redis?: string | undefined;
  readonly 'no-build': boolean;
}

function contextOf(flags: ContextFlags): ContextOptions | undefined {
  if (flags.context === undefined) return undefined;
  return {
    name: flags.context,
    gateway: flags.gateway,
    gatewayUrl: flags['gateway-url'],
    prometheus: flags.prometheus,
    postgres: flags.postgres,
    redis: flags.redis,
    build: !flags['no-build'],
  };
}
