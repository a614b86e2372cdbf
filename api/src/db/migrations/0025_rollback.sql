-- Takes 0025 back: avatars, invitations that wait, and the permission users:manage with its grants are lost.
DELETE FROM auth.permissions WHERE name = 'users:manage';

DO $$
DECLARE
  org uuid;
BEGIN
  FOR org IN SELECT id FROM public.organization LOOP
    PERFORM set_config('app.tenant_id', org::text, true);
    DELETE FROM latchkey.one_time_token WHERE purpose = 'accept-invitation';
  END LOOP;
  PERFORM set_config('app.tenant_id', '', true);
END $$;
ALTER TABLE latchkey.one_time_token DROP CONSTRAINT one_time_token_purpose_check;
ALTER TABLE latchkey.one_time_token ADD CONSTRAINT one_time_token_purpose_check
  CHECK (purpose IN ('verify-email', 'reset-password', 'login-second-factor'));

DROP FUNCTION latchkey.has_other_super_admin(uuid), latchkey.put_installation_config(text, jsonb),
  latchkey.delete_installation_config(text), latchkey.put_installation_flag(text, boolean, integer, text),
  latchkey.delete_installation_flag(text);
REVOKE INSERT (id, name, slug) ON public.organization FROM latchkey_app;
DROP INDEX auth.users_extended_org_created_idx;
DROP TABLE latchkey.avatar;
-- auth.create_system_roles keeps its newer body: it grants what exists, so without users:manage it does what 0021 wrote.
