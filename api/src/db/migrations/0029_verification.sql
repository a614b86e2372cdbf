-- One row a check: (name, passed, detail). `db.ts verify` fails when a row has not passed.
SELECT 'me reads with the rights of its caller' AS name,
  count(*) = 1 AND NOT bool_or(prosecdef) AND bool_and(has_function_privilege('latchkey_app', oid, 'EXECUTE')) AS passed,
  'latchkey.profile_of_session' AS detail
FROM pg_proc WHERE pronamespace = 'latchkey'::regnamespace AND proname = 'profile_of_session';
