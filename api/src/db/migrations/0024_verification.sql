-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed.
SELECT 'the server may read signing keys and not write them' AS name,
  has_table_privilege('latchkey_app', 'latchkey.signing_key', 'SELECT')
    AND NOT has_table_privilege('latchkey_app', 'latchkey.signing_key', 'INSERT, UPDATE, DELETE, TRUNCATE') AS passed,
  'latchkey.signing_key' AS detail
UNION ALL
SELECT 'word goes out of every session that ends', count(*) = 2, string_agg(tgname, ', ' ORDER BY tgname)
FROM pg_trigger
WHERE tgenabled <> 'D' AND (tgrelid, tgname) IN
  (('auth.user_sessions'::regclass, 'session_ended'), ('auth.users_extended'::regclass, 'account_off'))
UNION ALL
SELECT 'at most one key is not retired for each moment of activation', count(*) = count(DISTINCT activates_at), count(*) || ' keys'
FROM latchkey.signing_key WHERE retired_at IS NULL;
