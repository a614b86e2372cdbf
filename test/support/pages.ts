/** What the pages of docs/ show as code, for the tests that run it. */
import { readFileSync } from 'node:fs';

/** The code blocks of this language, in their order; of `console` the commands without their prompt. */
export function blocksOf(page: string, language: 'console' | 'sql' | 'yaml'): readonly string[] {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , code = '']) => (language === 'console' ? code.replaceAll(/^\$ /gm, '') : code));
}
