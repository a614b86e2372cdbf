/** Accounts with roles in several organizations. Called by the tests of permissions, tenants and the admin API. */
import { type Answer, Api, PASSWORD, type RequestOptions, type Tokens, tokensOf } from './api.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

export type Organization = 'first' | 'second';
export type RoleSlug = 'super_admin' | 'admin' | 'manager' | 'user' | 'viewer';

export interface Person extends Tokens {
  readonly id: string;
  readonly email: string;
  readonly organization: Organization;
}

/** `403 level-too-low`, or the status alone. */
export const codeOf = ({ status, body }: Answer): string =>
  typeof body['code'] === 'string' ? `${status} ${body['code']}` : `${status}`;

let people = 0;

/** Two organizations, and one API for each as their default, with the same keys: a token of one is a token at the other. */
export class World {
  readonly database: TestDatabase;
  readonly organizationIds: Readonly<Record<Organization, string>>;
  readonly #apis: Readonly<Record<Organization, Api>>;

  private constructor(database: TestDatabase, ids: Record<Organization, string>, apis: Record<Organization, Api>) {
    this.database = database;
    this.organizationIds = ids;
    this.#apis = apis;
  }

  static async create(
    options: { readonly redisUrl?: string; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<World> {
    const database = await createTestDatabase();
    const [first] = await database.query("SELECT id FROM public.organization WHERE slug = 'default'");
    const [second] = await database.query(
      "INSERT INTO public.organization (name, slug) VALUES ('Second', 'second') RETURNING id",
    );
    const ids = { first: String(first?.['id']), second: String(second?.['id']) };
    await database.query('SELECT auth.create_system_roles($1)', [ids.second]);
    const start = (slug: string) =>
      Api.start({ ...options, databaseUrl: database.url, env: { ...options.env, DEFAULT_ORGANIZATION: slug } });
    return new World(database, ids, { first: await start('default'), second: await start('second') });
  }

  async destroy(): Promise<void> {
    await Promise.all(Object.values(this.#apis).map((api) => api.stop()));
    await this.database.drop();
  }

  /** Whose default organization it is says nothing about whose tokens it takes. */
  get api(): Api {
    return this.#apis.first;
  }

  /** Another pod of the same installation. */
  get other(): Api {
    return this.#apis.second;
  }

  async person(role: RoleSlug, organization: Organization = 'first'): Promise<Person> {
    const api = this.#apis[organization];
    const email = `person-${(people += 1)}@example.com`;
    await api.register(email);
    const [row] = await this.database.query('SELECT id FROM auth.users_extended WHERE email = $1 AND org_id = $2', [
      email,
      this.organizationIds[organization],
    ]);
    const id = String(row?.['id']);
    await this.setRole(id, role, organization);
    return { id, email, organization, ...(await api.login(email)) };
  }

  /** The account has this role and no other. */
  async setRole(userId: string, role: RoleSlug, organization: Organization = 'first'): Promise<void> {
    await this.database.query('DELETE FROM auth.user_roles WHERE user_id = $1', [userId]);
    await this.database.query('INSERT INTO auth.user_roles (user_id, role_id) VALUES ($1, $2)', [
      userId,
      await this.roleId(role, organization),
    ]);
  }

  async roleId(slug: string, organization: Organization = 'first'): Promise<string> {
    const [row] = await this.database.query('SELECT id FROM auth.roles WHERE slug = $1 AND org_id = $2', [
      slug,
      this.organizationIds[organization],
    ]);
    return String(row?.['id']);
  }

  as(person: Tokens, method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    return this.api.send(method, `/api/v1/admin${path}`, { ...options, bearer: person.accessToken });
  }

  login(person: Person): Promise<Answer> {
    return this.#apis[person.organization].post('/api/v1/auth/login', { email: person.email, password: PASSWORD });
  }

  async relogin(person: Person): Promise<Tokens> {
    return tokensOf(await this.login(person));
  }

  /** What the audit trail of an organization says of an action, newest first. */
  async trail(
    action: string,
    organization: Organization = 'first',
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return this.database.query(
      'SELECT * FROM auth.audit_events WHERE action = $1 AND org_id = $2 ORDER BY created_at DESC',
      [action, this.organizationIds[organization]],
    );
  }
}
