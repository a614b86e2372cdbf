-- Accounts of an older application, from its table public.profile, if there is one with the runbook's columns. They come without a password:
-- their owners set one by the reset mail. The table itself is only read. Expand-only, and repeatable: `db.ts import-profiles` takes over what
-- was added or corrected meanwhile.

-- What became of each profile, so that none is lost silently. No e-mail address is copied here: the profile has it.
CREATE TABLE latchkey.profile_import (
  profile_id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES public.organization (id),
  outcome text NOT NULL CHECK (outcome IN ('imported', 'already-there', 'email-taken', 'email-unusable')),
  -- Values that did not fit and were cut: names of columns.
  cut text[] NOT NULL DEFAULT '{}',
  judged_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE latchkey.profile_import ENABLE ROW LEVEL SECURITY;
ALTER TABLE latchkey.profile_import FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON latchkey.profile_import USING (org_id = (SELECT auth.current_tenant()));

CREATE FUNCTION latchkey.has_profiles() RETURNS boolean
LANGUAGE sql STABLE SET search_path = ''
AS $$
  SELECT count(*) = 10 AND bool_or(attname = 'id' AND atttypid = 'uuid'::regtype)
  FROM pg_catalog.pg_attribute
  WHERE attrelid = pg_catalog.to_regclass('public.profile') AND NOT attisdropped AND attname IN ('id', 'email', 'email_verified', 'first_name',
    'last_name', 'display_name', 'avatar_url', 'phone', 'created_at', 'updated_at')
$$;

-- As registration normalises an address (api/src/routes/fields.ts): two that look alike are one.
CREATE FUNCTION latchkey.normal_email(p_email text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = ''
AS $$
  SELECT CASE WHEN address ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$' AND length(address) BETWEEN 3 AND 254 THEN address END
  FROM (SELECT lower(btrim(normalize(p_email, NFKC))) AS address) AS normal
$$;

-- Idempotent; returns how many profiles had which outcome in this run.
CREATE FUNCTION latchkey.import_profiles() RETURNS TABLE (outcome text, profiles bigint)
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  tenant constant uuid := (SELECT id FROM public.organization WHERE slug = 'default');
BEGIN
  IF NOT latchkey.has_profiles() THEN RETURN; END IF;
  PERFORM set_config('app.tenant_id', tenant::text, true);

  -- A profile that was taken away no longer waits for anything.
  DELETE FROM latchkey.profile_import i
  WHERE i.outcome IN ('email-taken', 'email-unusable') AND NOT EXISTS (SELECT 1 FROM public.profile p WHERE p.id = i.profile_id);

  RETURN QUERY
  WITH waiting AS (
    SELECT p.*, latchkey.normal_email(p.email) AS address,
      EXISTS (SELECT 1 FROM auth.users_extended u WHERE u.id = p.id) AS is_there
    FROM public.profile p
    WHERE NOT EXISTS (
      SELECT 1 FROM latchkey.profile_import i WHERE i.profile_id = p.id AND i.outcome IN ('imported', 'already-there'))
  ), judged AS (
    SELECT w.*, CASE
        WHEN w.is_there THEN 'already-there'
        WHEN w.address IS NULL THEN 'email-unusable'
        WHEN EXISTS (SELECT 1 FROM auth.users_extended u WHERE u.org_id = tenant AND u.email = w.address) THEN 'email-taken'
        -- The oldest of several profiles with one address gets it.
        WHEN row_number() OVER (PARTITION BY w.address, w.is_there ORDER BY w.created_at, w.id) > 1 THEN 'email-taken'
        ELSE 'imported' END AS verdict
    FROM waiting w
  ), account AS (
    INSERT INTO auth.users_extended
      (id, org_id, email, email_verified, email_verified_at, first_name, last_name, display_name, avatar_url, phone, created_at, updated_at)
    SELECT j.id, tenant, j.address, coalesce(j.email_verified, false), CASE WHEN j.email_verified THEN coalesce(j.updated_at, now()) END,
      left(j.first_name, 100), left(j.last_name, 100),
      left(coalesce(nullif(btrim(j.display_name), ''), nullif(btrim(concat_ws(' ', j.first_name, j.last_name)), ''), j.address), 254),
      j.avatar_url, j.phone, coalesce(j.created_at, now()), coalesce(j.updated_at, now())
    FROM judged j WHERE j.verdict = 'imported'
  ), noted AS (
    INSERT INTO latchkey.profile_import (profile_id, org_id, outcome, cut)
    SELECT j.id, tenant, j.verdict, array_remove(ARRAY[
      CASE WHEN length(j.first_name) > 100 THEN 'first_name' END,
      CASE WHEN length(j.last_name) > 100 THEN 'last_name' END,
      CASE WHEN length(j.display_name) > 254 THEN 'display_name' END], NULL)
    FROM judged j
    ON CONFLICT (profile_id) DO UPDATE SET outcome = excluded.outcome, cut = excluded.cut, judged_at = now()
    RETURNING latchkey.profile_import.outcome
  )
  SELECT n.outcome, count(*) FROM noted n GROUP BY n.outcome ORDER BY n.outcome;

  INSERT INTO auth.user_roles (user_id, role_id)
  SELECT i.profile_id, r.id FROM latchkey.profile_import i JOIN auth.roles r ON r.org_id = tenant AND r.slug = 'user'
  WHERE i.outcome = 'imported' AND NOT EXISTS (SELECT 1 FROM auth.user_roles ur WHERE ur.user_id = i.profile_id);

  -- The runbook makes the first user a super administrator: where there is none yet, and only one who came with the import, so that nobody
  -- gets there by registering early.
  INSERT INTO auth.user_roles (user_id, role_id)
  SELECT (SELECT u.id FROM auth.users_extended u JOIN latchkey.profile_import i ON i.profile_id = u.id ORDER BY u.created_at, u.id LIMIT 1), r.id
  FROM auth.roles r
  WHERE r.org_id = tenant AND r.slug = 'super_admin' AND EXISTS (SELECT 1 FROM latchkey.profile_import i WHERE i.outcome = 'imported')
    AND NOT EXISTS (SELECT 1 FROM auth.user_roles ur WHERE ur.role_id = r.id)
  ON CONFLICT DO NOTHING;
END $$;

SELECT * FROM latchkey.import_profiles();

-- One row a check, as the verification files have them. public.profile may not exist, so it is named only where it does.
CREATE FUNCTION latchkey.check_profile_import() RETURNS TABLE (name text, passed boolean, detail text)
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  tenant constant uuid := (SELECT id FROM public.organization WHERE slug = 'default');
BEGIN
  IF NOT latchkey.has_profiles() THEN
    RETURN QUERY SELECT 'every profile became an account', true, 'there is no public.profile with the runbook''s columns';
    RETURN;
  END IF;
  PERFORM set_config('app.tenant_id', tenant::text, true);
  RETURN QUERY
  SELECT 'every profile became an account', count(*) FILTER (WHERE u.id IS NULL) = 0,
    format('%s profiles, %s accounts', count(*), count(u.id)) || coalesce(
      '; not taken over: ' || (SELECT string_agg(format('%s %s', i.profile_id, i.outcome), ', ' ORDER BY i.profile_id)
        FROM (SELECT * FROM latchkey.profile_import WHERE profile_import.outcome LIKE 'email-%' ORDER BY profile_id LIMIT 20) i), '')
  FROM public.profile p LEFT JOIN auth.users_extended u ON u.id = p.id;
  RETURN QUERY
  SELECT 'every profile was judged', count(*) = 0, format('%s waiting', count(*))
  FROM public.profile p WHERE NOT EXISTS (SELECT 1 FROM latchkey.profile_import i WHERE i.profile_id = p.id);
  RETURN QUERY
  SELECT 'every account that was taken over has a role', count(*) = 0, format('%s without', count(*))
  FROM latchkey.profile_import i JOIN auth.users_extended u ON u.id = i.profile_id
  WHERE i.outcome = 'imported' AND NOT EXISTS (SELECT 1 FROM auth.user_roles ur WHERE ur.user_id = i.profile_id);
  RETURN QUERY
  SELECT 'no name was cut', count(*) = 0, coalesce(string_agg(format('%s %s', i.profile_id, array_to_string(i.cut, '+')), ', '), 'none')
  FROM latchkey.profile_import i WHERE i.cut <> '{}';
END $$;

-- What foreign keys cannot say, organization by organization, since row level security is forced on the owner too.
CREATE FUNCTION latchkey.check_integrity() RETURNS TABLE (name text, passed boolean, detail text)
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  org uuid;
  no_roles bigint := 0;
  live_dead bigint := 0;
  both_states bigint := 0;
  homeless bigint := 0;
BEGIN
  FOR org IN SELECT id FROM public.organization LOOP
    PERFORM set_config('app.tenant_id', org::text, true);
    no_roles := no_roles + (SELECT CASE WHEN count(*) = 5 THEN 0 ELSE 1 END FROM auth.roles r WHERE r.org_id = org AND r.is_system_role);
    live_dead := live_dead + (SELECT count(*) FROM auth.user_sessions s JOIN auth.users_extended u ON u.id = s.user_id
      WHERE s.status = 'active' AND (NOT u.is_active OR u.deleted_at IS NOT NULL));
    both_states := both_states + (SELECT count(*) FROM auth.users_extended u WHERE u.is_active AND u.deleted_at IS NOT NULL);
    homeless := homeless + (SELECT count(*) FROM auth.user_roles ur WHERE NOT EXISTS (SELECT 1 FROM auth.roles r WHERE r.id = ur.role_id));
  END LOOP;
  RETURN QUERY VALUES
    ('every organization has the five system roles', no_roles = 0, format('%s without', no_roles)),
    ('no session of a disabled or deleted account is live', live_dead = 0, format('%s live', live_dead)),
    ('no deleted account is active', both_states = 0, format('%s active', both_states)),
    ('every role that somebody has exists', homeless = 0, format('%s orphans', homeless));
END $$;
