/** Signing keys: what is published, how they change while everybody stays logged in, and the command that changes them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { createSealedBoxes } from '../../../api/src/crypto/sealed-box.ts';
import { createSigningKeys, readPrivateKey } from '../../../api/src/crypto/signing-keys.ts';
import { createLog } from '../../../api/src/log.ts';
import { OVERLAP_MS, StoredKeyRing } from '../../../api/src/services/key-ring.ts';
import { Api, TEST_KEYS } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const CLI = fileURLToPath(new URL('../../../api/src/cli/keys.ts', import.meta.url));
const CONFIGURED = createSigningKeys(readPrivateKey(TEST_KEYS.JWT_PRIVATE_KEY));
const MINUTE_MS = 60_000;

describe('signing keys', function () {
  this.timeout(90_000); // a command is a process of its own
  let database: TestDatabase;
  let apis: Api[];

  beforeEach(async () => {
    database = await createTestDatabase();
    apis = [];
  });
  afterEach(async () => {
    await Promise.all(apis.map((api) => api.stop()));
    await database.drop();
  });

  const startApi = async (env: Readonly<Record<string, string>> = {}): Promise<Api> => {
    const api = await Api.start({ databaseUrl: database.url, env });
    apis.push(api);
    return api;
  };
  const keys = async (...args: readonly string[]) => {
    const { PATH = '' } = process.env;
    const env = { PATH, MIGRATION_DATABASE_URL: database.ownerUrl, ...TEST_KEYS };
    const child = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    await once(child, 'close');
    return { code: child.exitCode, out, err };
  };
  const rotate = async (...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await keys('rotate', '-o', 'json', ...args);
    expect(code, err).to.equal(0);
    return String((JSON.parse(out) as Record<string, unknown>)['keyId']);
  };
  const ringAt = (nowMs: () => number, change: { key?: Buffer } = {}) => {
    let reads = 0;
    const ring = new StoredKeyRing({
      configured: CONFIGURED,
      boxes: createSealedBoxes(change.key ?? Buffer.from(TEST_KEYS.ENCRYPTION_KEY, 'base64')),
      ask: (statement, values) => {
        reads += 1;
        return database.query(statement, values);
      },
      log: createLog('silent', undefined),
      nowMs,
    });
    return { ring, reads: () => reads };
  };
  const keyIdOf = (token: string) => decodeProtectedHeader(token).kid;
  const published = async (api: Api) => (await api.get('/.well-known/jwks.json')).body as unknown as JSONWebKeySet;

  it('are published without their private half, cacheable, and verify our tokens for others', async () => {
    const api = await startApi();
    const answer = await api.get('/.well-known/jwks.json');
    expect([answer.status, answer.headers['cache-control']]).to.deep.equal([200, 'public, max-age=300']);
    expect(answer.headers['content-type']).to.match(/^application\/jwk-set\+json/);
    const set = await published(api);
    expect(set.keys.map((key) => Object.keys(key).toSorted())).to.deep.equal([
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
    ]);
    const { accessToken, sessionId } = await api.newSession();
    const { payload } = await jwtVerify(accessToken, createLocalJWKSet(set), {
      algorithms: ['ES256'],
      issuer: 'latchkey',
      audience: 'latchkey',
      typ: 'at+jwt',
    });
    expect(payload['sid']).to.equal(sessionId);
  });

  it('change without a restart, and nobody notices: a token of the new key is understood at once by who never heard of it', async () => {
    const [first, deaf] = [await startApi(), await startApi()];
    const before = await first.newSession();
    const keyId = await rotate('--now');
    const second = await startApi(); // reads the keys as it starts
    const after = await second.login(await second.register());
    expect([keyIdOf(before.accessToken), keyIdOf(after.accessToken)]).to.deep.equal([CONFIGURED.keyId, keyId]);
    for (const api of [first, deaf, second]) {
      expect((await api.validate(after.accessToken)).status).to.equal(200);
      expect((await api.validate(before.accessToken)).status).to.equal(200);
    }
    expect((await published(first)).keys.map(({ kid }) => kid)).to.have.members([CONFIGURED.keyId, keyId]);
  });

  it('are published before they sign, sign until the next one does, and are accepted until their last token has ended', async () => {
    const first = await rotate('--now');
    const startMs = Date.now();
    const second = await rotate('--activate-in', '600');
    let nowMs = startMs + 1_000;
    const { ring } = ringAt(() => nowMs);
    const at = async (ms: number) => {
      nowMs = ms;
      await ring.refresh();
      return { signs: ring.signingKey().keyId, accepts: ring.jwks().keys.map(({ kid }) => kid) };
    };
    const all = [CONFIGURED.keyId, first, second];
    expect(await at(startMs + MINUTE_MS)).to.deep.equal({ signs: first, accepts: all });
    expect(await at(startMs + 11 * MINUTE_MS)).to.deep.equal({ signs: second, accepts: all });
    expect(OVERLAP_MS, 'a token, the clocks, and two polls').to.equal(17 * MINUTE_MS);
    expect(await at(startMs + 10 * MINUTE_MS + OVERLAP_MS - MINUTE_MS)).to.deep.equal({ signs: second, accepts: all });
    const late = await at(startMs + 11 * MINUTE_MS + OVERLAP_MS);
    expect(late).to.deep.equal({ signs: second, accepts: [CONFIGURED.keyId, second] });
  });

  it('that are retired take what they signed with them, remembered or not; the configured one too', async () => {
    const api = await startApi();
    const { accessToken, refreshToken } = await api.newSession();
    expect((await api.validate(accessToken)).status).to.equal(200);
    const keyId = await rotate('--now');
    expect((await keys('retire', CONFIGURED.keyId)).code).to.equal(0);
    const fresh = await startApi();
    expect((await fresh.validate(accessToken)).body).to.include({ code: 'access-token-invalid' });
    const next = await fresh.refresh(refreshToken);
    expect(keyIdOf(String(next.body['accessToken'])), 'nobody is logged out').to.equal(keyId);
    // Meeting the new key makes the old pod look; what it remembers of the retired one is worth nothing then.
    expect((await api.validate(String(next.body['accessToken']))).status).to.equal(200);
    expect((await api.validate(accessToken)).body).to.include({ code: 'access-token-invalid' });
    const [row] = await database.query('SELECT sealed_private_key FROM latchkey.signing_key WHERE key_id = $1', [
      CONFIGURED.keyId,
    ]);
    expect(row).to.deep.equal({ sealed_private_key: null });
  });

  it('that cannot be opened here cost this pod the key, not its service: it signs with the configured one and verifies the others', async () => {
    const keyId = await rotate('--now');
    const { ring } = ringAt(Date.now, { key: Buffer.alloc(32, 9) });
    await ring.refresh();
    expect(ring.signingKey().keyId).to.equal(CONFIGURED.keyId);
    expect(ring.verificationKey(keyId)).to.not.equal(undefined);
  });

  it('that nobody has heard of cost one query in two seconds, however many are asked for', async () => {
    const { ring, reads } = ringAt(Date.now);
    const found = await Promise.all(Array.from({ length: 200 }, (_, index) => ring.lookFor(`nobody-${index}`)));
    expect([found.some(Boolean), reads()]).to.deep.equal([false, 1]);
  });

  it('are stored encrypted, and no server can write one', async () => {
    await rotate('--now');
    const [row] = await database.query('SELECT * FROM latchkey.signing_key');
    expect(JSON.stringify(row)).not.to.match(/PRIVATE|"d"/);
    for (const statement of [
      'DELETE FROM latchkey.signing_key',
      'UPDATE latchkey.signing_key SET retired_at = now()',
    ]) {
      const refusal = await database
        .query(`SET ROLE latchkey_app; ${statement}`)
        .catch((error: unknown) => (error instanceof Error ? error.message : ''));
      expect(refusal).to.match(/permission denied/);
    }
  });

  describe('the command', () => {
    it('lists keys with their states, as text and as JSON', async () => {
      const first = await rotate('--now');
      const second = await rotate();
      const { code, out } = await keys('list', '-o', 'json');
      const listed = (JSON.parse(out) as { keys: { keyId: string; state: string }[] }).keys;
      expect(code).to.equal(0);
      expect(listed.map(({ keyId, state }) => [keyId, state])).to.deep.equal([
        [CONFIGURED.keyId, 'verifying'],
        [first, 'active'],
        [second, 'published'],
      ]);
      expect((await keys('list')).out).to.include(second);
    });

    it('makes one key when two ask at once, and none on a dry run', async () => {
      expect((await keys('rotate', '--dry-run')).code).to.equal(0);
      expect(await database.query('SELECT 1 FROM latchkey.signing_key')).to.deep.equal([]);
      const both = await Promise.all([keys('rotate'), keys('rotate')]);
      expect(both.map(({ code }) => code)).to.have.members([0, 1]);
      expect(both.map(({ err }) => err).join('')).to.match(/waits for its turn/);
      expect(await database.query('SELECT 1 FROM latchkey.signing_key')).to.have.length(1);
    });

    it('helps, refuses what it does not understand with 2, and names a key that is not there', async () => {
      expect((await keys('--help')).out).to.match(/^Usage/);
      for (const args of [
        [],
        ['x'],
        ['retire'],
        ['list', 'x'],
        ['rotate', '--activate-in', '5'],
        ['list', '-o', 'xml'],
        ['list', '--x'],
      ])
        expect((await keys(...args)).code, args.join(' ')).to.equal(2);
      const { code, err } = await keys('retire', 'nobody');
      expect([code, err]).to.deep.equal([1, 'keys: there is no key nobody\n']);
    });
  });
});
