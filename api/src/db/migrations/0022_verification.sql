-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed.
WITH tables AS (
  SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS is_forced
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'latchkey' AND c.relname IN ('password_history', 'one_time_token', 'mail_outbox')
)
SELECT 'the account tables exist' AS name, count(*) = 3 AS passed, string_agg(relname, ', ' ORDER BY relname) AS detail FROM tables
UNION ALL
SELECT 'the account tables have row level security, forced on their owner too', bool_and(is_forced),
  coalesce(string_agg(relname, ', ') FILTER (WHERE NOT is_forced), 'all')
FROM tables
UNION ALL
SELECT 'accounts and sessions have their columns', count(*) = 7, string_agg(column_name, ', ' ORDER BY column_name)
FROM information_schema.columns
WHERE table_schema = 'auth' AND (table_name, column_name) IN (
  ('users_extended', 'email_verified_at'), ('users_extended', 'password_expires_at'), ('users_extended', 'must_change_password'),
  ('user_sessions', 'name'), ('user_sessions', 'client'), ('user_sessions', 'has_second_factor'), ('user_sessions', 'proved_at'));
