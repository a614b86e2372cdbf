/** The diagnoses: a word for everybody, figures for whoever may know, and never a value of the configuration. */
import { expect } from 'chai';
import { readConfig } from '../../../api/src/config.ts';
import { type Person, World } from '../../support/admin.ts';
import type { Answer } from '../../support/api.ts';
import { Api, TEST_KEYS } from '../../support/api.ts';
import { ownDatabase, startTestServer, type TestServer } from '../../support/postgres.ts';

const PARTS = ['database', 'auth', 'config', 'upstream', 'overall'] as const;

const detailOf = ({ body }: Answer) => body['detail'] as Readonly<Record<string, unknown>>;

describe('diagnoses', () => {
  let world: World;
  let admin: Person;

  before(async () => {
    world = await World.create();
    admin = await world.person('admin');
  });
  after(() => world?.destroy());

  const ask = (part: string, bearer?: string): Promise<Answer> =>
    world.api.get(`/api/health/${part}`, bearer === undefined ? {} : { bearer });

  it('say one word to strangers, to accounts without the permission, and to tokens that are none', async () => {
    const user = await world.person('user');
    for (const part of PARTS) {
      for (const bearer of [undefined, user.accessToken, 'not-a-token']) {
        const { status, body } = await ask(part, bearer);
        expect([status, body], part).to.deep.equal([200, { status: 'ok' }]);
      }
    }
  });

  it('of the database say how fast, which schema, which pool, and whether every table is protected', async () => {
    const detail = detailOf(await ask('database', admin.accessToken));
    expect(detail).to.deep.include({ state: 'up', isReadOnly: false, unprotectedTables: 0 });
    expect(detail['schemaVersion']).to.equal(detail['expectedSchema']).and.to.be.at.least(26);
    expect(detail['latencyMs']).to.be.a('number');
    expect(detail['pool']).to.have.all.keys('active', 'idle', 'waiting');
  });

  it('of authentication say modes, key, hash queue, Redis, sessions, mail and audit', async () => {
    const detail = detailOf(await ask('auth', admin.accessToken));
    expect(detail).to.have.all.keys('modes', 'signing', 'hashing', 'redis', 'activeSessions', 'mailsWaiting', 'audit');
    expect(detail).to.deep.include({ redis: 'unused', modes: { isAuthDisabled: false, isInMaintenance: false } });
    expect(detail['hashing']).to.have.all.keys('width', 'running', 'waiting');
    expect(detail['signing']).to.deep.include({ algorithm: 'ES256' });
  });

  it('of the configuration name what is set and what is weak, and show no value', async () => {
    const answer = await ask('config', admin.accessToken);
    expect(detailOf(answer)['variables']).to.deep.include.members([
      { name: 'ENCRYPTION_KEY', isSet: true },
      { name: 'SMTP_URL', isSet: false },
    ]);
    const weak = (detailOf(answer)['weaknesses'] as { name: string }[]).map(({ name }) => name);
    expect(weak).to.include.members(['BCRYPT_COST', 'EMAIL_VERIFICATION', 'REDIS_URL']);
    for (const value of [...Object.values(TEST_KEYS), 'latchkey_test_app', 'postgres://']) {
      expect(answer.text).not.to.include(value);
    }
  });

  it('of everything say a word a part', async () => {
    const detail = detailOf(await ask('overall', admin.accessToken));
    expect(detail['parts']).to.deep.equal({ database: 'ok', auth: 'ok', config: 'ok', upstream: 'ok' });
  });

  it('name what is weak in a production that starts, without a value', () => {
    const { config } = readConfig({
      ...TEST_KEYS,
      DATABASE_URL: 'postgres://user:secret@db.example.com/x',
      REDIS_URL: 'redis://redis.example.com',
      PUBLIC_URL: 'https://auth.example.com',
      SMTP_URL: 'smtps://smtp.example.com',
    });
    const weaknesses = config.diagnosis.weaknesses.map(({ name, message }) => `${name} ${message}`);
    expect(weaknesses).to.include('DATABASE_URL does not ask for TLS').and.to.include('REDIS_URL does not ask for TLS');
    expect(JSON.stringify(config.diagnosis)).not.to.include('secret@').and.not.to.include('example.com');
  });

  it('answer while the database is away and while it takes no writes', async () => {
    let server: TestServer | undefined = await startTestServer();
    const { port } = server.server;
    const database = await ownDatabase(server.server);
    await database.query("ALTER ROLE latchkey_test_app SET default_transaction_read_only = 'on'");
    const api = await Api.start({ databaseUrl: database.url });
    try {
      expect((await api.get('/api/health/database')).body).to.deep.equal({ status: 'degraded' });
      await server.stop();
      server = undefined;
      await new Promise((resolve) => setTimeout(resolve, 1_100)); // a diagnosis may be a second old
      for (const part of ['database', 'auth', 'overall']) {
        const { status, body } = await api.get(`/api/health/${part}`);
        expect([status, body], `${part} on ${port}`).to.deep.equal([200, { status: 'unavailable' }]);
      }
    } finally {
      await api.stop();
      await server?.stop();
    }
  });
});
