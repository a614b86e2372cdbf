/**
 * Gives the login role of DATABASE_URL the application's rights, and makes the role where it is missing. Called by `db.ts migrate`, so that
 * one command takes an empty server to one that the API can use.
 */
import { type Client, escapeIdentifier, escapeLiteral } from 'pg';

/** The role and password inside a connection URL. */
const credentialsOf = (url: string): { readonly role: string; readonly password: string } => {
  const { username, password } = new URL(url);
  return { role: decodeURIComponent(username), password: decodeURIComponent(password) };
};

/** Idempotent; a role that exists keeps its password. @throws the driver's error when the owner may not create roles. */
export const ensureLoginRole = async (client: Client, applicationUrl: string): Promise<string> => {
  const { role, password } = credentialsOf(applicationUrl);
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
  if (rowCount === 0) {
    const create = `CREATE ROLE ${escapeIdentifier(role)} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD ${escapeLiteral(password)}`;
    await client.query(create).catch((error: unknown) => {
      // Two pods at once: the other one was faster.
      if (!(error instanceof Error && 'code' in error && (error.code === '42710' || error.code === '23505')))
        throw error;
    });
  }
  // Granting needs ADMIN OPTION even where it would change nothing; an administrator may have granted it already, without giving us that.
  const { rows } = await client.query<{ isMember: boolean }>(
    `SELECT pg_has_role($1, 'latchkey_app', 'MEMBER') AS "isMember"`,
    [role],
  );
  if (rows[0]?.isMember !== true) await client.query(`GRANT latchkey_app TO ${escapeIdentifier(role)}`);
  return role;
};

/** The same for the API's address in an environment, where it is another role than the owner's; undefined where it is not. */
export const ensureApplicationRole = async (
  client: Client,
  { DATABASE_URL: application, MIGRATION_DATABASE_URL: owner }: Readonly<NodeJS.ProcessEnv>,
): Promise<string | undefined> => {
  const hasOwnRole =
    application !== undefined && owner !== undefined && new URL(application).username !== new URL(owner).username;
  return hasOwnRole ? await ensureLoginRole(client, application) : undefined;
};
