-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed. Figures are the runbook's.
WITH tables AS (
  SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'auth' AND c.relkind IN ('r', 'p')
), functions AS (
  SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'auth'
), enums AS (
  SELECT t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = 'auth' AND t.typtype = 'e'
)
SELECT 'schema auth has exactly the 12 tables' AS name,
  array_agg(relname::text ORDER BY relname) = ARRAY['audit_events', 'feature_flags', 'login_history', 'permissions', 'role_permissions',
    'roles', 'system_config', 'user_permissions', 'user_preferences', 'user_roles', 'user_sessions', 'users_extended'] AS passed,
  string_agg(relname, ', ' ORDER BY relname) AS detail
FROM tables
UNION ALL
SELECT 'every enum exists', count(*) = 6, string_agg(typname, ', ' ORDER BY typname) FROM enums
WHERE typname IN ('user_role_type', 'permission_action', 'session_status', 'audit_event_type', 'employment_equity_type', 'bee_status_type')
UNION ALL
SELECT 'every function exists', count(DISTINCT proname) = 5, string_agg(proname, ', ' ORDER BY proname) FROM functions
WHERE proname IN ('user_has_permission', 'get_user_permissions', 'log_audit_event', 'update_updated_at_column', 'audit_user_changes')
UNION ALL
SELECT 'every table has row level security, forced on its owner too', bool_and(relrowsecurity AND relforcerowsecurity),
  coalesce(string_agg(relname, ', ') FILTER (WHERE NOT (relrowsecurity AND relforcerowsecurity)), 'all')
FROM tables
UNION ALL
SELECT 'every table has a policy', bool_and(EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = t.oid)),
  coalesce(string_agg(relname, ', ') FILTER (WHERE NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = t.oid)), 'all')
FROM tables t
UNION ALL
SELECT 'the triggers are on', count(*) >= 11, string_agg(tgname, ', ' ORDER BY tgname) FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled = 'O' AND tgrelid IN (SELECT oid FROM tables)
UNION ALL
SELECT 'at least 19 system permissions exist', count(*) >= 19, count(*)::text FROM auth.permissions WHERE is_system
UNION ALL
SELECT 'accounts are found by e-mail through an index', count(*) = 1, coalesce(max(indexdef), 'none') FROM pg_indexes
WHERE schemaname = 'auth' AND indexname = 'users_extended_email_idx'
UNION ALL
SELECT 'the application cannot change or delete audit events',
  NOT has_table_privilege('latchkey_app', 'auth.audit_events', 'UPDATE, DELETE, TRUNCATE'), 'latchkey_app';
