/**
 * The command line of the local cluster: `node k8s/local/cli.ts up|down|status|image|env`. People and CI call it; the demo
 * calls cluster.ts itself. Results go to stdout, progress and errors to stderr.
 */
import { parseArgs } from 'node:util';
import { type Cluster, clusterDown, clusterUp, readCluster } from './cluster.ts';
import { LocalClusterError, reasonOf } from './failure.ts';
import { buildImage } from './images.ts';
import { type Progress, progressTo, silentProgress } from './progress.ts';

const help = `usage: node k8s/local/cli.ts COMMAND [options]

  up       bring the cluster up; returns at once when it runs
  down     remove every process, mount, link, packet rule and file of it
  status   what runs, with the addresses
  env      lines for a shell: eval "$(node k8s/local/cli.ts env)"
  image    build an image and import it: image --file api/Dockerfile --tag latchkey/api:1.0.0 [CONTEXT]

  -o, --output json   print the result as JSON (up, status)
  --file PATH         image: the Dockerfile
  --tag NAME:TAG      image: its name
  --build-arg K=V     image: may be repeated
  -q, --quiet         no progress
  -h, --help

exit codes: 0 done, 1 failed, 2 wrong usage, 3 status or env: no cluster runs
`;

const exitCodes = { done: 0, failed: 1, usage: 2, notRunning: 3 } as const;

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      output: { type: 'string', short: 'o' },
      file: { type: 'string' },
      tag: { type: 'string' },
      'build-arg': { type: 'string', multiple: true },
      quiet: { type: 'boolean', short: 'q' },
      help: { type: 'boolean', short: 'h' },
    },
  });
}

type Parsed = ReturnType<typeof parse>;

/** Runs one command line and resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let parsed: Parsed;
  try {
    parsed = parse(args);
  } catch (error) {
    console.error(`${reasonOf(error)}\n\n${help}`);
    return exitCodes.usage;
  }
  const { output, quiet, help: wantsHelp } = parsed.values;
  if (wantsHelp === true) {
    console.log(help);
    return exitCodes.done;
  }
  if (output !== undefined && output !== 'json') {
    console.error(`-o knows json only, not ${output}`);
    return exitCodes.usage;
  }
  try {
    return await perform(parsed, quiet === true ? silentProgress : progressTo((line) => console.error(line)));
  } catch (error) {
    if (!(error instanceof LocalClusterError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    return exitCodes.failed;
  }
}

async function perform(parsed: Parsed, progress: Progress): Promise<number> {
  const asJson = parsed.values.output === 'json';
  const [command, context] = parsed.positionals;
  switch (command) {
    case 'up':
      return report(await clusterUp({ progress }), asJson);
    case 'down':
      await clusterDown({ progress });
      return exitCodes.done;
    case 'status':
      return report(readCluster(), asJson);
    case 'env':
      return printEnvironment(readCluster());
    case 'image':
      return await build(parsed, context ?? '.');
    case undefined:
    default:
      console.error(help);
      return exitCodes.usage;
  }
}

function report(cluster: Cluster | undefined, asJson: boolean): number {
  if (asJson) console.log(JSON.stringify(cluster ?? null, null, 2));
  else console.log(cluster === undefined ? 'no cluster runs here' : describe(cluster));
  return cluster === undefined ? exitCodes.notRunning : exitCodes.done;
}

function describe(cluster: Cluster): string {
  const lines = [
    ['gateway', cluster.gatewayUrl],
    ['Prometheus', cluster.prometheusUrl],
    ['kubectl', `${cluster.kubectl} --kubeconfig ${cluster.kubeconfig}`],
    ['running', Object.keys(cluster.pids).join(', ')],
  ];
  return lines.map(([title = '', text]) => `${title.padEnd(11)}${text}`).join('\n');
}

function printEnvironment(cluster: Cluster | undefined): number {
  if (cluster === undefined) {
    console.error('no cluster runs here: node k8s/local/cli.ts up');
    return exitCodes.notRunning;
  }
  const { kubeconfig, gatewayUrl, prometheusUrl, postgresUrl, redisUrl } = cluster;
  const variables = { KUBECONFIG: kubeconfig, GATEWAY_URL: gatewayUrl, PROMETHEUS_URL: prometheusUrl };
  for (const [name, value] of Object.entries({ ...variables, POSTGRES_URL: postgresUrl, REDIS_URL: redisUrl })) {
    console.log(`export ${name}='${value}'`);
  }
  return exitCodes.done;
}

async function build({ values }: Parsed, context: string): Promise<number> {
  const { file, tag } = values;
  if (file === undefined || tag === undefined) {
    console.error(`image needs --file and --tag\n\n${help}`);
    return exitCodes.usage;
  }
  const pairs = (values['build-arg'] ?? []).map((text): [string, string] => {
    const at = text.indexOf('=');
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  });
  console.log(await buildImage({ dockerfile: file, context, tag, buildArgs: Object.fromEntries(pairs) }));
  return exitCodes.done;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
