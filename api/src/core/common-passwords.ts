/**
 * What most people's passwords are made of: words that every guessing list begins with, and runs of a keyboard. Called by
 * core/password-policy.ts. Our own selection; small on purpose, since what is built out of these is found too.
 */

const WORDS = `
password passwort passwd pass word admin administrator root user guest login logon welcome willkommen bienvenue secret secure security
letmein access master default changeme change temp test testing tester demo sample example hello hallo bonjour monkey dragon tiger lion
eagle shadow sunshine moonlight princess prince queen king flower butterfly rainbow unicorn angel devil heaven love lover iloveyou loveyou
forever sweet sweetheart honey baby babygirl babyboy cookie chocolate cheese banana orange apple peach cherry ginger pepper summer winter
spring autumn monday tuesday wednesday thursday friday saturday sunday january february march april june july august september october
november december football soccer baseball basketball hockey tennis rugby cricket golf liverpool chelsea arsenal barcelona juventus
springbok springboks superman batman spiderman starwars pokemon naruto matrix gandalf hobbit harry potter merlin computer internet samsung
google facebook youtube linkedin twitter microsoft windows apple iphone android mustang ferrari porsche mercedes toyota michael michelle
jennifer jessica ashley amanda daniel thomas robert charlie jordan andrew joshua matthew nicole hannah george maggie buster killer hunter
ranger trustno freedom whatever nothing something blessed jesus christ money dollar success winner lucky diamond silver golden purple yellow
family mother father friend school student teacher office work company london paris berlin madrid africa johannesburg capetown durban
pretoria america australia canada correct horse battery staple abc abcd abcdef abcdefg qwerty qwertz azerty asdf asdfgh zxcvbn zxcvbnm
qazwsx wsx edc rfv passw0rd
`
  .trim()
  .split(/\s+/);

const RUNS = [
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'qwertzuiop',
  'azertyuiop',
  '01234567890',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm',
];

/** The letters that people write as digits and signs. */
const LEET: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '8': 'b',
  '@': 'a',
  $: 's',
  '!': 'i',
};

const fold = (text: string): string => Array.from(text, (character) => LEET[character] ?? character).join('');

const MIN_RUN = 4;

/** Takes pieces of at least four characters of any run out, forwards or backwards. */
const withoutRuns = (text: string): string => {
  let left = '';
  let at = 0;
  const runs = RUNS.flatMap((run) => [run, Array.from(run).toReversed().join('')]);
  while (at < text.length) {
    let end = at + 1;
    while (end < text.length && runs.some((run) => run.includes(text.slice(at, end + 1)))) end += 1;
    if (end - at < MIN_RUN) left += text.charAt(at);
    at = end - at < MIN_RUN ? at + 1 : end;
  }
  return left;
};

/** One after the other, longest first; what is taken out leaves a gap, so that no new word forms over it. */
const withoutWords = (text: string, words: readonly string[]): string =>
  words
    .toSorted((a, b) => b.length - a.length)
    .reduce((left, word) => left.replaceAll(word, ' '), text)
    .replaceAll(' ', '');

const MIN_WORD = 3;

/**
 * Characters of the password that are neither part of a common word, a run, or one of `context` (the address, the service's name), nor a
 * repetition: each different one counts once. Folded and unfolded, and the smaller count holds.
 */
export const uncommonCharacters = (password: string, context: readonly string[]): number => {
  const lower = password.normalize('NFKC').toLowerCase();
  const words = [...WORDS, ...context.map((word) => word.toLowerCase())].filter((word) => word.length >= MIN_WORD);
  const countOf = (text: string, folded: readonly string[]): number =>
    new Set(withoutRuns(withoutWords(text, folded))).size;
  return Math.min(countOf(lower, words), countOf(fold(lower), words.map(fold)));
};
