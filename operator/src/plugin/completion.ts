/**
 * Completion of the command line: a script for each shell, and the words that it offers. The scripts ask the plugin itself (`__complete`), so
 * they never know less than it does; so does kubectl, through bin/kubectl_complete-authrollout. Called by main.ts.
 */
import { COMMANDS, type Command, OPTIONS, SHELLS } from './options.ts';

const BASH = `_kubectl_authrollout() {
  local IFS=$'\\n'
  COMPREPLY=($(kubectl-authrollout __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _kubectl_authrollout kubectl-authrollout`;

const ZSH = `#compdef kubectl-authrollout
_kubectl_authrollout() {
  local -a found
  found=("\${(@f)$(kubectl-authrollout __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _kubectl_authrollout kubectl-authrollout`;

const FISH = `function __kubectl_authrollout
  set -l words (commandline -opc) (commandline -ct)
  kubectl-authrollout __complete $words[2..-1] 2>/dev/null
end
complete -c kubectl-authrollout -a '(__kubectl_authrollout)'`;

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export function completionScript(shell: string): string | undefined {
  const known = SHELLS.find((one) => one === shell);
  return known === undefined ? undefined : SCRIPTS[known];
}

/** Where names are looked for, as far as the line says it. */
export interface Place {
  readonly namespace: string | undefined;
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
}

/** Options that mean something to a few commands only; every other one is offered everywhere. */
const ONLY_FOR: Readonly<Record<string, readonly Command[]>> = {
  'all-namespaces': ['list'],
  watch: ['status'],
  as: ['approve', 'refuse'],
  checkpoint: ['approve', 'refuse'],
  reason: ['approve', 'refuse', 'complain'],
  count: ['complain'],
  'valid-for': ['approve', 'refuse'],
  file: ['plan', 'verify', 'replay', 'diff'],
  policy: ['replay'],
  range: ['replay'],
  from: ['replay'],
  to: ['replay'],
  prometheus: ['replay'],
  'requests-per-second': ['plan'],
  failing: ['plan'],
  operator: ['plan'],
  'dry-run': ['approve', 'refuse', 'complain', 'pause', 'resume', 'abort', 'set-weight', 'retry'],
};

const VALUES: Readonly<Record<string, readonly string[]>> = {
  output: ['text', 'json'],
  as: ['on-call', 'team-lead'],
};

const NAMELESS: ReadonlySet<string> = new Set<Command>(['list', 'diff', 'completion']);

/**
 * What may stand for the last of these words.
 * @param words the line behind `kubectl authrollout`; the last one is what is being typed, perhaps empty
 * @param namesIn the AuthRollouts there
 */
export async function candidates(
  words: readonly string[],
  namesIn: (place: Place) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const typed = words.at(-1) ?? '';
  const line = readLine(words.slice(0, -1));
  const offered = await offeredFor(typed, line, namesIn);
  return offered.filter((word) => word.startsWith(typed));
}

async function offeredFor(
  typed: string,
  { pending, positionals, values }: Line,
  namesIn: (place: Place) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (pending !== undefined) return VALUES[pending] ?? [];
  const command = COMMANDS.find((known) => known === positionals[0]);
  if (typed.startsWith('-')) return optionsOf(command);
  if (command === undefined) return positionals.length === 0 ? COMMANDS : [];
  if (positionals.length > 1) return [];
  if (command === 'completion') return SHELLS;
  if (NAMELESS.has(command)) return [];
  return await namesIn({
    namespace: values['namespace'],
    context: values['context'],
    kubeconfig: values['kubeconfig'],
  });
}

function optionsOf(command: Command | undefined): readonly string[] {
  return Object.entries(OPTIONS)
    .filter(([name]) => command === undefined || (ONLY_FOR[name]?.includes(command) ?? true))
    .flatMap(([name, option]) => [`--${name}`, ...('short' in option ? [`-${option.short}`] : [])]);
}

interface Line {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, string>>;
  /** The option whose value is being typed. */
  readonly pending: string | undefined;
}

/** A half-written line has no errors: what cannot be read is passed over. */
function readLine(words: readonly string[]): Line {
  const positionals: string[] = [];
  const values: Record<string, string> = {};
  let pending: string | undefined;
  for (const word of words) {
    if (pending !== undefined) {
      values[pending] = word;
      pending = undefined;
    } else if (!word.startsWith('-')) positionals.push(word);
    else {
      const [flag = '', value] = word.split('=', 2);
      const found = Object.entries(OPTIONS).find(
        ([name, option]) => flag === `--${name}` || ('short' in option && flag === `-${option.short}`),
      );
      if (found?.[1].type !== 'string') continue;
      if (value === undefined) pending = found[0];
      else values[found[0]] = value;
    }
  }
  return { positionals, values, pending };
}
