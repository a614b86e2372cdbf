/** What the trail says, who may read it, and that nothing in it can be changed. Properties 46 to 50 and 52. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { codeOf, type Person, World } from '../../support/admin.ts';
import type { Answer } from '../../support/api.ts';
import { type Entry, entriesOf } from '../../support/audit-entries.ts';

const RUNS = process.env['TEST_LONG'] === '1' ? 100 : 8;
const AGENT = { 'user-agent': 'trail-test/1.0' };

describe('the audit trail', function () {
  this.timeout(120_000);
  let world: World;
  let auditor: Person;

  before(async () => {
    world = await World.create();
    auditor = await world.person('admin');
  });
  after(() => world?.destroy());

  const read = (path: string, person = auditor): Promise<Answer> =>
    world.api.get(path, { bearer: person.accessToken, headers: AGENT });
  const logs = async (query = '', person = auditor) => entriesOf(await read(`/api/v1/audit/logs${query}`, person));
  const auth = async (query = '', person = auditor) => entriesOf(await read(`/api/v1/audit/auth${query}`, person));
  const newest = async (eventType: string, query = ''): Promise<Entry | undefined> =>
    (await logs(`?eventType=${eventType}&limit=1${query}`))[0];

  describe('by property', () => {
    it('Property 46: Authentication Event Logging: every login, failed login and logout is an entry with its account, address and agent', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.constantFrom('right', 'wrong', 'logout'), { maxLength: 5 }), async (steps) => {
          const person = await world.person('user');
          const expected: string[] = ['login_succeeded'];
          for (const step of steps) {
            if (step === 'logout') {
              const tokens = await world.relogin(person);
              const out = await world.api.post('/api/v1/auth/logout', undefined, { bearer: tokens.accessToken });
              expect(out.status).to.be.oneOf([200, 204]);
              expected.push('login_succeeded', 'logout');
            } else {
              const password = step === 'right' ? 'Correct-Horse-9-Staple' : 'Wrong-Horse-9-Staple';
              await world.api.post('/api/v1/auth/login', { email: person.email, password }, { headers: AGENT });
              expected.push(step === 'right' ? 'login_succeeded' : 'login_failed');
            }
          }
          const entries = (await auth(`?userId=${person.id}&limit=100`)).filter(({ eventType }) =>
            ['login_succeeded', 'login_failed', 'logout'].includes(eventType),
          );
          expect(entries.map(({ eventType }) => eventType).toReversed()).to.deep.equal(expected);
          for (const { ip, source, success, eventType } of entries) {
            expect(ip).to.equal('127.0.0.1');
            expect(success).to.equal(eventType !== 'login_failed');
            if (eventType !== 'logout') expect(source).to.equal('login_history');
          }
        }),
        { numRuns: RUNS },
      );
    });

    it('Property 47: Authorization Failure Logging: every refusal for a missing permission is an entry with who, what and where', async () => {
      const paths = [
        '/api/v1/audit/logs',
        '/api/v1/audit/auth',
        '/api/v1/errors',
        '/api/v1/audit/export',
        '/api/v1/admin/users',
      ];
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...paths),
          fc.constantFrom('user' as const, 'viewer' as const),
          async (path, role) => {
            const person = await world.person(role);
            const refused = await read(path, person);
            expect(codeOf(refused)).to.equal('403 permission-missing');
            const [entry] = await logs(`?eventType=access_denied&userId=${person.id}`);
            expect(entry).to.deep.include({ success: false, severity: 'warning', actorId: person.id, ip: '127.0.0.1' });
            expect(entry?.userAgent).to.equal(AGENT['user-agent']);
            expect(entry?.requestId).to.equal(refused.headers['x-request-id']);
            expect(entry?.metadata).to.include({ path });
          },
        ),
        { numRuns: RUNS },
      );
    });

    it('Property 48: Data Access Logging: reading the trail is an entry of the trail, with the filters and who read', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('/api/v1/audit/logs', '/api/v1/audit/auth'),
          fc.constantFrom('login_failed', 'logout', 'config_changed'),
          fc.integer({ min: 1, max: 100 }),
          async (path, eventType, limit) => {
            const answer = await read(`${path}?eventType=${eventType}&limit=${limit}`);
            const entry = await newest('data_read', '&severity=info');
            expect(entry).to.deep.include({ actorId: auditor.id, userId: auditor.id, action: 'audit.read' });
            expect(entry?.metadata).to.deep.include({
              scope: path.endsWith('auth') ? 'authentication' : 'all',
              filter: { eventType },
              rows: entriesOf(answer).length,
            });
          },
        ),
        { numRuns: RUNS },
      );
    });

    it('Property 49: Administrative Action Logging: a changed account is an entry with who changed it, before and after', async () => {
      await fc.assert(
        fc.asyncProperty(fc.stringMatching(/^[A-Z][a-z]{2,12}$/), async (displayName) => {
          const person = await world.person('user');
          const changed = await world.as(auditor, 'PATCH', `/users/${person.id}`, { body: { displayName } });
          expect(changed.status).to.equal(200);
          const entries = (await logs(`?eventType=user_updated&userId=${person.id}`)).filter(
            ({ actorId }) => actorId === auditor.id,
          );
          expect(entries).not.to.have.length(0);
          expect(JSON.stringify(entries)).to.include(displayName);
          for (const entry of entries) expect(entry).to.include({ ip: '127.0.0.1', sessionId: auditor.sessionId });
        }),
        { numRuns: RUNS },
      );
    });

    it('Property 50: Audit Log Required Fields: every entry says when, what, how grave, on what, and in which request', async () => {
      const person = await world.person('user');
      await world.as(auditor, 'PATCH', `/users/${person.id}`, { body: { displayName: 'Another' } });
      await read('/api/v1/errors', person);
      await world.api.post('/api/v1/auth/logout', undefined, { bearer: person.accessToken });
      const byOwner = new Set(['role_changed']); // the test's own, past the API
      const entries = [...(await logs('?limit=100')), ...(await auth('?limit=100'))];
      expect(entries.length).to.be.greaterThan(20);
      for (const entry of entries) {
        expect(entry.id).to.match(/^[0-9a-f-]{36}$/);
        expect(Date.parse(entry.at)).to.be.closeTo(Date.now(), 600_000);
        expect(entry.eventType).to.match(/^[a-z_]+$/);
        expect(entry.action, entry.eventType).to.match(/\S/);
        expect(entry.severity).to.be.oneOf(['info', 'warning', 'error', 'critical']);
        if (byOwner.has(entry.eventType)) continue;
        expect(entry.ip, `${entry.eventType} ${entry.action}`).to.equal('127.0.0.1');
        expect(entry.requestId ?? entry.source, `${entry.eventType} ${entry.action}`).to.match(/./);
      }
    });

    it('Property 52: Audit Log Immutability: no statement of the application or of the owner changes a row', async () => {
      const before = await world.database.query(
        'SELECT id, to_jsonb(e) AS row FROM auth.audit_events e ORDER BY id LIMIT 50',
      );
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...before.map((row) => String(row['id']))),
          fc.constantFrom('auth.audit_events', 'auth.login_history', 'latchkey.audit_events_default'),
          fc.constantFrom(
            'UPDATE % SET org_id = org_id',
            'UPDATE % SET created_at = now()',
            'DELETE FROM %',
            'TRUNCATE %',
          ),
          async (id, table, statement) => {
            const where = statement.startsWith('TRUNCATE') || table.includes('login') ? '' : ` WHERE id = '${id}'`;
            const outcome = await world.database
              .query(statement.replace('%', table) + where)
              .then(() => 'done', String);
            // The default partition is empty: a row trigger has nothing to refuse there.
            if (!(table.endsWith('default') && !statement.startsWith('TRUNCATE')))
              expect(outcome).to.match(/append-only/);
          },
        ),
        { numRuns: RUNS * 3 },
      );
      expect(
        await world.database.query(
          'SELECT id, to_jsonb(e) AS row FROM auth.audit_events e WHERE id = ANY($1) ORDER BY id',
          [before.map((row) => row['id'])],
        ),
      ).to.deep.equal(before);
    });
  });

  it('flow: what a person did is sealed within seconds, is read by an auditor, and verifies', async () => {
    const person = await world.person('user');
    await world.api.post('/api/v1/auth/logout', undefined, { bearer: person.accessToken });
    const until = Date.now() + 15_000;
    const waiting = async () =>
      Number((await world.database.query('SELECT count(*)::int AS n FROM latchkey.audit_pending'))[0]?.['n']);
    while ((await waiting()) > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await waiting()).to.equal(0);
    expect((await auth(`?userId=${person.id}`)).map(({ eventType }) => eventType)).to.include.members([
      'logout',
      'login_succeeded',
    ]);
    const [missing] = await world.database.query(
      'SELECT count(*)::int AS n FROM auth.audit_events e WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM latchkey.audit_seal s WHERE s.event_id = e.id)',
      [person.id],
    );
    expect(missing).to.deep.equal({ n: 0 });
  });
});
