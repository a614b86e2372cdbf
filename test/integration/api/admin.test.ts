/** The admin API: accounts, roles, permissions, organizations, flags and configuration, by role. */
import { expect } from 'chai';
import { codeOf, type Person, World } from '../../support/admin.ts';

describe('administration', () => {
  let world: World;
  let root: Person;
  let admin: Person;
  let manager: Person;
  let user: Person;

  before(async () => {
    world = await World.create();
    root = await world.person('super_admin');
    admin = await world.person('admin');
    manager = await world.person('manager');
    user = await world.person('user');
  });
  after(() => world?.destroy());

  describe('accounts', () => {
    it('are listed for those who manage them, not for everybody who may read users', async () => {
      for (const person of [root, admin, manager])
        expect((await world.as(person, 'GET', '/users')).status).to.equal(200);
      expect(codeOf(await world.as(user, 'GET', '/users'))).to.equal('403 permission-missing');
      expect(codeOf(await world.as(await world.person('viewer'), 'GET', '/users'))).to.equal('403 permission-missing');
    });

    it('come in pages that lose and repeat nobody, newest first', async () => {
      for (let n = 0; n < 7; n += 1) await world.api.register();
      const seen: string[] = [];
      let cursor = '';
      do {
        const { body } = await world.as(
          admin,
          'GET',
          `/users?limit=3${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
        );
        seen.push(...(body['users'] as readonly { readonly id: string }[]).map(({ id }) => id));
        cursor = (body['nextCursor'] as string | null) ?? '';
      } while (cursor !== '');
      const rows = await world.database.query(
        'SELECT id FROM auth.users_extended WHERE org_id = $1 ORDER BY created_at DESC, id DESC',
        [world.organizationIds.first],
      );
      expect(seen).to.deep.equal(rows.map(({ id }) => id));
    });

    it('are filtered by role, status and text, and what LIKE would take for a pattern is text', async () => {
      const { body } = await world.as(admin, 'GET', '/users?role=super_admin&status=active');
      expect((body['users'] as readonly { readonly id: string }[]).map(({ id }) => id)).to.deep.equal([root.id]);
      const bySearch = await world.as(admin, 'GET', `/users?search=${encodeURIComponent(user.email.toUpperCase())}`);
      expect(bySearch.body['users']).to.have.length(1);
      expect((await world.as(admin, 'GET', '/users?search=%25')).body['users']).to.have.length(0);
      for (const query of ['cursor=nonsense', 'limit=0', 'limit=101', 'status=x', 'limit=1&limit=2', 'unknown=1']) {
        expect(codeOf(await world.as(admin, 'GET', `/users?${query}`)), query).to.equal('400 invalid-request');
      }
    });

    it('are changed by somebody above them, with a trail of before and after', async () => {
      const target = await world.person('user');
      const changed = await world.as(manager, 'PATCH', `/users/${target.id}`, {
        body: { displayName: 'New <b>name</b>', mustChangePassword: true },
      });
      expect(changed.body).to.include({ displayName: 'New name', mustChangePassword: true });
      const [event] = await world.trail('admin.users.update');
      expect(event).to.deep.include({ event_type: 'user_updated', user_id: target.id });
      expect(event).to.nested.include({ 'new_values.displayName': 'New name', 'metadata.actorId': manager.id });
      expect(codeOf(await world.as(manager, 'PATCH', `/users/${admin.id}`, { body: { displayName: 'X' } }))).to.equal(
        '403 level-too-low',
      );
      expect(
        codeOf(await world.as(admin, 'PATCH', `/users/${target.id}`, { body: { email: 'a@example.com' } })),
      ).to.equal('400 invalid-request');
    });

    it('are disabled with all their sessions, enabled, unlocked and deleted', async () => {
      const target = await world.person('user');
      const disabled = await world.as(admin, 'POST', `/users/${target.id}/disable`);
      expect(disabled.body).to.include({ status: 'disabled' });
      expect((await world.api.validate(target.accessToken)).status).to.equal(401);
      expect((await world.api.refresh(target.refreshToken)).status).to.equal(401);
      expect((await world.login(target)).status).to.equal(401);
      expect((await world.as(admin, 'POST', `/users/${target.id}/enable`)).body).to.include({ status: 'active' });
      expect((await world.api.validate(target.accessToken)).status).to.equal(401);
      expect((await world.login(target)).status).to.equal(200);
      expect((await world.as(admin, 'POST', `/users/${target.id}/unlock`)).status).to.equal(204);
      expect(codeOf(await world.as(manager, 'DELETE', `/users/${target.id}`))).to.equal('403 permission-missing');
      expect((await world.as(admin, 'DELETE', `/users/${target.id}`)).status).to.equal(204);
      expect(codeOf(await world.as(admin, 'GET', `/users/${target.id}`))).to.equal('404 not-found');
      expect((await world.login(target)).status).to.equal(401);
    });

    it('lose a second factor whose owner lost it, with all their sessions, by somebody else above', async () => {
      const target = await world.person('user');
      const path = `/users/${target.id}/mfa`;
      expect(codeOf(await world.as(manager, 'DELETE', path))).to.equal('409 conflict');
      for (const { id } of [target, root]) {
        await world.database.query(
          `INSERT INTO latchkey.totp_factor (id, org_id, user_id, sealed_secret, key_id, confirmed_at) VALUES (gen_random_uuid(), $1, $2, 'x', 'x', now())`,
          [world.organizationIds.first, id],
        );
      }
      expect(codeOf(await world.as(root, 'DELETE', `/users/${root.id}/mfa`))).to.equal('403 level-too-low');
      expect((await world.as(manager, 'DELETE', path)).status).to.equal(204);
      expect((await world.api.validate(target.accessToken)).status).to.equal(401);
      expect((await world.login(target)).status).to.equal(200);
      const [event] = await world.trail('admin.users.mfa.reset');
      expect(event).to.include({ event_type: 'mfa_disabled', user_id: target.id });
    });

    it('show their sessions, which end one by one or all', async () => {
      const target = await world.person('user');
      const second = await world.relogin(target);
      const listed = await world.as(manager, 'GET', `/users/${target.id}/sessions`);
      expect((listed.body['sessions'] as readonly { readonly id: string }[]).map(({ id }) => id)).to.have.members([
        target.sessionId,
        second.sessionId,
      ]);
      const path = `/users/${target.id}/sessions`;
      expect((await world.as(manager, 'DELETE', `${path}/${target.sessionId}`)).status).to.equal(204);
      expect((await world.api.validate(target.accessToken)).status).to.equal(401);
      expect((await world.api.validate(second.accessToken)).status).to.equal(200);
      expect(codeOf(await world.as(manager, 'DELETE', `${path}/${admin.sessionId}`))).to.equal('404 not-found');
      expect((await world.as(manager, 'DELETE', path)).body).to.deep.equal({ ended: 1 });
      expect((await world.api.validate(second.accessToken)).status).to.equal(401);
      expect(codeOf(await world.as(manager, 'DELETE', `/users/${admin.id}/sessions`))).to.equal('403 level-too-low');
    });
  });

  describe('roles', () => {
    const draft = (slug: string, level: number, permissions: readonly string[]) => ({
      body: { slug, name: slug, level, permissions },
    });

    it('are made, changed and deleted below one’s own level, of permissions that one holds', async () => {
      const made = await world.as(admin, 'POST', '/roles', draft('auditor', 50, ['users:read', 'audit_events:read']));
      expect(made.status, made.text).to.equal(201);
      const path = `/roles/${String(made.body['id'])}`;
      expect(codeOf(await world.as(admin, 'POST', '/roles', draft('auditor', 50, [])))).to.equal('409 conflict');
      expect(codeOf(await world.as(admin, 'POST', '/roles', draft('boss', 80, [])))).to.equal('403 level-too-low');
      expect(codeOf(await world.as(admin, 'POST', '/roles', draft('cfg', 10, ['system_config:update'])))).to.equal(
        '403 level-too-low',
      );
      expect(codeOf(await world.as(admin, 'PATCH', path, { body: { level: 80 } }))).to.equal('403 level-too-low');
      expect(
        codeOf(await world.as(admin, 'PATCH', path, { body: { permissions: ['organizations:create'] } })),
      ).to.equal('403 level-too-low');
      const changed = await world.as(admin, 'PATCH', path, { body: { level: 55, permissions: ['users:read'] } });
      expect(changed.body).to.deep.include({ level: 55, permissions: ['users:read'] });
      expect(codeOf(await world.as(user, 'DELETE', path))).to.equal('403 permission-missing');
      expect((await world.as(admin, 'DELETE', path)).status).to.equal(204);
      expect(codeOf(await world.as(admin, 'GET', path))).to.equal('404 not-found');
    });

    it('of the system stay as they are, even for a super administrator', async () => {
      const id = await world.roleId('viewer');
      expect(codeOf(await world.as(root, 'PATCH', `/roles/${id}`, { body: { level: 1 } }))).to.equal('409 role-fixed');
      expect(codeOf(await world.as(root, 'DELETE', `/roles/${id}`))).to.equal('409 role-fixed');
    });

    it('that somebody above holds are not taken from him by deleting them', async () => {
      const made = await world.as(admin, 'POST', '/roles', draft('shared', 10, []));
      const id = String(made.body['id']);
      expect((await world.as(root, 'PUT', `/users/${root.id}/roles/${id}`, { body: {} })).status).to.equal(200);
      expect(codeOf(await world.as(admin, 'DELETE', `/roles/${id}`))).to.equal('403 level-too-low');
      expect((await world.as(root, 'DELETE', `/roles/${id}`)).status).to.equal(204);
    });

    it('are given and taken, for good or until a time', async () => {
      const target = await world.person('user');
      const managerRole = await world.roleId('manager');
      const path = `/users/${target.id}/roles/${managerRole}`;
      expect(codeOf(await world.as(manager, 'PUT', path, { body: {} }))).to.equal('403 level-too-low');
      const given = await world.as(admin, 'PUT', path, { body: { expiresAt: '2999-01-01T00:00:00.000Z' } });
      expect(given.body).to.include({ level: 60 });
      expect((await world.as(target, 'GET', '/users')).status).to.equal(200);
      await world.database.query(
        `UPDATE auth.user_roles SET expires_at = now() - interval '1 s' WHERE user_id = $1 AND role_id = $2`,
        [target.id, managerRole],
      );
      expect(codeOf(await world.as(target, 'GET', '/users'))).to.equal('403 permission-missing');
      expect((await world.as(admin, 'DELETE', path)).body).to.include({ level: 40 });
      expect(codeOf(await world.as(admin, 'DELETE', path))).to.equal('404 not-found');
      expect(codeOf(await world.as(admin, 'PUT', path, { body: { expiresAt: '2001-01-01T00:00:00Z' } }))).to.equal(
        '400 invalid-request',
      );
    });
  });

  describe('permissions', () => {
    it('are given and denied to one account, by somebody who holds them', async () => {
      const target = await world.person('user');
      const path = `/users/${target.id}/permissions`;
      const given = await world.as(admin, 'PUT', `${path}/users:manage`, { body: { isGranted: true } });
      expect(given.body['effective']).to.include('users:manage');
      expect((await world.as(target, 'GET', '/users')).status).to.equal(200);
      await world.as(admin, 'PUT', `${path}/users:manage`, { body: { isGranted: false } });
      expect((await world.as(target, 'GET', '/users')).status).to.equal(403);
      expect((await world.as(admin, 'DELETE', `${path}/users:manage`)).body['direct']).to.deep.equal([]);
      expect(codeOf(await world.as(admin, 'DELETE', `${path}/users:manage`))).to.equal('404 not-found');
      expect(
        codeOf(await world.as(admin, 'PUT', `${path}/system_config:update`, { body: { isGranted: true } })),
      ).to.equal('403 level-too-low');
      expect(
        codeOf(
          await world.as(admin, 'PUT', `/users/${admin.id}/permissions/users:read`, { body: { isGranted: true } }),
        ),
      ).to.equal('403 level-too-low');
      expect(codeOf(await world.as(root, 'PUT', `${path}/no:such`, { body: { isGranted: true } }))).to.match(/^40[34]/);
    });

    it('are listed for who may read them', async () => {
      const { body } = await world.as(admin, 'GET', '/permissions');
      expect(body['permissions']).to.have.length.greaterThanOrEqual(19);
      expect(codeOf(await world.as(manager, 'GET', '/permissions'))).to.equal('403 permission-missing');
    });
  });

  describe('the last super administrator', () => {
    it('stays, whoever asks and however', async () => {
      const role = await world.roleId('super_admin');
      const own = `/users/${root.id}`;
      expect(codeOf(await world.as(root, 'DELETE', `${own}/roles/${role}`))).to.equal('409 last-super-admin');
      expect(codeOf(await world.as(root, 'POST', `${own}/disable`))).to.equal('409 last-super-admin');
      expect(codeOf(await world.as(root, 'DELETE', own))).to.equal('409 last-super-admin');
      expect(
        codeOf(await world.as(root, 'PUT', `${own}/roles/${role}`, { body: { expiresAt: '2999-01-01T00:00:00Z' } })),
      ).to.equal('409 last-super-admin');
    });

    it('is left when two take the role from each other at once', async () => {
      const role = await world.roleId('super_admin');
      for (let round = 0; round < 5; round += 1) {
        const other = await world.person('super_admin');
        await Promise.all([
          world.as(other, 'DELETE', `/users/${root.id}/roles/${role}`),
          world.as(root, 'DELETE', `/users/${other.id}/roles/${role}`),
        ]);
        const left = await world.database.query('SELECT user_id FROM auth.user_roles WHERE role_id = $1', [role]);
        expect(left).to.have.length(1);
        await world.setRole(other.id, 'user');
        await world.setRole(root.id, 'super_admin');
      }
    });
  });
});
