-- What `me` answers, as one statement instead of a transaction of three, and as the JSON that goes out (docs/adr/0011-hot-paths.md).
-- Expand-only: a function that the release before does not know.

-- The tenant comes from the verified token and is set here, for this transaction alone, before anything is read: row level security holds
-- inside for the caller, as it would outside. A plain SQL function could not promise that order. NULL where there is no live session.
CREATE FUNCTION latchkey.profile_of_session(p_org_id uuid, p_user_id uuid, p_session_id uuid) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog
AS $$
DECLARE
  iso constant text := 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
  profile text;
BEGIN
  PERFORM set_config('app.tenant_id', p_org_id::text, true);
  SELECT row_to_json(p) INTO profile
  FROM (
    SELECT
      (SELECT row_to_json(x) FROM (
        SELECT u.id, u.email, u.email_verified AS "emailVerified", u.first_name AS "firstName", u.last_name AS "lastName",
          u.display_name AS "displayName",
          ARRAY(SELECT r.slug FROM auth.user_roles ur JOIN auth.roles r ON r.id = ur.role_id
                WHERE ur.user_id = u.id AND (ur.expires_at IS NULL OR ur.expires_at > now()) ORDER BY r.role_level DESC) AS roles,
          ARRAY(SELECT g.permission_name FROM auth.get_user_permissions(u.id) g) AS permissions
      ) x) AS "user",
      (SELECT row_to_json(x) FROM (
        SELECT s.id, to_char(s.expires_at AT TIME ZONE 'UTC', iso) AS "expiresAt",
          to_char(s.absolute_expires_at AT TIME ZONE 'UTC', iso) AS "absoluteExpiresAt"
      ) x) AS session
    FROM auth.users_extended u JOIN auth.user_sessions s ON s.user_id = u.id
    WHERE u.id = p_user_id AND s.id = p_session_id AND s.status = 'active' AND u.is_active AND u.deleted_at IS NULL
  ) p;
  RETURN profile;
END $$;

REVOKE ALL ON FUNCTION latchkey.profile_of_session(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION latchkey.profile_of_session(uuid, uuid, uuid) TO latchkey_app;
