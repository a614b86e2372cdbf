SELECT name, passed, detail FROM latchkey.check_profile_import()
UNION ALL
SELECT name, passed, detail FROM latchkey.check_integrity()
UNION ALL
SELECT 'the application cannot see what became of profiles',
  NOT has_table_privilege('latchkey_app', 'latchkey.profile_import', 'SELECT, INSERT, UPDATE, DELETE'), 'latchkey_app';
