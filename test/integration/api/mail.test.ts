/** The outbox: every mail once, whatever fails between the transaction and the mail server. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import PostalMime from 'postal-mime';
import { Api, PASSWORD } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { MailServer } from '../../support/mail-server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const HOUR_MS = 3_600_000;
const LEASE_MS = 120_000;
const CONFIRM = /^Confirm/;

describe('mail', () => {
  let database: TestDatabase;
  let mails: MailServer;
  let apis: Api[] = [];
  let nowMs = Date.now();

  beforeEach(async () => {
    database = await createTestDatabase();
    mails = await MailServer.start();
    apis = [];
  });
  afterEach(async () => {
    await Promise.all(apis.map((api) => api.stop()));
    await mails?.stop();
    await database?.drop();
  });

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<Api> => {
    const options = { databaseUrl: database.url, nowMs: () => nowMs };
    const api = await Api.start({ ...options, env: { SMTP_URL: mails.url, ...env } });
    apis.push(api);
    return api;
  };
  const rowOf = async (recipient: string) =>
    (await database.query('SELECT * FROM latchkey.mail_outbox WHERE recipient = $1', [recipient]))[0];
  const untilFailed = (recipient: string, attempts: number) =>
    eventually(`attempt ${attempts} for ${recipient}`, 10_000, async () => {
      const row = await rowOf(recipient);
      if (row?.['attempts'] !== attempts || row['last_error'] === null) return undefined;
      // Leased, and not failed yet.
      return (row['next_attempt_at'] as Date).getTime() === nowMs + LEASE_MS ? undefined : row;
    });

  it('tells the owner of a login from a device that the account does not know, and of no other', async () => {
    const api = await start();
    const email = await api.register();
    const login = (more = {}) => api.post('/api/v1/auth/login', { email, password: PASSWORD, ...more });
    const { deviceToken } = (await login()).body;
    expect((await login({ deviceToken })).status).to.equal(200);
    expect((await login()).status).to.equal(200);
    expect((await mails.mailTo(email, /new device/)).text).to.include('from the address 127.0.0.1');
    await api.post('/api/v1/auth/forgot-password', { email });
    await mails.mailTo(email, /^Reset/); // it was asked for later, so whatever came before it has come
    expect(mails.mailsTo(email, /new device/)).to.have.length(1);
  });

  it('of several pods sends each mail once', async () => {
    const pods = await Promise.all([start(), start(), start()]);
    const emails: string[] = [];
    for (let index = 0; index < 60; index += 3) {
      const three = pods.map((pod, at) => pod.register(`pods-${index + at}@example.com`));
      emails.push(...(await Promise.all(three)));
    }
    await Promise.all(emails.map((email) => mails.mailTo(email, CONFIRM)));
    await eventually('an empty outbox', 10_000, async () => {
      const rows = await database.query('SELECT 1 FROM latchkey.mail_outbox WHERE sent_at IS NULL');
      return rows.length === 0;
    });
    expect(mails.received.map(({ to }) => to).toSorted()).to.deep.equal(emails.toSorted());
    const sent = await Promise.all(pods.map((pod) => pod.metric('auth_email_sent_total')));
    expect(sent.reduce((sum, pod) => sum + pod, 0)).to.equal(60);
  });

  it('keeps what it says encrypted while it waits, and forgets it when it is sent', async () => {
    const api = await start();
    mails.failMail = () => ({ responseCode: 451 });
    const email = await api.register();
    const waiting = await untilFailed(email, 1);
    expect(waiting['sealed']).to.match(/^1\.[0-9a-f]{8}\./);
    expect(JSON.stringify(waiting)).not.to.include('lko1.').and.not.to.include('$pep$');
    mails.failMail = () => undefined;
    nowMs += HOUR_MS;
    await mails.mailTo(email, CONFIRM);
    const sent = await eventually('a sent row', 5_000, async () => {
      const row = await rowOf(email);
      return row?.['sent_at'] === null ? undefined : row;
    });
    expect(sent['sealed']).to.equal(null);
  });

  it('tries again later and later, with one Message-ID, until the server takes it', async () => {
    const api = await start();
    const seen: string[] = [];
    mails.failMail = () => {
      seen.push(mails.received.at(-1)?.messageId ?? '');
      return seen.length < 4 ? { responseCode: 421 } : undefined;
    };
    const email = await api.register();
    let lastDelayMs = 0;
    for (let attempt = 1; attempt < 4; attempt += 1) {
      const row = await untilFailed(email, attempt);
      const delayMs = (row['next_attempt_at'] as Date).getTime() - nowMs;
      expect(delayMs).to.be.within(15_000 * 2 ** (attempt - 1) * 0.5, 15_000 * 2 ** (attempt - 1) * 1.5);
      lastDelayMs = delayMs;
      nowMs += lastDelayMs;
    }
    await mails.mailTo(email, CONFIRM);
    expect(new Set(seen).size).to.equal(1);
    expect(seen[0]).to.match(/^<[0-9a-f-]{36}@localhost>$/);
    expect(await api.metric('auth_email_failed_total')).to.equal(3);
    expect(await api.metric('auth_email_given_up_total')).to.equal(0);
  });

  it('gives up at once on an address that the server refuses for good, and after a day on anything else', async () => {
    const api = await start();
    mails.failRecipient = (address) =>
      address.startsWith('gone')
        ? { responseCode: 550 }
        : address.startsWith('slow')
          ? { responseCode: 450 }
          : undefined;
    await Promise.all([api.register('gone@example.com'), api.register('slow@example.com')]);
    const gone = await eventually('given up', 5_000, async () => {
      const row = await rowOf('gone@example.com');
      return row?.['given_up_at'] === null ? undefined : row;
    });
    expect(gone).to.include({ attempts: 1, sealed: null, last_error: 'EENVELOPE 550' });
    await untilFailed('slow@example.com', 1);
    nowMs += 24 * HOUR_MS;
    const slow = await eventually('given up', 5_000, async () => {
      const row = await rowOf('slow@example.com');
      return row?.['given_up_at'] === null ? undefined : row;
    });
    expect(slow).to.include({ attempts: 2, sealed: null });
    expect(await api.metric('auth_email_given_up_total')).to.equal(2);
    mails.failRecipient = () => undefined;
    await api.register('after@example.com');
    await mails.mailTo('after@example.com');
    expect(mails.received.map(({ to }) => to)).to.deep.equal(['after@example.com']);
  });

  it('that a pod had taken when it died is sent by another one when its lease ends', async () => {
    const silent = createServer(); // takes connections and says nothing, as a pod that is about to die sees it
    const sockets = new Set<{ destroy(): void }>();
    silent.on('connection', (socket) => sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const doomed = await start({ SMTP_URL: `smtp://127.0.0.1:${port}` });
    const email = await doomed.register();
    await eventually('a leased mail', 5_000, async () => (await rowOf(email))?.['attempts'] === 1 && sockets.size > 0);
    await start();
    nowMs += 119_000;
    expect(mails.received).to.deep.equal([]);
    nowMs += 1_000;
    await mails.mailTo(email, CONFIRM);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('never keeps a request waiting: a server that says nothing is none of its callers’ business', async () => {
    const silent = createServer();
    const sockets = new Set<{ destroy(): void }>();
    silent.on('connection', (socket) => sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const api = await start({ SMTP_URL: `smtp://127.0.0.1:${port}` });
    const email = await api.register();
    await eventually('a connection', 5_000, () => sockets.size > 0);
    const startedMs = performance.now();
    expect((await api.post('/api/v1/auth/forgot-password', { email })).status).to.equal(202);
    expect(performance.now() - startedMs).to.be.below(2_000);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('of a box that was moved to another row, or sealed under a lost key, is not sent', async () => {
    const api = await start();
    mails.failMail = () => ({ responseCode: 451 });
    const [one, two] = [await api.register(), await api.register()];
    await Promise.all([untilFailed(one, 1), untilFailed(two, 1)]);
    await database.query(
      'UPDATE latchkey.mail_outbox SET sealed = (SELECT sealed FROM latchkey.mail_outbox WHERE recipient = $1) WHERE recipient = $2',
      [one, two],
    );
    mails.failMail = () => undefined;
    nowMs += HOUR_MS;
    await mails.mailTo(one);
    const moved = await eventually('given up', 5_000, async () => {
      const row = await rowOf(two);
      return row?.['given_up_at'] === null ? undefined : row;
    });
    expect(moved).to.include({ last_error: 'EUNREADABLE', sealed: null });
    expect(mails.mailsTo(two)).to.deep.equal([]);
  });

  it('of a template that this release does not know is left to the one that does', async () => {
    const api = await start();
    mails.failMail = () => ({ responseCode: 451 });
    const email = await api.register();
    await untilFailed(email, 1);
    await database.query("UPDATE latchkey.mail_outbox SET template = 'of-the-future' WHERE recipient = $1", [email]);
    mails.failMail = () => undefined;
    nowMs += 2 * HOUR_MS;
    await api.register('meanwhile@example.com');
    await mails.mailTo('meanwhile@example.com');
    expect(await rowOf(email)).to.include({ attempts: 1, sent_at: null, given_up_at: null });
  });

  it('is encrypted in production, or stays: a server without TLS gets none unless SMTP_URL says so', async () => {
    const production = { APP_ENV: 'production', BCRYPT_COST: '10', PUBLIC_URL: 'https://auth.example.com' };
    const api = await start(production);
    const email = await api.register();
    expect(await untilFailed(email, 1)).to.include({ last_error: 'ETLS 500' });
    expect(mails.received).to.deep.equal([]);
    await api.stop(); // or it takes the mail again before the other one does
    apis = [];
    await start({ ...production, SMTP_URL: `${mails.url}?tls=off` });
    nowMs += HOUR_MS;
    await eventually('a mail', 10_000, () => mails.received.length > 0);
  });

  it('uses TLS where the server offers it, and believes no certificate that nobody vouches for', async () => {
    const encrypted = await MailServer.start({ disabledCommands: ['AUTH'] });
    const api = await start({ SMTP_URL: encrypted.url });
    const email = await api.register();
    expect((await untilFailed(email, 1))['last_error']).to.match(/^(ETLS|ESOCKET)/);
    expect(encrypted.received).to.deep.equal([]);
    await encrypted.stop();
  });

  it('goes to a folder where there is no server: whole files that only their owner reads', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-mail-'));
    const api = await start({ SMTP_URL: '', MAIL_FOLDER: join(folder, 'mail') });
    const email = await api.register();
    const name = await eventually('a file', 10_000, async () =>
      (await readdir(join(folder, 'mail')).catch(() => [])).find((file) => file.endsWith('.eml')),
    );
    const path = join(folder, 'mail', name);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    const mail = await PostalMime.parse(await readFile(path));
    expect(mail.to?.[0]?.address).to.equal(email);
    expect(mail.text).to.include('http://localhost:3000/verify-email#token=lko1.');
    await rm(folder, { recursive: true });
  });

  it('is nobody’s row but its tenant’s and the worker’s, and the worker writes none', async () => {
    const api = await start();
    mails.failMail = () => ({ responseCode: 451 });
    const email = await api.register();
    await untilFailed(email, 1);
    const { Client } = await import('pg');
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const count = async (): Promise<unknown> =>
      (await client.query<{ n: number }>('SELECT count(*)::int AS n FROM latchkey.mail_outbox')).rows[0]?.n;
    expect(await count()).to.equal(0);
    await client.query("SET app.worker = 'mail'");
    expect(await count()).to.equal(1);
    const insert = `INSERT INTO latchkey.mail_outbox (org_id, template, recipient, sealed)
      SELECT id, 'account-exists', 'x@example.com', 'x' FROM public.organization LIMIT 1`;
    const refusal = await client.query(insert).then(
      () => 'inserted',
      (error: unknown) => String(error),
    );
    expect(refusal).to.match(/row-level security/);
    await client.end();
  });
});
