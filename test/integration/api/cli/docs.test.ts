/** docs/latchkey-cli.md: where it shows an output, that is what the command says. What it shows to be typed is typed by ../docs-latchkey.test.ts. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { COMMANDS } from '../../../../api/src/cli/commands.ts';
import { CHECKS } from '../../../../api/src/cli/doctor.ts';
import { runLatchkey } from '../../../support/command-line.ts';
import { commandsIn, ROOT, wordsOf } from '../../../support/page-commands.ts';

const PAGE = 'docs/latchkey-cli.md';

/** Two environments with one fault of each kind. */
const FILES = {
  'staging.env': `APP_ENV=staging
DATABASE_URL=postgres://latchkey:one@db.example.com/latchkey?sslmode=verify-full
PASSWORD_POLICY=nist
`,
  'production.env': `APP_ENV=production
DATABASE_URL=postgres://latchkey:other@db.example.com/latchkey?sslmode=verify-full
LOG_LEVEL=debug
RATE_LIMT_PER_MINUTE=5000
`,
} as const;

describe(PAGE, () => {
  let page: string;
  let folder: string;

  before(async () => {
    page = await readFile(join(ROOT, PAGE), 'utf8');
    folder = await mkdtemp(join(tmpdir(), 'latchkey-docs-'));
    for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder, name), text);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('shows outputs that are what the commands say', async () => {
    const whole = commandsIn(PAGE, page).filter(({ output }) => output.trim() !== '' && !/…$/m.test(output));
    expect(whole.length).to.be.at.least(4);
    for (const { text, output } of whole) {
      const inFolder = wordsOf(text)
        .slice(1)
        .map((word) => (word.endsWith('.env') ? join(folder, word) : word));
      const env = { APP_ENV: 'production', PUBLIC_URL: 'https://auth.example.com' };
      const { out, err } = await runLatchkey(inFolder, { env });
      expect(out + err, text).to.equal(`${output}\n`);
    }
  });

  it('names every command and every check', () => {
    for (const { name } of COMMANDS) expect(page, name).to.match(new RegExp(`latchkey ${name}\\b`));
    for (const { id } of CHECKS) expect(page, id).to.match(new RegExp(`^${id} `, 'm'));
  });
});
