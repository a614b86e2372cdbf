/** The command of the audit chain: what it finds, what it exports, and that old months go without the rest being doubted. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { AUDIT_SECRET, AuditPod, defaultTenant, tamper, writeTrail } from '../../support/audit.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const CLI = fileURLToPath(new URL('../../../api/src/cli/audit.ts', import.meta.url));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> =>
  new Promise((resolve) => {
    const { PATH = '' } = process.env;
    execFile(process.execPath, [CLI, ...args], { env: { PATH, ...env }, timeout: 25_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });

describe('the audit command', () => {
  let database: TestDatabase;
  let pod: AuditPod;
  let tenantId: string;
  let folder: string;
  let env: Readonly<Record<string, string>>;

  beforeEach(async () => {
    database = await createTestDatabase();
    pod = new AuditPod(database.url);
    tenantId = await defaultTenant(database);
    folder = await mkdtemp(join(tmpdir(), 'latchkey-audit-'));
    env = {
      DATABASE_URL: database.url,
      MIGRATION_DATABASE_URL: database.ownerUrl,
      ENCRYPTION_KEY: AUDIT_SECRET.toString('base64'),
    };
  });
  afterEach(async () => {
    await pod?.close();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const keep = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };

  it('verify exits 0 on a whole chain and 1 with the name of an edited row, in text and JSON', async () => {
    const ids = await writeTrail(database, tenantId, 3);
    await pod.seal();
    const whole = await run(['verify'], env);
    expect([whole.code, whole.out]).to.deep.equal([
      0,
      `ok    ${tenantId}  6 seals, 0 checkpoints, 0 rows not sealed yet\n`,
    ]);
    await tamper(database, `UPDATE auth.audit_events SET action = 'x' WHERE id = '${ids[1]}'`);
    const broken = await run(['verify'], env);
    expect(broken.code).to.equal(1);
    expect(broken.out).to.include(
      `edited            seal 3 audit_events ${ids[1]}: the row does not say what was sealed`,
    );
    const json = await run(['verify', '--tenant', 'default', '-o', 'json'], env);
    expect(JSON.parse(json.out)).to.containSubset([{ tenantId, findings: [{ kind: 'edited', eventId: ids[1] }] }]);
  });

  it('verify holds the chain against checkpoints that were kept outside, as JWS or as lines of the log', async () => {
    await writeTrail(database, tenantId, 2);
    await pod.seal();
    const signed = await run(['checkpoint'], env);
    expect(signed.code).to.equal(0);
    const log = await keep('log', `{"level":30,"msg":"audit checkpoint","checkpoint":"${signed.out.trim()}"}\n`);
    expect((await run(['verify', '--checkpoints', log], env)).code).to.equal(0);
    for (const table of ['audit_seal', 'audit_checkpoint']) await tamper(database, `DELETE FROM latchkey.${table}`);
    for (const table of ['audit_events', 'login_history']) await tamper(database, `DELETE FROM auth.${table}`);
    expect((await run(['verify'], env)).code, 'nothing is left that could tell').to.equal(0);
    const found = await run(['verify', '--checkpoints', log], env);
    expect(found.code).to.equal(1);
    expect(found.out).to.match(/truncated +seal 1 : the checkpoint of .* saw 4 seals, the chain ends at 0/);
  });

  it('export is verified with the public key alone; a changed line, a lost line and a lost end are found', async () => {
    const ids = await writeTrail(database, tenantId, 2);
    await pod.seal();
    const { out: exported } = await run(['export', '--tenant', tenantId], env);
    const key = await keep('jwks.json', (await run(['keys'], env)).out);
    const check = async (text: string): Promise<Run> =>
      run(['verify', '--export', await keep('export.jsonl', text), '--public-key', key]);
    expect(await check(exported)).to.deep.include({ code: 0 });
    const changed = await check(exported.replace('{\\"n\\": 1}', '{\\"n\\": 7}'));
    expect(changed.code).to.equal(1);
    expect(changed.out).to.include(`edited            seal 3 audit_events ${ids[1]}`);
    const lines = exported.trim().split('\n');
    const lost = await check(lines.filter((_, n) => n !== 1).join('\n'));
    expect([lost.code, lost.out]).to.satisfy(
      ([code, out]: [number, string]) => code === 1 && out.includes('seal-missing'),
    );
    const cut = await check(lines.slice(0, 2).join('\n'));
    expect([cut.code, cut.out]).to.satisfy(([code, out]: [number, string]) => code === 1 && out.includes('truncated'));
    const other = new AuditPod(database.url, Buffer.alloc(32, 9));
    const strange = other.keys.sign({
      v: 1,
      kind: 'checkpoint',
      tenant: tenantId,
      sequence: 4,
      digest: '0'.repeat(64),
      hash: '0'.repeat(64),
      at: 'now',
    });
    await other.close();
    const forged = await check(
      [...lines.slice(0, -1), JSON.stringify({ type: 'checkpoint', statement: strange })].join('\n'),
    );
    expect([forged.code, forged.out]).to.satisfy(
      ([code, out]: [number, string]) => code === 1 && out.includes('checkpoint-forged'),
    );
  });

  it('Property 51: Audit Log Retention: retain drops whole months that are older than 365 days, keeps every younger row, and the rest verifies', async () => {
    const months = [14, 13, 2, 0];
    for (const ago of months) {
      await database.query(
        `DO $do$ BEGIN PERFORM latchkey.add_audit_month(name, (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => ${ago}))::date)
         FROM unnest(ARRAY['audit_events', 'login_history']) AS name; END $do$`,
      );
      await database.query(
        `INSERT INTO auth.audit_events (org_id, event_type, action, created_at)
         SELECT $1, 'logout', 'x', date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(months => $2) + make_interval(secs => n)
         FROM generate_series(1, 3) AS n`,
        [tenantId, ago],
      );
    }
    await pod.seal();
    await pod.sign();
    const kept = await keep(
      'checkpoints',
      String((await database.query('SELECT statement FROM latchkey.audit_checkpoint'))[0]?.['statement']),
    );
    const { out } = await run(['retain', '--dry-run'], env);
    expect(out).to.match(/^would drop whole months before 20\d\d-\d\d-01T00:00:00.000Z\n$/);
    const retained = await run(['retain', '-o', 'json'], env);
    expect(retained.code, retained.err).to.equal(0);
    expect(JSON.parse(retained.out)).to.containSubset({ retained: [{ outcome: 'anchored', deletedSeals: 6 }] });
    expect((JSON.parse(retained.out) as { dropped: string[] }).dropped).to.have.length(4);
    const [left] = await database.query(
      "SELECT count(*)::int AS n, min(created_at) > now() - interval '100 days' AS young FROM auth.audit_events",
    );
    expect(left).to.deep.equal({ n: 6, young: true });
    expect((await run(['verify', '--checkpoints', kept], env)).out).to.match(/^ok {4}.* 6 seals/);
    expect(JSON.parse((await run(['retain', '-o', 'json'], env)).out)).to.containSubset({
      retained: [{ outcome: 'nothing-to-do' }],
      dropped: [],
    });
    const exported = await keep('export', (await run(['export', '--tenant', 'default'], env)).out);
    const key = await keep('jwks.json', (await run(['keys'], env)).out);
    expect((await run(['verify', '--export', exported, '--public-key', key])).code).to.equal(0);
    await tamper(database, 'DELETE FROM latchkey.audit_checkpoint');
    expect((await run(['verify'], env)).out, 'a missing beginning without an anchor').to.match(/seal-missing +seal 1 /);
  });

  it('retain drops nothing younger than 365 days, whoever asks, and nothing that is not sealed', async () => {
    expect((await run(['retain', '--days', '30'], env)).code).to.equal(2);
    const early = await database
      .query("SELECT latchkey.drop_audit_partitions(now() - interval '100 days')")
      .then(() => 'dropped', String);
    expect(early).to.match(/kept for 365 days/);
    const asApp = await pod.database.query("SELECT latchkey.drop_audit_partitions(now() - interval '400 days')").then(
      () => 'dropped',
      (error: unknown) => String((error as Error).cause),
    );
    expect(asApp).to.match(/permission denied/);
    await database.query(
      "INSERT INTO auth.audit_events (org_id, event_type, action, created_at) VALUES ($1, 'logout', 'x', now() - interval '500 days')",
      [tenantId],
    );
    const waits = await run(['retain'], env);
    expect([waits.code, waits.out]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && text.includes('waits') && text.includes('dropped no month'),
    );
    await pod.seal();
    expect((await run(['retain'], env)).out).to.include('dropped audit_events_default');
    expect(await database.query('SELECT 1 FROM auth.audit_events')).to.deep.equal([]);
    expect((await run(['verify'], env)).code).to.equal(0);
  });

  it('explains itself, wrong usage exits 2, and no password is shown', async () => {
    expect((await run(['--help'])).out).to.match(/^Usage: latchkey audit/);
    for (const args of [
      [],
      ['destroy'],
      ['verify', '--nope'],
      ['verify', '-o', 'xml'],
      ['export'],
      ['verify', '--export', 'x'],
    ]) {
      const { code, err } = await run(args, env);
      expect(code, args.join(' ')).to.equal(2);
      expect(err, args.join(' ')).to.match(/^audit: .+\n\nSee latchkey audit --help\n$/s);
    }
    const away = await run(['verify'], { ...env, DATABASE_URL: 'postgres://someone:hunter2@127.0.0.1:1/x' });
    expect([away.code, away.err.includes('hunter2')]).to.deep.equal([1, false]);
    expect((await run(['verify'], { DATABASE_URL: database.url })).err).to.include('ENCRYPTION_KEY is missing');
  });
});
