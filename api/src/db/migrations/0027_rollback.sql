-- Takes the imported accounts back that nobody has used: who has set a password or logged in since has more here than a profile had, and
-- stays. public.profile was never written, so nothing is lost.
DO $$
BEGIN
  PERFORM set_config('app.tenant_id', (SELECT id::text FROM public.organization WHERE slug = 'default'), true);
  DELETE FROM auth.users_extended u
  USING latchkey.profile_import i
  WHERE i.profile_id = u.id AND i.outcome = 'imported' AND u.password_hash IS NULL AND u.last_login_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM auth.user_sessions s WHERE s.user_id = u.id);
END $$;

DROP FUNCTION latchkey.check_integrity(), latchkey.check_profile_import(), latchkey.import_profiles(), latchkey.normal_email(text),
  latchkey.has_profiles();
DROP TABLE latchkey.profile_import;
