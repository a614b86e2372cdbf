/** What the pages of the documentation show as code. Called by page-runs.ts, which says how each command is run, and by tests of single pages. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** `console`: a `$ ` line; `sh`: a whole block; `inline`: code within a sentence that begins with the name of a program. */
export type Kind = 'console' | 'sh' | 'promql' | 'sql' | 'inline';

export interface PageCommand {
  /** From the root of the repository. */
  readonly page: string;
  readonly line: number;
  readonly kind: Kind;
  /** As it is typed: without `$ ` and without the remark behind it. */
  readonly text: string;
  /** What the page shows that it says; empty where it shows nothing. */
  readonly output: string;
}

const BLOCK = /^```(\w*)\n([\s\S]*?)^```/gm;
const PROGRAMS = [
  'kubectl',
  'kubectl-authrollout',
  'helm',
  'latchkey',
  'npm',
  'node',
  'docker',
  'curl',
  'openssl',
  'k6',
];
const INLINE = new RegExp(`\`((?:${PROGRAMS.join('|')}) [^\`]+)\``, 'g');

/** The code blocks of this language, in their order; of `console` the commands without their prompt. */
export const blocksOf = (page: string, language: 'console' | 'sql' | 'yaml'): readonly string[] =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(BLOCK)]
    .filter(([, of]) => of === language)
    .map(([, , code = '']) => (language === 'console' ? code.replaceAll(/^\$ /gm, '') : code));

/** Decisions are history, and nobody types along with them. */
const isInstruction = (page: string): boolean => !/^(docs\/adr\/|test\/|CHANGELOG)/.test(page);

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

const withoutRemark = (text: string): string => text.replace(/ +#.*$/, '').trimEnd();

/** Words as a shell would make them, as far as the pages go: quotes, and nothing behind a pipe or a redirection. */
export const wordsOf = (line: string): readonly string[] =>
  [...(line.split(/ [|>] /, 1)[0] ?? '').matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, a, b, c]) => a ?? b ?? c ?? '',
  );

/** A here-document belongs to its command; everything else up to the next `$ ` is what the command says. */
const typedIn = (part: string): Pick<PageCommand, 'text' | 'output'> => {
  const lines = part.replace(/^\$ /, '').trimEnd().split('\n');
  const word = /<<(\w+)$/.exec(lines[0] ?? '')?.[1];
  const end = word === undefined ? 1 : lines.indexOf(word) + 1;
  const [first = '', ...rest] = lines.slice(0, end);
  return { text: [withoutRemark(first), ...rest].join('\n'), output: lines.slice(end).join('\n') };
};

const commandsOfBlock = (
  language: string,
  block: string,
): readonly (Pick<PageCommand, 'kind' | 'text' | 'output'> & { offset: number })[] => {
  if (language === 'sh' || language === 'promql' || language === 'sql')
    return [{ kind: language, text: block.trimEnd(), output: '', offset: 0 }];
  const parts = language === 'console' || language === '' ? block.split(/^(?=\$ )/m) : [];
  let offset = 0;
  return parts.flatMap((part) => {
    const at = offset;
    offset += part.length;
    return part.startsWith('$ ') ? [{ kind: 'console' as const, ...typedIn(part), offset: at }] : [];
  });
};

/** Every command of one page, in its order. */
export const commandsIn = (page: string, text: string): readonly PageCommand[] => {
  const shown = [...text.matchAll(BLOCK)].flatMap(({ 1: language = '', 2: block = '', 0: whole, index }) =>
    commandsOfBlock(language, block).map(({ offset, ...command }) => ({
      page,
      line: lineAt(text, index + whole.indexOf(block) + offset),
      ...command,
    })),
  );
  const prose = text.replaceAll(BLOCK, (block) => block.replaceAll(/[^\n]/g, ' '));
  const named = [...prose.matchAll(INLINE)].map(({ 1: code = '', index }) => ({
    page,
    line: lineAt(text, index),
    kind: 'inline' as const,
    text: code.replaceAll('\\|', '|'), // in a table
    output: '',
  }));
  return [...shown, ...named].toSorted((a, b) => a.line - b.line);
};

/** Every command of every page that tells people what to type. */
export const documentedCommands = (): readonly PageCommand[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((page) => page !== '' && isInstruction(page) && existsSync(join(ROOT, page)))
    .flatMap((page) => commandsIn(page, readFileSync(join(ROOT, page), 'utf8')));
