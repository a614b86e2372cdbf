-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed.
SELECT 'the backup reads every table' AS name, count(*) = 0 AS passed, coalesce(string_agg(c.oid::regclass::text, ', '), 'all') AS detail
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN ('auth', 'latchkey')
  AND NOT (has_table_privilege('latchkey_backup', c.oid, 'SELECT')
    AND (NOT c.relrowsecurity OR EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'backup_reads')))
UNION ALL
SELECT 'the backup changes no table', count(*) = 0, coalesce(string_agg(c.oid::regclass::text, ', '), 'none')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('auth', 'latchkey')
  AND has_table_privilege('latchkey_backup', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
UNION ALL
SELECT 'the backup is no login and bypasses nothing', NOT (rolsuper OR rolbypassrls OR rolcanlogin), 'latchkey_backup'
FROM pg_roles WHERE rolname = 'latchkey_backup';
