-- Who reads everything for a backup: a group role that sees every tenant's rows and can change none (docs/adr/0033-backup.md). Without it a
-- backup would need a superuser, since row level security is forced on the owner too. Expand-only: the release before does not know it.

-- Roles belong to the whole server, so another database of it may be creating this one at this moment.
DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'latchkey_backup') THEN
    CREATE ROLE latchkey_backup NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END $$;

-- The owner may become it, so that one address is enough to take a backup; it does not see more without becoming it. Where an administrator
-- made the role for another database, the owner cannot grant it, and `latchkey backup` says who must.
DO $$
BEGIN
  EXECUTE format('GRANT latchkey_backup TO %I', current_user)
    || CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'an administrator must GRANT latchkey_backup TO % before it can take backups', current_user;
END $$;

-- For the tables of this migration and for those that later ones add: called by each migration that makes a table.
CREATE FUNCTION latchkey.let_backup_read() RETURNS void
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  t record;
BEGIN
  FOR t IN
    SELECT n.nspname, c.relname, c.relrowsecurity, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND (n.nspname IN ('auth', 'latchkey') OR (n.nspname = 'public' AND c.relname = 'organization'))
  LOOP
    EXECUTE format('GRANT SELECT ON %I.%I TO latchkey_backup', t.nspname, t.relname);
    IF t.relrowsecurity AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_policy WHERE polrelid = t.oid AND polname = 'backup_reads') THEN
      EXECUTE format('CREATE POLICY backup_reads ON %I.%I FOR SELECT TO latchkey_backup USING (true)', t.nspname, t.relname);
    END IF;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION latchkey.let_backup_read() FROM PUBLIC;

GRANT USAGE ON SCHEMA public, auth, latchkey TO latchkey_backup;
-- The tenant's policies are asked beside the backup's own.
GRANT EXECUTE ON FUNCTION auth.current_tenant() TO latchkey_backup;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA auth, latchkey TO latchkey_backup;
SELECT latchkey.let_backup_read();
