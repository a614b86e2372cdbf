-- Schema `auth`: 12 tables, 6 enums, the runbook's functions and triggers, row level security on every table (docs/adr/0005-schema.md).
-- Expand-only for what runs beside it: it creates, and touches nothing that an older release reads.

CREATE SCHEMA auth;

-- 1. Enums ------------------------------------------------------------------------------------------------------------------------

CREATE TYPE auth.user_role_type AS ENUM ('super_admin', 'admin', 'manager', 'user', 'viewer');
CREATE TYPE auth.permission_action AS ENUM ('create', 'read', 'update', 'delete', 'assign', 'revoke', 'export', 'manage');
CREATE TYPE auth.session_status AS ENUM ('active', 'expired', 'revoked');
CREATE TYPE auth.audit_event_type AS ENUM (
  'user_created', 'user_updated', 'user_deleted', 'login_succeeded', 'login_failed', 'logout', 'session_created', 'session_revoked',
  'token_reused', 'password_changed', 'password_reset', 'role_changed', 'permission_changed', 'config_changed', 'data_exported', 'access_denied'
);
-- South African employment reporting, which the runbook's users carry.
CREATE TYPE auth.employment_equity_type AS ENUM ('african', 'coloured', 'indian', 'white', 'foreign_national', 'undisclosed');
CREATE TYPE auth.bee_status_type AS ENUM (
  'level_1', 'level_2', 'level_3', 'level_4', 'level_5', 'level_6', 'level_7', 'level_8', 'non_compliant', 'exempt', 'not_applicable'
);

-- 2. The tenant of this transaction ---------------------------------------------------------------------------------------------------

-- Unset, or reset at the end of the last transaction on a pooled connection, means NULL, and NULL equals no row.
CREATE FUNCTION auth.current_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('app.tenant_id', true), '')::uuid $$;

-- 3. Tables -----------------------------------------------------------------------------------------------------------------------

CREATE TABLE auth.users_extended (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid NOT NULL REFERENCES public.organization (id),
  email text NOT NULL CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
  email_verified boolean NOT NULL DEFAULT false,
  password_hash text,
  password_changed_at timestamptz,
  first_name text CHECK (length(first_name) <= 100),
  last_name text CHECK (length(last_name) <= 100),
  display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 254),
  avatar_url text,
  phone text,
  employment_equity auth.employment_equity_type,
  bee_status auth.bee_status_type,
  is_active boolean NOT NULL DEFAULT true,
  last_login_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (org_id, id),
  UNIQUE (org_id, email)
) WITH (fillfactor = 85);
CREATE INDEX users_extended_email_idx ON auth.users_extended (email);

CREATE TABLE auth.roles (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid NOT NULL REFERENCES public.organization (id),
  name text NOT NULL,
  slug text NOT NULL CHECK (slug ~ '^[a-z][a-z0-9_]{0,62}$'),
  description text,
  role_type auth.user_role_type,
  is_system_role boolean NOT NULL DEFAULT false,
  role_level integer NOT NULL CHECK (role_level BETWEEN 0 AND 100),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, slug)
);

-- Permissions are the product's vocabulary, the same for every tenant; only a migration adds one.
CREATE TABLE auth.permissions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z_]+:[a-z]+$'),
  resource text NOT NULL,
  action auth.permission_action NOT NULL,
  description text,
  is_system boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE auth.role_permissions (
  role_id uuid NOT NULL REFERENCES auth.roles (id) ON DELETE CASCADE,
  permission_id uuid NOT NULL REFERENCES auth.permissions (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (role_id, permission_id)
);
CREATE INDEX role_permissions_permission_idx ON auth.role_permissions (permission_id);

CREATE TABLE auth.user_roles (
  user_id uuid NOT NULL REFERENCES auth.users_extended (id) ON DELETE CASCADE,
  role_id uuid NOT NULL REFERENCES auth.roles (id) ON DELETE CASCADE,
  assigned_by uuid,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_role_idx ON auth.user_roles (role_id);

-- A direct grant, or with is_granted = false a denial that beats every role.
CREATE TABLE auth.user_permissions (
  user_id uuid NOT NULL REFERENCES auth.users_extended (id) ON DELETE CASCADE,
  permission_id uuid NOT NULL REFERENCES auth.permissions (id) ON DELETE CASCADE,
  is_granted boolean NOT NULL DEFAULT true,
  assigned_by uuid,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, permission_id)
);
CREATE INDEX user_permissions_permission_idx ON auth.user_permissions (permission_id);

-- One row a session, however often it is refreshed. Sessions are revoked, never deleted: a refresh token whose row is missing means
-- that the database lost writes. The indexes leave out what a refresh changes, so that the update stays heap-only.
CREATE TABLE auth.user_sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid NOT NULL,
  user_id uuid NOT NULL,
  status auth.session_status NOT NULL DEFAULT 'active',
  refresh_counter bigint NOT NULL DEFAULT 0 CHECK (refresh_counter >= 0),
  rotated_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  absolute_expires_at timestamptz NOT NULL,
  last_activity_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  revoked_reason text,
  ip_address inet,
  user_agent text CHECK (length(user_agent) <= 512),
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, user_id) REFERENCES auth.users_extended (org_id, id),
  CHECK (expires_at <= absolute_expires_at),
  CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX user_sessions_active_user_idx ON auth.user_sessions (user_id, created_at) WHERE status = 'active';
CREATE INDEX user_sessions_active_org_idx ON auth.user_sessions (org_id) WHERE status = 'active';

-- No foreign key to the user: the record of what happened outlives the account.
CREATE TABLE auth.audit_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid NOT NULL REFERENCES public.organization (id),
  user_id uuid,
  event_type auth.audit_event_type NOT NULL,
  action text NOT NULL,
  resource_type text,
  resource_id uuid,
  old_values jsonb,
  new_values jsonb,
  metadata jsonb NOT NULL DEFAULT '{}',
  severity text NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'warning', 'error', 'critical')),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_events_org_created_idx ON auth.audit_events (org_id, created_at DESC);
CREATE INDEX audit_events_user_created_idx ON auth.audit_events (user_id, created_at DESC);

CREATE TABLE auth.login_history (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid NOT NULL REFERENCES public.organization (id),
  user_id uuid,
  session_id uuid,
  success boolean NOT NULL,
  failure_reason text,
  ip_address inet,
  user_agent text CHECK (length(user_agent) <= 512),
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (success = (failure_reason IS NULL))
);
CREATE INDEX login_history_org_created_idx ON auth.login_history (org_id, created_at DESC);
CREATE INDEX login_history_user_created_idx ON auth.login_history (user_id, created_at DESC);

CREATE TABLE auth.user_preferences (
  user_id uuid PRIMARY KEY REFERENCES auth.users_extended (id) ON DELETE CASCADE,
  language text NOT NULL DEFAULT 'en',
  timezone text NOT NULL DEFAULT 'Africa/Johannesburg',
  settings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- org_id NULL is the installation's own value, which every tenant reads and none writes.
CREATE TABLE auth.system_config (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid REFERENCES public.organization (id),
  key text NOT NULL,
  value jsonb NOT NULL,
  description text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (org_id, key)
);

CREATE TABLE auth.feature_flags (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid REFERENCES public.organization (id),
  name text NOT NULL,
  is_enabled boolean NOT NULL DEFAULT false,
  rollout_percentage integer NOT NULL DEFAULT 0 CHECK (rollout_percentage BETWEEN 0 AND 100),
  description text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (org_id, name)
);

-- 4. Functions --------------------------------------------------------------------------------------------------------------------
-- All run with the caller's rights, so that row level security holds inside them, and with an empty search_path.

CREATE FUNCTION auth.update_updated_at_column() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END $$;

-- A set of one column: what the user may do now, through roles and directly, minus direct denials.
CREATE FUNCTION auth.get_user_permissions(p_user_id uuid) RETURNS TABLE (permission_name text)
LANGUAGE sql STABLE SET search_path = ''
AS $$
  SELECT p.name
  FROM auth.permissions p
  JOIN auth.users_extended u ON u.id = p_user_id AND u.is_active AND u.deleted_at IS NULL
  WHERE (
      EXISTS (
        SELECT 1 FROM auth.user_roles ur JOIN auth.role_permissions rp ON rp.role_id = ur.role_id
        WHERE ur.user_id = p_user_id AND rp.permission_id = p.id AND (ur.expires_at IS NULL OR ur.expires_at > now())
      )
      OR EXISTS (
        SELECT 1 FROM auth.user_permissions up
        WHERE up.user_id = p_user_id AND up.permission_id = p.id AND up.is_granted AND (up.expires_at IS NULL OR up.expires_at > now())
      )
    )
    AND NOT EXISTS (
      SELECT 1 FROM auth.user_permissions up
      WHERE up.user_id = p_user_id AND up.permission_id = p.id AND NOT up.is_granted AND (up.expires_at IS NULL OR up.expires_at > now())
    )
  ORDER BY p.name
$$;

CREATE FUNCTION auth.user_has_permission(p_user_id uuid, p_permission text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = ''
AS $$ SELECT EXISTS (SELECT 1 FROM auth.get_user_permissions(p_user_id) g WHERE g.permission_name = p_permission) $$;

-- Severity travels in the metadata, since the runbook fixes this signature.
CREATE FUNCTION auth.log_audit_event(
  p_user_id uuid, p_org_id uuid, p_event_type auth.audit_event_type, p_action text, p_resource_type text, p_resource_id uuid,
  p_old_values jsonb, p_new_values jsonb, p_metadata jsonb
) RETURNS uuid
LANGUAGE sql SET search_path = ''
AS $$
  INSERT INTO auth.audit_events
    (user_id, org_id, event_type, action, resource_type, resource_id, old_values, new_values, metadata, severity)
  VALUES
    (p_user_id, p_org_id, p_event_type, p_action, p_resource_type, p_resource_id, p_old_values, p_new_values,
     coalesce(p_metadata, '{}'), coalesce(p_metadata ->> 'severity', 'info'))
  RETURNING id
$$;

-- The password hash never enters the audit trail; a login that only moves last_login_at is not a change of the user.
CREATE FUNCTION auth.audit_user_changes() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  hidden constant text[] := ARRAY['password_hash', 'updated_at', 'last_login_at'];
  before jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) - hidden END;
  after jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) - hidden END;
  subject auth.users_extended := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  IF before IS NOT DISTINCT FROM after AND (TG_OP <> 'UPDATE' OR OLD.password_hash IS NOT DISTINCT FROM NEW.password_hash) THEN
    RETURN NULL;
  END IF;
  PERFORM auth.log_audit_event(
    subject.id, subject.org_id,
    CASE TG_OP WHEN 'INSERT' THEN 'user_created' WHEN 'DELETE' THEN 'user_deleted' ELSE 'user_updated' END::auth.audit_event_type,
    lower(TG_OP), 'user', subject.id, before, after, '{}');
  RETURN NULL;
END $$;

CREATE FUNCTION auth.audit_role_changes() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  subject auth.user_roles := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
  org uuid := (SELECT org_id FROM auth.roles WHERE id = subject.role_id);
BEGIN
  IF org IS NOT NULL THEN
    PERFORM auth.log_audit_event(
      subject.user_id, org, 'role_changed', lower(TG_OP), 'role', subject.role_id,
      CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END, CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END, '{}');
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION auth.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
  RAISE EXCEPTION 'auth.% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

-- The five system roles of one organization and what each may do; called again for every organization that is added.
CREATE FUNCTION auth.create_system_roles(p_org_id uuid) RETURNS void
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
    WHEN 'manager' THEN p.name IN ('users:create', 'users:read', 'users:update', 'roles:read', 'roles:assign', 'sessions:read',
      'sessions:revoke', 'reports:read', 'reports:export', 'preferences:read', 'preferences:update')
    WHEN 'user' THEN p.name IN ('users:read', 'roles:read', 'reports:read', 'preferences:read', 'preferences:update')
    WHEN 'viewer' THEN p.name IN ('users:read', 'reports:read', 'preferences:read')
    ELSE false END
  ON CONFLICT DO NOTHING;
$$;

-- 5. Triggers ---------------------------------------------------------------------------------------------------------------------

CREATE TRIGGER update_users_extended_updated_at BEFORE UPDATE ON auth.users_extended
  FOR EACH ROW EXECUTE FUNCTION auth.update_updated_at_column();
CREATE TRIGGER update_roles_updated_at BEFORE UPDATE ON auth.roles
  FOR EACH ROW EXECUTE FUNCTION auth.update_updated_at_column();
CREATE TRIGGER update_user_preferences_updated_at BEFORE UPDATE ON auth.user_preferences
  FOR EACH ROW EXECUTE FUNCTION auth.update_updated_at_column();
CREATE TRIGGER update_system_config_updated_at BEFORE UPDATE ON auth.system_config
  FOR EACH ROW EXECUTE FUNCTION auth.update_updated_at_column();
CREATE TRIGGER update_feature_flags_updated_at BEFORE UPDATE ON auth.feature_flags
  FOR EACH ROW EXECUTE FUNCTION auth.update_updated_at_column();
CREATE TRIGGER audit_users_extended_changes AFTER INSERT OR UPDATE OR DELETE ON auth.users_extended
  FOR EACH ROW EXECUTE FUNCTION auth.audit_user_changes();
CREATE TRIGGER audit_user_roles_changes AFTER INSERT OR UPDATE OR DELETE ON auth.user_roles
  FOR EACH ROW EXECUTE FUNCTION auth.audit_role_changes();
CREATE TRIGGER refuse_audit_events_change BEFORE UPDATE OR DELETE ON auth.audit_events
  FOR EACH ROW EXECUTE FUNCTION auth.refuse_audit_change();
CREATE TRIGGER refuse_audit_events_truncate BEFORE TRUNCATE ON auth.audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_audit_change();
CREATE TRIGGER refuse_login_history_change BEFORE UPDATE OR DELETE ON auth.login_history
  FOR EACH ROW EXECUTE FUNCTION auth.refuse_audit_change();
CREATE TRIGGER refuse_login_history_truncate BEFORE TRUNCATE ON auth.login_history
  FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_audit_change();

-- 6. Seeds, before row level security is forced on the owner too ---------------------------------------------------------------------

INSERT INTO auth.permissions (name, resource, action, description)
SELECT resource || ':' || action, resource, action::auth.permission_action, initcap(action) || ' ' || replace(resource, '_', ' ')
FROM (VALUES
  ('users', 'create'), ('users', 'read'), ('users', 'update'), ('users', 'delete'),
  ('roles', 'create'), ('roles', 'read'), ('roles', 'update'), ('roles', 'delete'), ('roles', 'assign'),
  ('permissions', 'read'), ('permissions', 'assign'),
  ('sessions', 'read'), ('sessions', 'revoke'),
  ('audit_events', 'read'), ('audit_events', 'export'),
  ('organizations', 'create'), ('organizations', 'read'), ('organizations', 'update'),
  ('system_config', 'read'), ('system_config', 'update'),
  ('feature_flags', 'read'), ('feature_flags', 'update'),
  ('reports', 'read'), ('reports', 'export'),
  ('preferences', 'read'), ('preferences', 'update')
) AS p (resource, action);

SELECT auth.create_system_roles(id) FROM public.organization;

-- 7. Row level security -------------------------------------------------------------------------------------------------------------
-- `(SELECT auth.current_tenant())` is evaluated once a statement; without the SELECT, once a row.

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['users_extended', 'roles', 'permissions', 'role_permissions', 'user_roles', 'user_permissions',
    'user_sessions', 'audit_events', 'login_history', 'user_preferences', 'system_config', 'feature_flags'] LOOP
    EXECUTE format('ALTER TABLE auth.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE auth.%I FORCE ROW LEVEL SECURITY', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['users_extended', 'roles', 'user_sessions', 'audit_events', 'login_history'] LOOP
    EXECUTE format('CREATE POLICY tenant ON auth.%I USING (org_id = (SELECT auth.current_tenant()))', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['system_config', 'feature_flags'] LOOP
    EXECUTE format('CREATE POLICY tenant ON auth.%I USING (org_id = (SELECT auth.current_tenant()))', name);
    EXECUTE format('CREATE POLICY installation_read ON auth.%I FOR SELECT USING (org_id IS NULL)', name);
    EXECUTE format('CREATE POLICY installation_write ON auth.%I TO CURRENT_USER USING (org_id IS NULL)', name);
  END LOOP;
END $$;

CREATE POLICY everyone_reads ON auth.permissions FOR SELECT USING (true);
CREATE POLICY owner_writes ON auth.permissions TO CURRENT_USER USING (true);

-- The link tables have no tenant of their own: both ends must be rows that this tenant can see.
CREATE POLICY tenant ON auth.role_permissions
  USING (EXISTS (SELECT 1 FROM auth.roles r WHERE r.id = role_id));
CREATE POLICY tenant ON auth.user_roles
  USING (EXISTS (SELECT 1 FROM auth.roles r WHERE r.id = role_id) AND EXISTS (SELECT 1 FROM auth.users_extended u WHERE u.id = user_id));
CREATE POLICY tenant ON auth.user_permissions
  USING (EXISTS (SELECT 1 FROM auth.users_extended u WHERE u.id = user_id));
CREATE POLICY tenant ON auth.user_preferences
  USING (EXISTS (SELECT 1 FROM auth.users_extended u WHERE u.id = user_id));

-- 8. What the application may do: least of all, delete ---------------------------------------------------------------------------------

GRANT USAGE ON SCHEMA auth TO latchkey_app;
GRANT SELECT ON ALL TABLES IN SCHEMA auth TO latchkey_app;
GRANT INSERT ON auth.users_extended, auth.roles, auth.role_permissions, auth.user_roles, auth.user_permissions, auth.user_sessions,
  auth.audit_events, auth.login_history, auth.user_preferences, auth.system_config, auth.feature_flags TO latchkey_app;
GRANT UPDATE ON auth.users_extended, auth.roles, auth.user_roles, auth.user_permissions, auth.user_sessions, auth.user_preferences,
  auth.system_config, auth.feature_flags TO latchkey_app;
GRANT DELETE ON auth.roles, auth.role_permissions, auth.user_roles, auth.user_permissions, auth.system_config, auth.feature_flags
  TO latchkey_app;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA auth FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA auth TO latchkey_app;
