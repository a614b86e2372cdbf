-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed.
SELECT 'avatars have row level security, forced on their owner too' AS name, count(*) = 1 AS passed,
  coalesce(string_agg(c.relname, ', '), 'latchkey.avatar is missing or open') AS detail
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'latchkey' AND c.relname = 'avatar' AND c.relrowsecurity AND c.relforcerowsecurity
  AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid)
UNION ALL
SELECT 'the permission users:manage exists', count(*) = 1, coalesce(string_agg(name, ', '), 'missing')
FROM auth.permissions WHERE name = 'users:manage'
UNION ALL
SELECT 'the functions of the installation exist and are nobody else''s', count(*) = 5, string_agg(p.proname, ', ' ORDER BY p.proname)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'latchkey' AND p.proname IN ('has_other_super_admin', 'put_installation_config', 'delete_installation_config',
    'put_installation_flag', 'delete_installation_flag')
  AND p.prosecdef = (p.proname <> 'has_other_super_admin')
  AND has_function_privilege('latchkey_app', p.oid, 'EXECUTE')
  AND NOT EXISTS (SELECT 1 FROM aclexplode(p.proacl) a WHERE a.grantee = 0)
UNION ALL
SELECT 'accounts are paged through an index', count(*) = 1, coalesce(max(indexdef), 'none')
FROM pg_indexes WHERE schemaname = 'auth' AND indexname = 'users_extended_org_created_idx'
UNION ALL
SELECT 'the application may open organizations and not change them',
  has_column_privilege('latchkey_app', 'public.organization', 'slug', 'INSERT')
  AND NOT has_table_privilege('latchkey_app', 'public.organization', 'UPDATE, DELETE, TRUNCATE'), 'latchkey_app'
UNION ALL
SELECT 'a one-time token may be an invitation', count(*) = 1, coalesce(max(pg_get_constraintdef(oid)), 'none')
FROM pg_constraint WHERE conname = 'one_time_token_purpose_check' AND pg_get_constraintdef(oid) LIKE '%accept-invitation%';
