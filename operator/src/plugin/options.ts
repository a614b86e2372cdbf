/** What the command line asks for. Called by main.ts first; commands.ts reads the result. */
import { parseArgs } from 'node:util';
import { APPROVAL_LIMITS, type ApprovalRole } from '../core/approval-schema.ts';
import { COMPLAINT_LIMITS } from '../core/complaint-schema.ts';
import { DURATION_PATTERN, durationToMs } from '../core/duration.ts';
import { type RangeRequest, rangeOf, withSpans } from './range-options.ts';
import { UsageError } from './usage-error.ts';

export const HELP = `usage: kubectl authrollout COMMAND [NAME] [options]

  list              every AuthRollout with its step, weight and what it waits for
  status NAME       steps, figures against thresholds, decisions, next check; --watch keeps drawing until the run has ended
  history NAME      the newest decisions, oldest first
  plan [NAME] [-f FILE] what it would do: times, requests, what it can notice, the route's change, rights, queries;
                    of a manifest that nobody has applied, or of one that runs; changes nothing
  approve NAME      open the way up that a P1 or P2 has closed, or say yes to a --checkpoint; needs --as and --reason
  refuse NAME       say no to a --checkpoint: the step is not entered; needs --as and --reason
  complain NAME     report what users say of the version that runs; counts like the API's own complaints; needs --reason
  pause NAME        hold every way up; taking traffic away is never paused
  resume NAME       undo pause
  abort NAME        weight 0 at once, pods kept, until retry
  set-weight NAME N lower the weight to N %, at once, and keep it there until retry
  retry NAME        take back abort or set-weight, or say what else is in the way
  records NAME      every decision that the cluster keeps, with its inputs, as JSON lines
  verify NAME       check the hash chain of those decisions and make each one again; -f checks a file, both compare
  replay NAME       what another policy (--policy) would have decided on the same records, or with --range on what
                    Prometheus remembers: times, figures that crossed, beside what was really decided
  diff OLD NEW [NAME]  the figures in which two policies differ, and with NAME or -f the decisions
  completion SHELL  a script that completes commands, options and names: bash, zsh or fish

  -n, --namespace NS    default: the context's
  -A, --all-namespaces  list: of every namespace
      --context NAME    default: the kubeconfig's current one
      --kubeconfig FILE default: KUBECONFIG, or ~/.kube/config
  -o, --output FORMAT   text (default) or json
  -w, --watch           status: until promoted (exit 0) or taken back (exit 3)
      --as ROLE         approve, refuse: on-call or team-lead, as status says
      --checkpoint NAME approve, refuse: the go or no-go that status asks for
      --reason TEXT     approve, refuse, complain: why, at most 512 characters; kept in the object
      --count N         complain: how many users, at most 100 (default: 1)
      --valid-for TIME  approve, refuse: until when it counts, at most 24h (default: 1h)
  -f, --file FILE       plan: the manifest; verify, replay, diff: a file of the operator's JSON lines; - is standard input
      --policy FILE     replay: an AuthRollout, or only spec.matrix, spec.schedule, … of one
      --range           replay: over Prometheus, the newest run from its start to its end, or now
      --from TIME, --to TIME  replay: over Prometheus between these; 2026-03-04T12:00:00Z, -2h or now
      --prometheus URL  replay: over this Prometheus, asked directly (default: the rollout's, as plan reaches it)
      --requests-per-second N  plan: reckon with these instead of asking Prometheus
      --failing PERCENT plan: how much of the answers fails in the worst case (default: 50)
      --operator NS/NAME plan: the operator's service account (default: latchkey-system/latchkey-operator)
      --dry-run         commands that change something: let the API server check it and change nothing
  -h, --help

exit codes: 0 done, and status, retry: runs or is promoted; 1 failed; 2 wrong usage; 3 status, retry: taken back;
4 status, retry: waits for a person`;

export const COMMANDS = [
  'list',
  'status',
  'history',
  'approve',
  'refuse',
  'complain',
  'pause',
  'resume',
  'abort',
  'set-weight',
  'retry',
  'records',
  'verify',
  'replay',
  'diff',
  'plan',
  'completion',
] as const;
export type Command = (typeof COMMANDS)[number];

/** For which completion has a script. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export interface Options {
  readonly command: Command;
  /** Given for every command but list; empty where a file names the rollouts. */
  readonly name: string;
  readonly namespace: string | undefined;
  readonly allNamespaces: boolean;
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly output: 'text' | 'json';
  readonly watch: boolean;
  readonly dryRun: boolean;
  readonly file: string | undefined;
  /** Files: the one of replay, the two of diff. */
  readonly policies: readonly string[];
  readonly role: ApprovalRole | undefined;
  readonly checkpoint: string | undefined;
  readonly reason: string | undefined;
  readonly validForMs: number;
  /** Of complain. */
  readonly count: number;
  /** Of replay, when it shall ask Prometheus. */
  readonly range: RangeRequest | undefined;
  /** Given for set-weight. */
  readonly weight: number | undefined;
  /** Of plan, as the following are. */
  readonly requestsPerSecond: number | undefined;
  /** A share, 0–1. */
  readonly failing: number;
  /** namespace/name of a service account. */
  readonly operator: string;
}

/** @returns undefined when only the help was asked for. @throws {UsageError} */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parsed(args);
  if (values.help === true || positionals[0] === 'help') return undefined;
  const [word, ...operands] = positionals;
  const command = COMMANDS.find((known) => known === word);
  if (command === undefined) {
    throw new UsageError(
      `${word === undefined ? 'no command' : `no command ${word}`}: use one of ${COMMANDS.join(', ')}`,
    );
  }
  const [name, ...others] = command === 'diff' ? operands.slice(2) : operands;
  const [number, ...rest] = command === 'set-weight' ? others : [undefined, ...others];
  if (rest.length > 0) throw new UsageError(`one name at a time: ${rest.join(' ')} is too much`);
  const range = command === 'replay' ? rangeOf(values) : undefined;
  if ((range !== undefined || needsName(command, values.file)) && name === undefined)
    throw new UsageError(`${command}: name an AuthRollout`);
  if (command === 'completion' && !SHELLS.some((shell) => shell === name)) {
    throw new UsageError(`completion: name a shell, one of ${SHELLS.join(', ')}`);
  }
  if (command === 'list' && name !== undefined) throw new UsageError(`list takes no name: use status ${name}`);
  return {
    command,
    name: name ?? '',
    namespace: values.namespace,
    allNamespaces: values['all-namespaces'] === true,
    context: values.context,
    kubeconfig: values.kubeconfig,
    output: outputOf(values.output),
    watch: values.watch === true,
    dryRun: values['dry-run'] === true,
    weight: command === 'set-weight' ? weightOf(number) : undefined,
    file: values.file,
    range,
    policies: policiesOf(command, operands, values.policy),
    ...plannedOf(values),
    count: command === 'complain' ? countOf(values.count) : 1,
    ...(SAYS.has(command) ? approvalOf(command, values) : { role: undefined, checkpoint: undefined, validForMs: 0 }),
    reason: SAYS.has(command) || command === 'complain' ? reasonOf(command, values.reason) : undefined,
  };
}

/** What node's parser reads, and what completion.ts offers. */
export const OPTIONS = {
  namespace: { type: 'string', short: 'n' },
  'all-namespaces': { type: 'boolean', short: 'A' },
  context: { type: 'string' },
  kubeconfig: { type: 'string' },
  output: { type: 'string', short: 'o', default: 'text' },
  watch: { type: 'boolean', short: 'w' },
  as: { type: 'string' },
  checkpoint: { type: 'string' },
  reason: { type: 'string' },
  count: { type: 'string', default: '1' },
  'valid-for': { type: 'string', default: '1h' },
  file: { type: 'string', short: 'f' },
  policy: { type: 'string' },
  range: { type: 'boolean' },
  from: { type: 'string' },
  to: { type: 'string' },
  prometheus: { type: 'string' },
  'dry-run': { type: 'boolean' },
  'requests-per-second': { type: 'string' },
  failing: { type: 'string', default: '50' },
  operator: { type: 'string', default: 'latchkey-system/latchkey-operator' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: withSpans(args),
      allowPositionals: true,
      options: OPTIONS,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Records and a manifest in a file name their rollouts themselves, and two policies can be compared without any. */
function needsName(command: Command, file: string | undefined): boolean {
  if (command === 'verify' || command === 'replay' || command === 'plan') return file === undefined;
  return command !== 'list' && command !== 'diff' && command !== 'completion';
}

function policiesOf(command: Command, operands: readonly string[], policy: string | undefined): readonly string[] {
  if (command === 'replay' && policy === undefined)
    throw new UsageError('replay: name the other policy, --policy FILE');
  if (command === 'diff' && operands.length < 2)
    throw new UsageError('diff: name two policies, diff OLD.yaml NEW.yaml');
  return command === 'diff' ? operands.slice(0, 2) : policy === undefined ? [] : [policy];
}

function weightOf(text: string | undefined): number {
  if (text !== undefined && /^(100|[0-9]{1,2})$/.test(text)) return Number(text);
  throw new UsageError('set-weight: name the weight after the AuthRollout, a whole number of percent from 0 to 99');
}

function plannedOf(values: {
  readonly 'requests-per-second'?: string | undefined;
  readonly failing: string;
  readonly operator: string;
}): Pick<Options, 'requestsPerSecond' | 'failing' | 'operator'> {
  const { 'requests-per-second': rate, failing, operator } = values;
  const requestsPerSecond = rate === undefined ? undefined : Number(rate);
  if (requestsPerSecond !== undefined && !(requestsPerSecond > 0 && Number.isFinite(requestsPerSecond))) {
    throw new UsageError(`--requests-per-second ${rate}: write a number above 0`);
  }
  const percent = Number(failing);
  if (!(percent > 0 && percent <= 100))
    throw new UsageError(`--failing ${failing}: write a percentage above 0, up to 100`);
  if (!/^[a-z0-9-]+[/][a-z0-9.-]+$/.test(operator)) {
    throw new UsageError(`--operator ${operator}: write its service account as NAMESPACE/NAME`);
  }
  return { requestsPerSecond, failing: percent / 100, operator };
}

function outputOf(text: string): 'text' | 'json' {
  if (text === 'text' || text === 'json') return text;
  throw new UsageError(`--output ${text}: use text or json`);
}

function reasonOf(command: Command, reason = ''): string {
  if (reason === '') throw new UsageError(`${command}: say why with --reason "…"`);
  const most = APPROVAL_LIMITS.reason;
  if (reason.length > most) throw new UsageError(`--reason: ${reason.length} characters, at most ${most}`);
  if (!/^\P{Cc}*$/u.test(reason)) throw new UsageError('--reason: write one line');
  return reason;
}

function countOf(text: string): number {
  const count = Number(text);
  if (/^[0-9]+$/.test(text) && count >= 1 && count <= COMPLAINT_LIMITS.count) return count;
  throw new UsageError(`--count ${text}: write how many users complain, 1 to ${COMPLAINT_LIMITS.count}`);
}

/** Commands that make a RolloutApproval. */
const SAYS: ReadonlySet<Command> = new Set<Command>(['approve', 'refuse']);

function approvalOf(
  command: Command,
  values: {
    readonly as?: string | undefined;
    readonly checkpoint?: string | undefined;
    readonly 'valid-for': string;
  },
): Pick<Options, 'role' | 'checkpoint' | 'validForMs'> {
  const { as: role, checkpoint, 'valid-for': validFor } = values;
  if (role !== 'on-call' && role !== 'team-lead')
    throw new UsageError(`${command}: say --as on-call or --as team-lead`);
  if (command === 'refuse' && checkpoint === undefined)
    throw new UsageError('refuse: name what you say no to, --checkpoint NAME; pause or abort stops a rollout anywhere');
  const validForMs = durationToMs(validFor);
  if (!DURATION_PATTERN.test(validFor) || validForMs === 0 || validForMs > APPROVAL_LIMITS.validForMs) {
    throw new UsageError(`--valid-for ${validFor}: write a duration such as 30m or 1h, at most 24h`);
  }
  return { role, checkpoint, validForMs };
}
