-- Takes the backup's rights in this database back. The role stays: it belongs to the whole server, and another database may use it.
DO $$
DECLARE
  t record;
BEGIN
  FOR t IN SELECT polrelid::regclass AS name FROM pg_policy WHERE polname = 'backup_reads' LOOP
    EXECUTE format('DROP POLICY backup_reads ON %s', t.name);
  END LOOP;
END $$;
DROP FUNCTION latchkey.let_backup_read();
REVOKE ALL ON ALL TABLES IN SCHEMA auth, latchkey FROM latchkey_backup;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA auth, latchkey FROM latchkey_backup;
REVOKE ALL ON public.organization FROM latchkey_backup;
REVOKE EXECUTE ON FUNCTION auth.current_tenant() FROM latchkey_backup;
REVOKE USAGE ON SCHEMA public, auth, latchkey FROM latchkey_backup;
