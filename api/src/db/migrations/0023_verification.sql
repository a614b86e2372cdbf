-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed.
WITH tables AS (
  SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS is_forced
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'latchkey' AND c.relname IN ('attempt_budget', 'totp_factor', 'backup_code')
)
SELECT 'the tables of guessing and second factor exist' AS name, count(*) = 3 AS passed, string_agg(relname, ', ' ORDER BY relname) AS detail FROM tables
UNION ALL
SELECT 'the tables of guessing and second factor have row level security, forced on their owner too', bool_and(is_forced),
  coalesce(string_agg(relname, ', ') FILTER (WHERE NOT is_forced), 'all')
FROM tables
UNION ALL
SELECT 'the slowest hash is one index probe', to_regclass('auth.users_extended_hash_cost_idx') IS NOT NULL, 'auth.users_extended_hash_cost_idx'
