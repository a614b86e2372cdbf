-- What administration and profiles need beyond 0021 and 0022. Expand-only: a server of the release before runs on it unchanged.

-- 1. Avatars --------------------------------------------------------------------------------------------------------------------------

-- Beside the account, not in it: hot reads of an account must not drag half a megabyte along.
CREATE TABLE latchkey.avatar (
  user_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  media_type text NOT NULL CHECK (media_type IN ('image/png', 'image/jpeg', 'image/webp')),
  content bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 524288),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, user_id) REFERENCES auth.users_extended (org_id, id) ON DELETE CASCADE
);
-- Images are compressed already.
ALTER TABLE latchkey.avatar ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE latchkey.avatar ENABLE ROW LEVEL SECURITY;
ALTER TABLE latchkey.avatar FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON latchkey.avatar USING (org_id = (SELECT auth.current_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON latchkey.avatar TO latchkey_app;

-- 2. Administration -------------------------------------------------------------------------------------------------------------------

-- Pages of an organization's accounts, newest first.
CREATE INDEX users_extended_org_created_idx ON auth.users_extended (org_id, created_at DESC, id DESC);

-- The roles `user` and `viewer` have users:read by the runbook, and anybody can register: the list of all accounts needs more than that.
INSERT INTO auth.permissions (name, resource, action, description)
VALUES ('users:manage', 'users', 'manage', 'Administer the accounts of the organization') ON CONFLICT (name) DO NOTHING;

CREATE OR REPLACE FUNCTION auth.create_system_roles(p_org_id uuid) RETURNS void
LANGUAGE sql SET search_path = ''
AS $$
  INSERT INTO auth.roles (org_id, name, slug, description, role_type, is_system_role, role_level) VALUES
    (p_org_id, 'Super Administrator', 'super_admin', 'Everything, everywhere', 'super_admin', true, 100),
    (p_org_id, 'Administrator', 'admin', 'Runs the organization', 'admin', true, 80),
    (p_org_id, 'Manager', 'manager', 'Looks after people', 'manager', true, 60),
    (p_org_id, 'User', 'user', 'Everyday use', 'user', true, 40),
    (p_org_id, 'Viewer', 'viewer', 'Looks, changes nothing', 'viewer', true, 20)
  ON CONFLICT (org_id, slug) DO NOTHING;

  INSERT INTO auth.role_permissions (role_id, permission_id)
  SELECT r.id, p.id FROM auth.roles r CROSS JOIN auth.permissions p
  WHERE r.org_id = p_org_id AND r.is_system_role AND CASE r.slug
    WHEN 'super_admin' THEN true
    WHEN 'admin' THEN p.name NOT IN ('system_config:update', 'organizations:create')
    WHEN 'manager' THEN p.name IN ('users:create', 'users:read', 'users:update', 'users:manage', 'roles:read', 'roles:assign',
      'sessions:read', 'sessions:revoke', 'reports:read', 'reports:export', 'preferences:read', 'preferences:update')
    WHEN 'user' THEN p.name IN ('users:read', 'roles:read', 'reports:read', 'preferences:read', 'preferences:update')
    WHEN 'viewer' THEN p.name IN ('users:read', 'reports:read', 'preferences:read')
    ELSE false END
  ON CONFLICT DO NOTHING;
$$;

-- Row level security is forced on the owner too, so each organization is visited as itself.
DO $$
DECLARE
  org uuid;
BEGIN
  FOR org IN SELECT id FROM public.organization LOOP
    PERFORM set_config('app.tenant_id', org::text, true);
    INSERT INTO auth.role_permissions (role_id, permission_id)
    SELECT r.id, p.id FROM auth.roles r CROSS JOIN auth.permissions p
    WHERE r.org_id = org AND r.is_system_role AND r.slug IN ('super_admin', 'admin', 'manager') AND p.name = 'users:manage'
    ON CONFLICT DO NOTHING;
  END LOOP;
  PERFORM set_config('app.tenant_id', '', true);
END $$;

-- A super administrator opens an organization; nobody changes or deletes one through the API.
GRANT INSERT (id, name, slug) ON public.organization TO latchkey_app;

-- Somebody else than p_user_id who can log in and is super administrator for good, in whatever organization. The lock is the installation's:
-- two who take each other's role away at once come one after the other, and the second finds nobody left.
CREATE FUNCTION latchkey.has_other_super_admin(p_user_id uuid) RETURNS boolean
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  own constant text := current_setting('app.tenant_id', true);
  org uuid;
  is_found boolean := false;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('latchkey.super_admin', 0));
  FOR org IN SELECT id FROM public.organization ORDER BY (id::text = own) DESC LOOP
    PERFORM set_config('app.tenant_id', org::text, true);
    is_found := EXISTS (
      SELECT 1 FROM auth.roles r
      JOIN auth.user_roles ur ON ur.role_id = r.id
      JOIN auth.users_extended u ON u.id = ur.user_id
      WHERE r.org_id = org AND r.role_type = 'super_admin' AND r.is_system_role AND ur.expires_at IS NULL
        AND u.id <> p_user_id AND u.is_active AND u.deleted_at IS NULL AND u.password_hash IS NOT NULL);
    EXIT WHEN is_found;
  END LOOP;
  PERFORM set_config('app.tenant_id', own, true);
  RETURN is_found;
END $$;

-- 3. What belongs to the whole installation (org_id NULL) -------------------------------------------------------------------------------
-- No tenant writes it: these functions run as the owner, for the few keys that the API knows.

CREATE FUNCTION latchkey.put_installation_config(p_key text, p_value jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  INSERT INTO auth.system_config (org_id, key, value) VALUES (NULL, p_key, p_value)
  ON CONFLICT (org_id, key) DO UPDATE SET value = excluded.value
$$;

CREATE FUNCTION latchkey.delete_installation_config(p_key text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  WITH gone AS (DELETE FROM auth.system_config WHERE org_id IS NULL AND key = p_key RETURNING 1) SELECT EXISTS (SELECT 1 FROM gone)
$$;

CREATE FUNCTION latchkey.put_installation_flag(p_name text, p_is_enabled boolean, p_percentage integer, p_description text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  INSERT INTO auth.feature_flags (org_id, name, is_enabled, rollout_percentage, description)
  VALUES (NULL, p_name, p_is_enabled, p_percentage, p_description)
  ON CONFLICT (org_id, name) DO UPDATE
  SET is_enabled = excluded.is_enabled, rollout_percentage = excluded.rollout_percentage,
      description = coalesce(excluded.description, auth.feature_flags.description)
$$;

CREATE FUNCTION latchkey.delete_installation_flag(p_name text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  WITH gone AS (DELETE FROM auth.feature_flags WHERE org_id IS NULL AND name = p_name RETURNING 1) SELECT EXISTS (SELECT 1 FROM gone)
$$;

REVOKE ALL ON FUNCTION latchkey.has_other_super_admin(uuid), latchkey.put_installation_config(text, jsonb),
  latchkey.delete_installation_config(text), latchkey.put_installation_flag(text, boolean, integer, text),
  latchkey.delete_installation_flag(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION latchkey.has_other_super_admin(uuid), latchkey.put_installation_config(text, jsonb),
  latchkey.delete_installation_config(text), latchkey.put_installation_flag(text, boolean, integer, text),
  latchkey.delete_installation_flag(text) TO latchkey_app;

-- 4. Invitations ----------------------------------------------------------------------------------------------------------------------

ALTER TABLE latchkey.one_time_token DROP CONSTRAINT one_time_token_purpose_check;
ALTER TABLE latchkey.one_time_token ADD CONSTRAINT one_time_token_purpose_check
  CHECK (purpose IN ('verify-email', 'reset-password', 'login-second-factor', 'accept-invitation'));
