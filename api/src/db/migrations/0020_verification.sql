-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed.
SELECT 'the organization table exists' AS name, to_regclass('public.organization') IS NOT NULL AS passed, 'public.organization' AS detail
UNION ALL
SELECT 'exactly one organization is the default', count(*) = 1, count(*)::text FROM public.organization WHERE slug = 'default'
UNION ALL
SELECT 'the application role bypasses nothing', count(*) = 1, coalesce(string_agg(rolname, ', '), 'latchkey_app is missing or too strong')
FROM pg_roles WHERE rolname = 'latchkey_app' AND NOT rolsuper AND NOT rolbypassrls AND NOT rolcreaterole;
