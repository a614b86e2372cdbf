/** The pages of the audit trail: complete, filtered, exported, each organization's own. */
import { expect } from 'chai';
import { codeOf, type Person, World } from '../../support/admin.ts';
import type { Answer } from '../../support/api.ts';
import { type Entry, entriesOf } from '../../support/audit-entries.ts';

const AGENT = { 'user-agent': 'trail-test/1.0' };

describe('the pages of the audit trail', () => {
  let world: World;
  let auditor: Person;
  let second: Person;

  before(async () => {
    world = await World.create();
    auditor = await world.person('admin');
    second = await world.person('admin', 'second');
  });
  after(() => world?.destroy());

  const read = (path: string, person = auditor): Promise<Answer> =>
    world.api.get(path, { bearer: person.accessToken, headers: AGENT });
  const logs = async (query = '', person = auditor) => entriesOf(await read(`/api/v1/audit/logs${query}`, person));
  const auth = async (query = '', person = auditor) => entriesOf(await read(`/api/v1/audit/auth${query}`, person));
  const newest = async (eventType: string, query = ''): Promise<Entry | undefined> =>
    (await logs(`?eventType=${eventType}&limit=1${query}`))[0];

  it('is read to its end without a gap or a double while rows come in', async () => {
    const person = await world.person('user');
    for (let n = 0; n < 12; n += 1) await world.login(person);
    const wanted = (await auth(`?userId=${person.id}&limit=100`)).map(({ id }) => id);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const answer = await read(
        `/api/v1/audit/auth?userId=${person.id}&limit=5${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      seen.push(...entriesOf(answer).map(({ id }) => id));
      cursor = answer.body['nextCursor'] as string | null;
      await world.login(person); // newer than every page
    }
    expect(seen).to.deep.equal(wanted);
  });

  it('filters by account, kind, severity, outcome and time', async () => {
    const person = await world.person('user');
    const from = new Date(Date.now() - 1).toISOString();
    await world.api.post('/api/v1/auth/login', { email: person.email, password: 'Wrong-Horse-9-Staple' });
    const query = `?userId=${person.id}&from=${from}`;
    expect((await auth(query)).map(({ eventType }) => eventType)).to.deep.equal(['login_failed']);
    expect(await auth(`${query}&success=true`)).to.deep.equal([]);
    expect(await auth(`${query}&success=false&severity=warning&eventType=login_failed`)).to.have.length(1);
    expect(await auth(`?userId=${person.id}&to=${from}&eventType=login_failed`)).to.deep.equal([]);
    expect((await logs(`?userId=${person.id}&success=false`)).every(({ success }) => !success)).to.equal(true);
  });

  it('shows each organization its own rows alone', async () => {
    const own = new Set((await logs('?limit=100')).map(({ id }) => id));
    const theirs = await logs('?limit=100', second);
    expect(theirs).not.to.have.length(0);
    expect(theirs.filter(({ id }) => own.has(id))).to.deep.equal([]);
    expect(await auth(`?userId=${auditor.id}`, second)).to.deep.equal([]);
  });

  it('is for those with the permission, also under its older paths, and says what is wrong with a query', async () => {
    for (const path of ['/api/audit/logs', '/api/audit/auth']) {
      const answer = await read(path);
      expect([answer.status, answer.headers['deprecation'] !== undefined]).to.deep.equal([200, true]);
    }
    expect((await world.api.get('/api/v1/audit/logs')).status).to.equal(401);
    for (const [query, field] of [
      ['cursor=nonsense', 'cursor'],
      ['cursor=WyIxIiwiMiJd', 'cursor'],
      ['limit=0', 'limit'],
      ['limit=101', 'limit'],
      ['userId=1', 'userId'],
      ['eventType=unknown', 'eventType'],
      ['from=yesterday', 'from'],
      ['success=maybe', 'success'],
      ['org_id=1', 'org_id'],
      ['severity=info&severity=warning', 'severity'],
    ] as const) {
      const { status, body } = await read(`/api/v1/audit/logs?${query}`);
      expect([status, (body['errors'] as { field: string }[])[0]?.field], query).to.deep.equal([400, field]);
    }
  });

  it('is exported as JSON lines by who may export, which is written down', async () => {
    const answer = await read('/api/v1/audit/export?limit=5');
    expect(answer.headers['content-type']).to.equal('application/x-ndjson; charset=utf-8');
    const lines = answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Entry);
    expect(lines).to.have.length(5);
    const next = /<(.+)>; rel="next"/.exec(String(answer.headers['link']))?.[1] ?? '';
    const more = (await read(next)).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Entry);
    expect(more.map(({ id }) => id).filter((id) => lines.some((line) => line.id === id))).to.deep.equal([]);
    expect(await newest('data_exported')).to.deep.include({ actorId: auditor.id, action: 'audit.export' });
    expect(codeOf(await read('/api/v1/audit/export', await world.person('manager')))).to.equal(
      '403 permission-missing',
    );
  });

  it('answers only from the session, not from what another part of the request names', async () => {
    const answer = await world.api.get('/api/v1/audit/logs?limit=100', {
      bearer: second.accessToken,
      headers: { 'x-tenant-id': world.organizationIds.first, 'x-org-id': world.organizationIds.first },
    });
    const own = new Set((await logs('?limit=100')).map(({ id }) => id));
    expect(entriesOf(answer).filter(({ id }) => own.has(id))).to.deep.equal([]);
  });
});
