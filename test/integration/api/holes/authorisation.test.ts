/** Holes of other systems that were about who may do what: each test is named after the one that it would have found. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Client } from 'pg';
import PostalMime from 'postal-mime';
import { codeOf, type Person, World } from '../../../support/admin.ts';
import { PASSWORD } from '../../../support/api.ts';
import { eventually } from '../../../support/eventually.ts';
import { TestRedis } from '../../../support/redis.ts';

describe('holes: authorisation', () => {
  let world: World;
  let redis: TestRedis;
  let folder: string;
  let admin: Person;
  let manager: Person;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-mail-'));
    redis = await TestRedis.start();
    world = await World.create({ redisUrl: redis.url, env: { MAIL_FOLDER: folder } });
    admin = await world.person('admin');
    manager = await world.person('manager');
  });
  after(async () => {
    await world?.destroy();
    await redis?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The token in the newest mail to this address with this subject. */
  const tokenTo = (email: string, subject = 'You are invited'): Promise<string> =>
    eventually(`a mail to ${email}`, 5_000, async () => {
      for (const file of await readdir(folder)) {
        if (!file.endsWith('.eml')) continue;
        const mail = await PostalMime.parse(await readFile(join(folder, file)));
        if (mail.subject !== subject || mail.to?.[0]?.address !== email) continue;
        const token = /lko1\.[\w-]+\.[\w-]+/.exec(mail.text ?? '')?.[0];
        if (token !== undefined) return token;
      }
      return undefined;
    });
  const invite = (email: string, by: Person = admin, body: Readonly<Record<string, unknown>> = {}) =>
    world.as(by, 'POST', '/users', { body: { email, ...body } });
  const accept = (token: string, newPassword = PASSWORD) =>
    world.api.post('/api/v1/auth/accept-invitation', { token, newPassword });

  describe('GHSA-fmh4-wcc4-5jm3: an invitation is for the address that it was sent to', () => {
    it('sets the password of its own account, once, and proves its address', async () => {
      const invited = await invite('invited@example.com', manager, { firstName: 'Ada' });
      expect(invited.status, invited.text).to.equal(201);
      expect(invited.body).to.include({ status: 'invited', level: 40, emailVerified: false });
      expect(codeOf(await invite('invited@example.com'))).to.equal('409 email-taken');
      const token = await tokenTo('invited@example.com');
      expect(codeOf(await accept(token, 'short'))).to.equal('400 invalid-request');
      const both = await Promise.all([accept(token), accept(token)]);
      expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).to.deep.equal([204, 400]);
      expect(codeOf(await accept(token))).to.equal('400 link-invalid');
      const login = await world.api.post('/api/v1/auth/login', { email: 'invited@example.com', password: PASSWORD });
      expect(login.status).to.equal(200);
      const seen = await world.as(admin, 'GET', `/users/${String(invited.body['id'])}`);
      expect(seen.body).to.include({ status: 'active', emailVerified: true });
    });

    it('is worth nothing for another address, on another endpoint, for another account, or once a password is set', async () => {
      const invited = await invite('moved@example.com');
      const token = await tokenTo('moved@example.com');
      expect(codeOf(await world.api.post('/api/v1/auth/reset-password', { token, newPassword: PASSWORD }))).to.equal(
        '400 link-invalid',
      );
      expect(codeOf(await world.api.post('/api/v1/auth/verify-email', { token }))).to.equal('400 link-invalid');
      await world.database.query("UPDATE auth.users_extended SET email = 'elsewhere@example.com' WHERE id = $1", [
        invited.body['id'],
      ]);
      expect(codeOf(await accept(token))).to.equal('400 link-invalid');
      await world.database.query(
        "UPDATE auth.users_extended SET email = 'moved@example.com', password_hash = 'x' WHERE id = $1",
        [invited.body['id']],
      );
      expect(codeOf(await accept(token))).to.equal('400 link-invalid');
      await world.database.query(
        'UPDATE auth.users_extended SET password_hash = NULL, is_active = false WHERE id = $1',
        [invited.body['id']],
      );
      expect(codeOf(await accept(token))).to.equal('400 link-invalid');
    });

    it('gives no role that the inviter may not give, and no role of another organization', async () => {
      for (const role of ['manager', 'admin', 'super_admin']) {
        expect(codeOf(await invite(`${role}@example.com`, manager, { roles: [role] })), role).to.equal(
          '403 level-too-low',
        );
      }
      expect(codeOf(await invite('x@example.com', manager, { roles: ['nothing'] }))).to.equal('400 invalid-request');
      const rows = await world.database.query("SELECT 1 FROM auth.users_extended WHERE email = 'admin@example.com'");
      expect(rows).to.have.length(0);
    });

    it('is sent again on demand, and not to who has accepted', async () => {
      const invited = await invite('again@example.com');
      const path = `/users/${String(invited.body['id'])}/invitation`;
      const first = await tokenTo('again@example.com');
      expect((await world.as(admin, 'POST', path)).status).to.equal(204);
      expect((await accept(first)).status).to.equal(204);
      expect(codeOf(await world.as(admin, 'POST', path))).to.equal('409 conflict');
    });
  });

  it('CVE-2026-27946: no endpoint of the profile or the admin API takes a field that says what is not its to say', async () => {
    const person = await world.person('user');
    const fields = {
      emailVerified: true,
      email_verified: true,
      email: 'x@example.com',
      id: person.id,
      org_id: world.organizationIds.second,
      organizationId: world.organizationIds.second,
      roles: ['admin'],
      level: 100,
      isActive: true,
      is_active: true,
      passwordHash: 'x',
      password: PASSWORD,
      permissions: ['users:manage'],
      mustChangePassword: false,
      deletedAt: null,
      constructor: 1,
      is_system_role: true,
    };
    const bodies: readonly (readonly [string, string, Readonly<Record<string, unknown>>, readonly string[]])[] = [
      ['PATCH', '/api/v1/users/profile', { firstName: 'A' }, []],
      ['PATCH', '/api/v1/users/preferences', { language: 'en' }, []],
      ['PATCH', `/api/v1/admin/users/${person.id}`, { firstName: 'A' }, ['mustChangePassword']],
      ['POST', '/api/v1/admin/users', { email: 'mass@example.com' }, ['email', 'roles']],
      ['POST', '/api/v1/admin/roles', { slug: 'mass', name: 'm', level: 1, permissions: [] }, ['level', 'permissions']],
      ['PUT', `/api/v1/admin/users/${person.id}/permissions/users:read`, { isGranted: true }, []],
    ];
    for (const [method, path, body, own] of bodies) {
      const bearer = path.includes('/admin/') ? admin.accessToken : person.accessToken;
      for (const [name, value] of Object.entries(fields)) {
        if (own.includes(name)) continue;
        const answer = await world.api.send(method, path, { bearer, body: { ...body, [name]: value } });
        expect(codeOf(answer), `${method} ${path} ${name}`).to.equal('400 invalid-request');
        expect(answer.text).to.include(name);
      }
    }
    const [row] = await world.database.query(
      'SELECT email, email_verified, org_id FROM auth.users_extended WHERE id = $1',
      [person.id],
    );
    expect(row).to.include({ email: person.email, org_id: world.organizationIds.first });
  });

  describe('GHSA-2vg6-77g8-24mp: no session outlives its account', () => {
    for (const [name, method, path] of [
      ['disabled', 'POST', '/disable'],
      ['deleted', 'DELETE', ''],
    ] as const) {
      it(`a ${name} account's sessions are dead in PostgreSQL and in Redis, on every pod, by every token`, async () => {
        const person = await world.person('user');
        const sessions = [person, await world.relogin(person), await world.relogin(person)];
        // Twice on each pod, so that both have every session in their memory and in Redis.
        for (const pod of [world.api, world.other, world.api, world.other]) {
          for (const { accessToken } of sessions) expect((await pod.validate(accessToken)).status).to.equal(200);
        }
        const closed = await world.as(admin, method, `/users/${person.id}${path}`);
        expect(closed.status).to.be.below(300);
        const live = await world.database.query(
          "SELECT 1 FROM auth.user_sessions WHERE user_id = $1 AND status = 'active'",
          [person.id],
        );
        expect(live).to.have.length(0);
        for (const { accessToken } of sessions) expect((await world.api.validate(accessToken)).status).to.equal(401);
        await eventually('the other pod hears of it', 1_000, async () => {
          const answers = await Promise.all(sessions.map(({ accessToken }) => world.other.validate(accessToken)));
          return answers.every(({ status }) => status === 401);
        });
        await redis.kill();
        for (const { accessToken, refreshToken } of sessions) {
          expect((await world.api.validate(accessToken)).status).to.equal(401);
          expect((await world.api.me(accessToken)).status).to.equal(401);
          expect((await world.api.refresh(refreshToken)).status).to.equal(401);
        }
        await redis.start();
        for (const { accessToken } of sessions) {
          await eventually(
            'the other pod knows too',
            2_000,
            async () => (await world.other.validate(accessToken)).status === 401,
          );
        }
      });
    }

    it('who logs in while the account is being disabled is left with no live session', async () => {
      for (let round = 0; round < 5; round += 1) {
        const person = await world.person('user');
        const [, ...logins] = await Promise.all([
          world.as(admin, 'POST', `/users/${person.id}/disable`),
          ...Array.from({ length: 4 }, () => world.login(person)),
        ]);
        for (const { status, body } of logins) {
          if (status === 200) expect((await world.api.validate(String(body['accessToken']))).status).to.equal(401);
        }
      }
    });
  });

  describe('CVE-2026-17526: who administers cannot make himself or his friend more than he is', () => {
    it('not by a role, not by a permission, not by editing a role he holds, not through a friend, not by lifting a denial', async () => {
      const friend = await world.person('user');
      const roleOf = (slug: string) => world.roleId(slug);
      const custom = await world.as(admin, 'POST', '/roles', {
        body: { slug: 'helper', name: 'Helper', level: 50, permissions: [] },
      });
      const helper = String(custom.body['id']);
      const tries: readonly (readonly [Person, string, string, unknown])[] = [
        [admin, 'PUT', `/users/${admin.id}/roles/${await roleOf('super_admin')}`, {}],
        [admin, 'PUT', `/users/${friend.id}/roles/${await roleOf('super_admin')}`, {}],
        [admin, 'PUT', `/users/${friend.id}/roles/${await roleOf('admin')}`, {}],
        [manager, 'PUT', `/users/${friend.id}/roles/${await roleOf('manager')}`, {}],
        [manager, 'PUT', `/users/${manager.id}/roles/${helper}`, {}],
        [admin, 'PUT', `/users/${admin.id}/permissions/system_config:update`, { isGranted: true }],
        [admin, 'PUT', `/users/${friend.id}/permissions/system_config:update`, { isGranted: true }],
        [admin, 'PATCH', `/roles/${helper}`, { permissions: ['system_config:update'] }],
        [admin, 'PATCH', `/roles/${helper}`, { level: 99 }],
        [admin, 'POST', '/roles', { slug: 'more', name: 'More', level: 99, permissions: [] }],
      ];
      const before = await world.database.query('SELECT * FROM auth.user_roles ORDER BY user_id, role_id');
      for (const [actor, method, path, body] of tries) {
        expect(codeOf(await world.as(actor, method, path, { body })), `${method} ${path}`).to.equal(
          '403 level-too-low',
        );
      }
      expect(await world.database.query('SELECT * FROM auth.user_roles ORDER BY user_id, role_id')).to.deep.equal(
        before,
      );
    });

    it('not by being quicker than his own demotion: what he may is read under the lock that the demotion holds', async () => {
      const falling = await world.person('admin');
      const friend = await world.person('user');
      const managerRole = await world.roleId('manager');
      const demotion = new Client({ connectionString: world.database.ownerUrl });
      await demotion.connect();
      try {
        await demotion.query('BEGIN');
        await demotion.query("SELECT pg_advisory_xact_lock(hashtextextended('latchkey.authority ' || $1, 0))", [
          world.organizationIds.first,
        ]);
        const promotion = world.as(falling, 'PUT', `/users/${friend.id}/roles/${managerRole}`, { body: {} });
        await eventually('the promotion waits', 5_000, async () => {
          const waiting = await world.database.query(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
          );
          return waiting.length > 0;
        });
        await demotion.query('DELETE FROM auth.user_roles WHERE user_id = $1', [falling.id]);
        await demotion.query('COMMIT');
        expect(codeOf(await promotion)).to.equal('403 level-too-low');
      } finally {
        await demotion.end();
      }
    });
  });
});
