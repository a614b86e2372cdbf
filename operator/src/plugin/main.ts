/**
 * `kubectl authrollout`: what a rollout does, in words and figures, and the few things that a person may do to it. The entry: options, then the
 * user's kubeconfig, then the command; every error ends here as a sentence that says what to do.
 */
import { KubeConfig } from '@kubernetes/client-node';
import { type ApiError, type ApiErrorCode, isApiError } from '../clients/api-error.ts';
import { Transport } from '../clients/transport.ts';
import { Cluster } from './cluster.ts';
import { CommandError, type Terminal } from './command.ts';
import { runCommand } from './commands.ts';
import { candidates, type Place } from './completion.ts';
import { EXIT } from './conclusion.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { Rollouts } from './rollouts.ts';
import { UsageError } from './usage-error.ts';

/** Runs one command line and resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  if (args[0] === COMPLETE) return await complete(args.slice(1));
  let options: Options | undefined;
  try {
    options = parseOptions(args);
    if (options === undefined) {
      console.log(HELP);
      return EXIT.done;
    }
    const kubeConfig = configOf(options);
    const namespace = namespaceOf(options, kubeConfig);
    const transport = new Transport(kubeConfig);
    const rollouts = new Rollouts(transport);
    return await runCommand({ rollouts, cluster: new Cluster(transport), options, namespace, terminal: terminal() });
  } catch (error) {
    console.error(`error: ${sentence(error, options)}`);
    if (error instanceof UsageError) console.error('\nkubectl authrollout --help shows the commands and their options');
    return error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}

/** What the scripts of completion.ts and kubectl call. */
const COMPLETE = '__complete';

/** A half-written line must not print errors into it: what cannot be found is not offered. */
async function complete(words: readonly string[]): Promise<number> {
  const namesIn = async (place: Place): Promise<readonly string[]> => {
    const kubeConfig = configOf(place);
    const rollouts = await new Rollouts(new Transport(kubeConfig)).list(namespaceOf(place, kubeConfig));
    return rollouts.map(({ name }) => name);
  };
  const found = await candidates(words, namesIn).catch(() => []);
  if (found.length > 0) console.log(found.join('\n'));
  return EXIT.done;
}

function namespaceOf({ namespace }: Place, kubeConfig: KubeConfig): string {
  return namespace ?? kubeConfig.getContextObject(kubeConfig.getCurrentContext())?.namespace ?? 'default';
}

function configOf({ kubeconfig, context }: Place): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (cause) {
    throw new CommandError(`${kubeconfig ?? 'the kubeconfig'} cannot be read: ${messageOf(cause)}`);
  }
  if (context === undefined) return config;
  if (config.getContextObject(context) === null) {
    const known = config.getContexts().map(({ name }) => name);
    throw new CommandError(`no context ${context} in the kubeconfig: it has ${known.join(', ') || 'none'}`);
  }
  config.setCurrentContext(context);
  return config;
}

function terminal(): Terminal {
  const isInteractive = process.stdout.isTTY;
  return {
    isInteractive,
    columns: isInteractive ? process.stdout.columns : 200,
    hasColour: isInteractive && process.env['NO_COLOR'] === undefined,
    write: (text) => process.stdout.write(text),
    note: (text) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
    },
    nowMs: () => Date.now(),
  };
}

function sentence(error: unknown, options: Options | undefined): string {
  return isApiError(error) ? apiSentence(error, options) : messageOf(error);
}

function apiSentence({ code, message }: ApiError, options: Options | undefined): string {
  const name = options?.name ?? '';
  if (code === 'ERR_API_NOT_FOUND' && name === '')
    return 'this cluster knows no AuthRollout: install charts/latchkey-operator, which brings the CRD';
  return ADVICE[code]?.(name, message) ?? message;
}

/** What to do about it, where there is more to say than the apiserver does. */
const ADVICE: Readonly<Partial<Record<ApiErrorCode, (name: string, message: string) => string>>> = {
  ERR_API_NOT_FOUND: (name, message) =>
    `no AuthRollout ${name} there: kubectl authrollout list -A shows all of them (${message})`,
  ERR_API_FORBIDDEN: (_name, message) =>
    `not allowed: ${message}. Ask for the verbs get, list and, to change one, patch on authrollouts.latchkey.dev`,
  ERR_API_CONFLICT: (name) => `${name} has changed meanwhile, nothing was written: look at its status and try again`,
  ERR_API_UNREACHABLE: (_name, message) => unanswered(message),
  ERR_API_DEADLINE: (_name, message) => unanswered(message),
};

function unanswered(message: string): string {
  return `the API server does not answer (${message}): is the context right? --context names another`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
