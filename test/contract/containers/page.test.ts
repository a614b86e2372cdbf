/** What docs/containers.md types at the containers, held against how they are made. Each of these was a command that did not do what the page says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { z } from 'zod';
import { documentedCommands, ROOT } from '../../support/page-commands.ts';

const composeFile = z.looseObject({
  services: z.record(
    z.string(),
    z.looseObject({ restart: z.string(), environment: z.record(z.string(), z.string()).optional() }),
  ),
});
const { services } = composeFile.parse(
  parse(readFileSync(join(ROOT, 'api/compose/compose.production.yaml'), 'utf8'), { merge: true }),
);
const typed = documentedCommands()
  .filter(({ page, text }) => page === 'docs/containers.md' && text.startsWith('docker compose …'))
  .map(({ text }) => text);

describe('the commands for containers in production', () => {
  it('name a service that there is', () => {
    expect(typed).to.not.be.empty;
    for (const text of typed) {
      const words = text.split(' ');
      expect(
        words.filter((word) => word in services),
        text,
      ).to.not.be.empty;
    }
  });

  it('bring the password where they ask PostgreSQL, whose socket wants it too', () => {
    expect(services['postgres']?.environment?.['POSTGRES_INITDB_ARGS']).to.include('--auth=scram-sha-256');
    const asking = typed.filter((text) => /\b(pg_dump|pg_restore|psql|createdb)\b/.test(text));
    expect(asking).to.have.length(2);
    for (const text of asking) expect(text).to.include('PGPASSWORD=$POSTGRES_PASSWORD').and.include('exec -T postgres');
  });

  it('signal no container that is to be restarted, since Docker would take that for the wish to stop it', () => {
    expect(services['nginx']?.restart).to.equal('unless-stopped');
    expect(typed.filter((text) => / kill\b/.test(text))).to.deep.equal([]);
    expect(typed).to.include('docker compose … exec nginx nginx -s reload');
  });

  it('change the schema while the API serves, before it is made anew', () => {
    expect(typed).to.include('docker compose … run --build --rm migrate');
  });
});
