/**
 * `latchkey completion bash|zsh|fish`: a script for each shell, and the words that it offers. The scripts ask the program itself (`__complete`), so
 * they never know less than it does.
 */
import { type Command, command, type Options, verbOf } from './command.ts';
import type { Entry } from './commands.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

const HELP = `Usage: latchkey completion bash|zsh|fish

Prints a script that completes commands, sub-commands and options:

  source <(latchkey completion bash)
  latchkey completion zsh > "\${fpath[1]}/_latchkey"
  latchkey completion fish > ~/.config/fish/completions/latchkey.fish

Options
  -h, --help      this text

Exit codes: 0 done, 2 wrong usage
`;

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `_latchkey() {
  local IFS=$'\\n'
  COMPREPLY=($(latchkey __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _latchkey latchkey`,
  zsh: `#compdef latchkey
_latchkey() {
  local -a found
  found=("\${(@f)$(latchkey __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _latchkey latchkey`,
  fish: `function __latchkey
  set -l words (commandline -opc) (commandline -ct)
  latchkey __complete $words[2..-1] 2>/dev/null
end
complete -c latchkey -a '(__latchkey)'`,
};

export const completion = command({
  name: 'completion',
  help: HELP,
  verbs: SHELLS,
  options: {},
  work: async ({ operands }) => {
    const script = SCRIPTS[verbOf(SHELLS, operands[0])];
    return { data: script, text: script, isGood: true };
  },
});

const namesOf = (options: Options): readonly string[] =>
  Object.entries(options).flatMap(([name, { short }]) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]);

/** The option whose value comes next, if the word before is one that takes one. */
const pendingOption = (word: string | undefined, options: Options): string | undefined =>
  Object.entries(options).find(
    ([name, { type, short }]) => type === 'string' && (word === `--${name}` || word === `-${short}`),
  )?.[0];

const candidatesOf = ({ verbs, options }: Command, words: readonly string[], typed: string): readonly string[] => {
  const pending = pendingOption(words.at(-1), options);
  if (pending !== undefined) return options[pending]?.values ?? [];
  if (typed.startsWith('-')) return namesOf(options);
  return words.some((word) => verbs.includes(word)) ? [] : verbs;
};

/** What the last word may become, given those before it. */
export const complete = async (line: readonly string[], entries: readonly Entry[]): Promise<readonly string[]> => {
  const typed = line.at(-1) ?? '';
  const [name, ...words] = line.slice(0, -1);
  const entry = entries.find((one) => one.name === name);
  const all =
    name === undefined
      ? entries.map((one) => one.name)
      : entry === undefined
        ? []
        : candidatesOf(await entry.load(), words, typed);
  return all.filter((candidate) => candidate.startsWith(typed));
};
