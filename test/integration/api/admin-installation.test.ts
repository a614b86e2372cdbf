/** The admin API on what is not an account: organizations, feature flags, configuration. */
import { expect } from 'chai';
import { codeOf, type Person, World } from '../../support/admin.ts';
import { eventually } from '../../support/eventually.ts';

describe('administration of the installation', () => {
  let world: World;
  let root: Person;
  let admin: Person;
  let user: Person;

  before(async () => {
    world = await World.create();
    root = await world.person('super_admin');
    admin = await world.person('admin');
    user = await world.person('user');
  });
  after(() => world?.destroy());

  describe('organizations', () => {
    it('are opened by a super administrator with five roles, and seen by their own', async () => {
      const made = await world.as(root, 'POST', '/organizations', { body: { slug: 'third', name: 'Third' } });
      expect(made.status, made.text).to.equal(201);
      const roles = await world.as(root, 'GET', `/roles?organizationId=${String(made.body['id'])}`);
      expect(roles.body['roles']).to.have.length(5);
      expect(codeOf(await world.as(root, 'POST', '/organizations', { body: { slug: 'third', name: 'X' } }))).to.equal(
        '409 conflict',
      );
      expect(codeOf(await world.as(admin, 'POST', '/organizations', { body: { slug: 'x', name: 'X' } }))).to.equal(
        '403 permission-missing',
      );
      const listed = async (person: Person) =>
        (
          (await world.as(person, 'GET', '/organizations')).body['organizations'] as readonly {
            readonly slug: string;
          }[]
        ).map(({ slug }) => slug);
      expect(await listed(root)).to.have.members(['default', 'second', 'third']);
      expect(await listed(admin)).to.deep.equal(['default']);
    });
  });

  describe('feature flags and configuration', () => {
    const flagsOf = async (person: Person) =>
      (await world.api.get('/api/v1/feature-flags', { bearer: person.accessToken })).body['flags'] as Record<
        string,
        boolean
      >;

    it('an organization’s flag replaces the installation’s, which only a super administrator sets', async () => {
      const body = { isEnabled: true, rolloutPercentage: 100 };
      expect(codeOf(await world.as(admin, 'PUT', '/feature-flags/beta?owner=installation', { body }))).to.equal(
        '403 level-too-low',
      );
      expect((await world.as(root, 'PUT', '/feature-flags/beta?owner=installation', { body })).body).to.include({
        owner: 'installation',
      });
      expect(await flagsOf(user)).to.include({ beta: true, auth_rollout: true });
      await world.as(admin, 'PUT', '/feature-flags/beta', { body: { isEnabled: false, rolloutPercentage: 100 } });
      expect(await flagsOf(user)).to.include({ beta: false });
      expect(await flagsOf(await world.person('user', 'second'))).to.include({ beta: true });
      expect((await world.as(admin, 'DELETE', '/feature-flags/beta')).status).to.equal(204);
      expect(await flagsOf(user)).to.include({ beta: true });
      expect(codeOf(await world.as(admin, 'DELETE', '/feature-flags/beta'))).to.equal('404 not-found');
      const events = await world.trail('admin.feature-flags.delete');
      const event = events.find(({ event_type }) => event_type === 'feature_flag_changed');
      expect(event).to.nested.include({ event_type: 'feature_flag_changed', 'old_values.name': 'beta' });
    });

    it('maintenance is switched on and off through the API, while everything else is closed', async () => {
      const set = (value: unknown) => world.as(root, 'PUT', '/system-config/maintenance_mode', { body: { value } });
      expect(
        codeOf(await world.as(admin, 'PUT', '/system-config/maintenance_mode', { body: { value: true } })),
      ).to.equal('403 permission-missing');
      expect(codeOf(await set('yes'))).to.equal('400 invalid-request');
      expect(codeOf(await world.as(root, 'PUT', '/system-config/other', { body: { value: 1 } }))).to.equal(
        '400 invalid-request',
      );
      expect((await set(true)).status).to.equal(204);
      expect(codeOf(await world.as(root, 'GET', '/users'))).to.equal('503 maintenance');
      expect((await world.as(root, 'GET', '/system-config')).body['entries']).to.deep.include.members([]);
      expect((await set(false)).status).to.equal(204);
      expect((await world.as(root, 'GET', '/users')).status).to.equal(200);
      await eventually(
        'the other pod follows',
        2_000,
        async () => (await world.login(await world.person('user', 'second'))).status === 200,
      );
      expect((await world.as(root, 'DELETE', '/system-config/maintenance_mode')).status).to.equal(204);
      const [event] = await world.trail('admin.system-config.put');
      expect(event).to.deep.include({
        old_values: { maintenance_mode: true },
        new_values: { maintenance_mode: false },
      });
    });
  });
});
