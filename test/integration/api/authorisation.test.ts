/** Properties 24 to 30 and 32: who may do what, and that an organization's things are its own. By HTTP, on real PostgreSQL. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { codeOf, type Organization, type Person, type RoleSlug, World } from '../../support/admin.ts';
import { DOORS, type Things } from '../../support/admin-doors.ts';

const RUNS = process.env['TEST_LONG'] === '1' ? 300 : 25;
const ROLES = ['super_admin', 'admin', 'manager', 'user', 'viewer'] as const satisfies readonly RoleSlug[];

const door = fc.constantFrom(...DOORS);

describe('authorisation', () => {
  let world: World;
  const people = new Map<string, Person>();
  const victims = new Map<Organization, Things & { readonly person: Person }>();

  const one = (role: RoleSlug, organization: Organization = 'first'): Person => {
    const person = people.get(`${role} ${organization}`);
    if (person === undefined) throw new Error('nobody');
    return person;
  };
  const victim = (organization: Organization): Things & { readonly person: Person } => {
    const things = victims.get(organization);
    if (things === undefined) throw new Error('nothing');
    return things;
  };

  before(async function () {
    this.timeout(60_000);
    world = await World.create();
    for (const organization of ['first', 'second'] as const) {
      for (const role of ROLES) people.set(`${role} ${organization}`, await world.person(role, organization));
      const person = await world.person('viewer', organization);
      const [role] = await world.database.query(
        "INSERT INTO auth.roles (org_id, slug, name, role_level) VALUES ($1, 'custom', 'Custom', 10) RETURNING id",
        [world.organizationIds[organization]],
      );
      victims.set(organization, {
        person,
        userId: person.id,
        roleId: String(role?.['id']),
        sessionId: person.sessionId,
      });
    }
  });
  after(() => world?.destroy());

  /** Everything that an organization has, to see that nothing of it changed. */
  const snapshot = async (organization: Organization): Promise<string> => {
    const org = world.organizationIds[organization];
    const rows = await world.database.query(
      `SELECT (SELECT jsonb_agg(to_jsonb(u) ORDER BY id) FROM auth.users_extended u WHERE org_id = $1) AS users,
              (SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM auth.roles r WHERE org_id = $1) AS roles,
              (SELECT jsonb_agg(to_jsonb(s) ORDER BY id) FROM auth.user_sessions s WHERE org_id = $1) AS sessions,
              (SELECT jsonb_agg(to_jsonb(ur) ORDER BY ur.user_id, ur.role_id) FROM auth.user_roles ur JOIN auth.roles r ON r.id = ur.role_id WHERE r.org_id = $1) AS held,
              (SELECT jsonb_agg(to_jsonb(up) ORDER BY up.user_id, up.permission_id) FROM auth.user_permissions up JOIN auth.users_extended u ON u.id = up.user_id WHERE u.org_id = $1) AS grants`,
      [org],
    );
    return JSON.stringify(rows[0]);
  };
  const denials = async (person: Person): Promise<number> => {
    const rows = await world.database.query(
      "SELECT 1 FROM auth.audit_events WHERE user_id = $1 AND event_type = 'access_denied'",
      [person.id],
    );
    return rows.length;
  };
  const may = async (person: Person, permission: string): Promise<boolean> => {
    const [row] = await world.database.query(
      `SELECT EXISTS (SELECT 1 FROM auth.get_user_permissions($1) g WHERE g.permission_name = $2) AS may`,
      [person.id, permission],
    );
    return row?.['may'] === true;
  };

  it('Property 24: Permission Verification: an endpoint opens exactly to who has its permission now, by role, grant or denial', async function () {
    this.timeout(120_000);
    const reading = fc.constantFrom(...DOORS.filter(({ method }) => method === 'GET'));
    await fc.assert(
      fc.asyncProperty(
        reading,
        fc.constantFrom(...ROLES),
        fc.constantFrom('granted', 'denied', 'ended', 'none'),
        async (asked, role, direct) => {
          const person = one(role);
          await world.database.query('DELETE FROM auth.user_permissions WHERE user_id = $1', [person.id]);
          if (direct !== 'none') {
            await world.database.query(
              `INSERT INTO auth.user_permissions (user_id, permission_id, is_granted, expires_at)
             SELECT $1, id, $3, $4 FROM auth.permissions WHERE name = $2`,
              [person.id, asked.permission, direct !== 'denied', direct === 'ended' ? new Date(0) : null],
            );
          }
          const { status } = await world.as(person, asked.method, asked.path(victim('first')));
          expect(status, `${role} ${direct} ${asked.permission}`).to.equal(
            (await may(person, asked.permission)) ? 200 : 403,
          );
          await world.database.query('DELETE FROM auth.user_permissions WHERE user_id = $1', [person.id]);
        },
      ),
      { numRuns: RUNS * 2 },
    );
  });

  it('Property 25: Tenant Isolation for Non-Admins: who is no administrator gets nothing of another organization, by any endpoint, named or not', async function () {
    this.timeout(120_000);
    const before = await snapshot('second');
    await fc.assert(
      fc.asyncProperty(
        door,
        fc.constantFrom('manager' as const, 'user' as const, 'viewer' as const),
        fc.boolean(),
        async (asked, role, isNamed) => {
          const query = isNamed ? `?organizationId=${world.organizationIds.second}` : '';
          const answer = await world.as(one(role), asked.method, `${asked.path(victim('second'))}${query}`, {
            body: asked.body,
          });
          expect([403, 404]).to.include(answer.status);
        },
      ),
      { numRuns: RUNS * 2 },
    );
    expect(await snapshot('second')).to.equal(before);
  });

  it('Property 26: Super Admin Cross-Tenant Access: a super administrator reads and changes any organization that he names, and both trails show it', async function () {
    this.timeout(120_000);
    const root = one('super_admin');
    const query = `?organizationId=${world.organizationIds.second}`;
    const reading = fc.constantFrom(...DOORS.filter(({ method }) => method === 'GET'));
    await fc.assert(
      fc.asyncProperty(reading, async (asked) => {
        expect((await world.as(root, asked.method, `${asked.path(victim('second'))}${query}`)).status).to.equal(200);
        // Without the name it is somebody else's, as for everybody.
        expect((await world.as(root, asked.method, asked.path(victim('second')))).status).to.equal(404);
      }),
      { numRuns: RUNS },
    );
    const { userId } = victim('second');
    const changed = await world.as(root, 'PATCH', `/users/${userId}${query}`, { body: { displayName: 'Seen to' } });
    expect(changed.body).to.include({ displayName: 'Seen to' });
    const [there] = await world.trail('admin.users.update', 'second');
    expect(there).to.nested.include({
      user_id: userId,
      'metadata.actorId': root.id,
      'metadata.actorOrganizationId': world.organizationIds.first,
    });
    const [here] = await world.trail('admin.users.update');
    expect(here).to.nested.include({ user_id: root.id, 'metadata.crossedInto': world.organizationIds.second });
  });

  it('Property 27: Tenant Admin Restriction: an administrator stays in his organization, whatever he names', async function () {
    this.timeout(120_000);
    const admin = one('admin');
    const before = await snapshot('second');
    await fc.assert(
      fc.asyncProperty(door, fc.boolean(), fc.boolean(), async (asked, isNamed, hasHeader) => {
        const query = isNamed ? `?organizationId=${world.organizationIds.second}` : '';
        const headers = hasHeader
          ? { 'x-tenant-id': world.organizationIds.second, 'x-organization-id': world.organizationIds.second }
          : {};
        const answer = await world.as(admin, asked.method, `${asked.path(victim('second'))}${query}`, {
          body: asked.body,
          headers,
        });
        expect(codeOf(answer)).to.equal('404 not-found');
      }),
      { numRuns: RUNS * 2 },
    );
    expect(await snapshot('second')).to.equal(before);
    const listed = await world.as(admin, 'GET', `/users?organizationId=${world.organizationIds.second}`);
    expect(codeOf(listed)).to.equal('404 not-found');
  });

  it('another organization, one that is not there, and an account that is not there answer with the same bytes', async () => {
    const headers = { 'x-request-id': 'the-same-id' };
    const nowhere = '00000000-0000-4000-8000-00000000dead';
    const { userId } = victim('second');
    const answers = await Promise.all(
      [
        `/users/${userId}`,
        `/users/${nowhere}`,
        `/users/${userId}?organizationId=${world.organizationIds.second}`,
        `/users/${userId}?organizationId=${nowhere}`,
        `/users?organizationId=${nowhere}`,
      ].map((path) => world.as(one('admin'), 'GET', path, { headers })),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).to.equal(1);
  });

  it('Property 28: Authorization Failure Logging: every refusal leaves one event with who, what and why', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(
        door,
        fc.constantFrom('manager' as const, 'user' as const, 'viewer' as const),
        async (asked, role) => {
          const person = one(role);
          const before = await denials(person);
          const target = { ...victim('first'), userId: one('admin').id };
          const { status } = await world.as(person, asked.method, asked.path(target), { body: asked.body });
          if (status < 400) return;
          expect([403, 404]).to.include(status);
          expect(await denials(person)).to.equal(before + 1);
          const [event] = await world.database.query(
            "SELECT * FROM auth.audit_events WHERE user_id = $1 AND event_type = 'access_denied' ORDER BY created_at DESC LIMIT 1",
            [person.id],
          );
          expect(event).to.include({ org_id: world.organizationIds.first, severity: 'warning' });
        },
      ),
      { numRuns: RUNS * 2 },
    );
  });

  it('Property 29: Tenant Filtering on Queries: a list shows every row of the session’s organization and no other', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('first' as const, 'second' as const),
        fc.constantFrom('super_admin' as const, 'admin' as const),
        async (organization, role) => {
          const person = one(role, organization);
          const users = await world.as(person, 'GET', '/users?limit=100');
          const roles = await world.as(person, 'GET', '/roles');
          const idsOf = (list: unknown) => (list as readonly { readonly id: string }[]).map(({ id }) => id).toSorted();
          const expected = async (table: string) =>
            (
              await world.database.query(`SELECT id FROM auth.${table} WHERE org_id = $1`, [
                world.organizationIds[organization],
              ])
            )
              .map(({ id }) => String(id))
              .toSorted();
          expect(idsOf(users.body['users'])).to.deep.equal(await expected('users_extended'));
          expect(idsOf(roles.body['roles'])).to.deep.equal(await expected('roles'));
        },
      ),
      { numRuns: 8 },
    );
  });

  it('Property 30: Tenant Ownership Verification: a thing of another organization beside one’s own opens nothing', async function () {
    this.timeout(120_000);
    const before = await snapshot('second');
    const mine = victim('first');
    const theirs = victim('second');
    const mixtures: readonly Things[] = [
      { ...mine, roleId: theirs.roleId },
      { ...theirs, roleId: mine.roleId },
      { ...mine, sessionId: theirs.sessionId },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...mixtures),
        fc.constantFrom(...DOORS.slice(8, 9), ...DOORS.slice(12, 14)),
        async (things, asked) => {
          const isMine = asked.path(things) === asked.path(mine);
          fc.pre(!isMine);
          const answer = await world.as(one('super_admin'), asked.method, asked.path(things), { body: asked.body });
          expect(codeOf(answer)).to.equal('404 not-found');
        },
      ),
      { numRuns: RUNS },
    );
    expect(await snapshot('second')).to.equal(before);
    expect((await world.api.validate(theirs.person.accessToken)).status).to.equal(200);
  });

  it('Property 32: Cross-Tenant Access Logging: who names another organization, or a thing of it, is written down in his own', async function () {
    this.timeout(120_000);
    const admin = one('admin');
    await fc.assert(
      fc.asyncProperty(door, fc.boolean(), async (asked, isNamed) => {
        const before = await denials(admin);
        const query = isNamed ? `?organizationId=${world.organizationIds.second}` : '';
        await world.as(admin, asked.method, `${asked.path(victim('second'))}${query}`, { body: asked.body });
        expect(await denials(admin)).to.equal(before + 1);
        const [event] = await world.database.query(
          "SELECT metadata, org_id FROM auth.audit_events WHERE user_id = $1 AND event_type = 'access_denied' ORDER BY created_at DESC LIMIT 1",
          [admin.id],
        );
        expect(event).to.include({ org_id: world.organizationIds.first });
        expect(event?.['metadata']).to.include({ actorId: admin.id, reason: 'not-found' });
        if (isNamed) expect(event?.['metadata']).to.include({ organizationId: world.organizationIds.second });
      }),
      { numRuns: RUNS },
    );
    const trail = await world.database.query(
      "SELECT 1 FROM auth.audit_events WHERE org_id = $1 AND metadata ->> 'actorId' = $2",
      [world.organizationIds.second, admin.id],
    );
    expect(trail, 'nothing of it in the other organization').to.have.length(0);
  });
});
