-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed.
WITH parts AS (
  SELECT parent.relname AS parent, child.oid, child.relname, n.nspname, child.relrowsecurity AND child.relforcerowsecurity AS is_forced
  FROM pg_inherits i
  JOIN pg_class parent ON parent.oid = i.inhparent
  JOIN pg_class child ON child.oid = i.inhrelid
  JOIN pg_namespace n ON n.oid = child.relnamespace
  WHERE i.inhparent IN (to_regclass('auth.audit_events'), to_regclass('auth.login_history')) AND child.relkind = 'r'
), months AS (
  SELECT parent || to_char(now() AT TIME ZONE 'UTC' + make_interval(months => ahead), '_YYYY_MM') AS name
  FROM unnest(ARRAY['audit_events', 'login_history']) AS parent CROSS JOIN generate_series(0, 1) AS ahead
), tables AS (
  SELECT c.oid, c.relname, c.relrowsecurity AND c.relforcerowsecurity AS is_forced
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'latchkey' AND c.relname IN ('audit_pending', 'audit_seal', 'audit_checkpoint', 'error_event')
)
SELECT 'the audit tables have partitions for this month and the next, and a default' AS name,
  NOT EXISTS (SELECT 1 FROM months m WHERE NOT EXISTS (SELECT 1 FROM parts p WHERE p.relname = m.name))
    AND count(*) FILTER (WHERE relname LIKE '%\_default') = 2 AS passed,
  string_agg(relname, ', ' ORDER BY relname) AS detail
FROM parts
UNION ALL
SELECT 'every partition stands in latchkey and has row level security, forced on its owner too', bool_and(is_forced AND nspname = 'latchkey'),
  coalesce(string_agg(relname, ', ') FILTER (WHERE NOT (is_forced AND nspname = 'latchkey')), 'all')
FROM parts
UNION ALL
SELECT 'every partition refuses UPDATE, DELETE and TRUNCATE, and queues its rows for the seal', bool_and(on_it = 3),
  coalesce(string_agg(relname, ', ') FILTER (WHERE on_it <> 3), 'all')
FROM (
  SELECT p.relname, (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = p.oid AND NOT t.tgisinternal AND t.tgenabled = 'O'
    AND t.tgfoid IN ('auth.refuse_audit_change()'::regprocedure, 'latchkey.note_pending_seal()'::regprocedure)) AS on_it
  FROM parts p
) AS counted
UNION ALL
SELECT 'the tables of the chain and of the errors have row level security, forced on their owner too', count(*) = 4 AND bool_and(is_forced),
  coalesce(string_agg(relname, ', ') FILTER (WHERE NOT is_forced), 'all')
FROM tables
UNION ALL
SELECT 'seals and checkpoints are append-only', count(*) = 4, string_agg(tgname, ', ' ORDER BY tgname) FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled = 'O' AND tgfoid = 'latchkey.refuse_seal_change()'::regprocedure
UNION ALL
SELECT 'the application can neither change seals nor drop partitions',
  NOT has_table_privilege('latchkey_app', 'latchkey.audit_seal', 'UPDATE, DELETE, TRUNCATE')
    AND NOT has_table_privilege('latchkey_app', 'latchkey.audit_checkpoint', 'UPDATE, DELETE, TRUNCATE')
    AND NOT has_function_privilege('latchkey_app', 'latchkey.drop_audit_partitions(timestamptz)', 'EXECUTE'), 'latchkey_app'
UNION ALL
SELECT 'errors are read by super administrators alone',
  position('errors:read' IN pg_get_functiondef('auth.create_system_roles(uuid)'::regprocedure)) > 0
    AND NOT coalesce(bool_or(r.slug <> 'super_admin'), false),
  coalesce(string_agg(DISTINCT r.slug, ', '), 'nobody')
FROM auth.permissions p JOIN auth.role_permissions rp ON rp.permission_id = p.id JOIN auth.roles r ON r.id = rp.role_id
WHERE p.name = 'errors:read' AND r.is_system_role;
