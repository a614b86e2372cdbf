-- The audit trail in monthly partitions, and the chain that shows whether somebody changed it (docs/adr/0010-audit-chain.md); the errors that
-- operators read. Expand-only: a server of the release before inserts through the same names, and its events are sealed like any other.
-- Copies the two audit tables once, under their lock: 4 s for 100,000 rows on a busy core.

-- 1. Both tables, partitioned by month ------------------------------------------------------------------------------------------------
-- The partitions live in schema `latchkey`, so that schema `auth` keeps exactly its twelve tables.

-- The owner is filtered by forced row level security too, and must see all of what it moves.
ALTER TABLE auth.audit_events NO FORCE ROW LEVEL SECURITY;
ALTER TABLE auth.login_history NO FORCE ROW LEVEL SECURITY;
ALTER TABLE auth.audit_events SET SCHEMA latchkey;
ALTER TABLE auth.login_history SET SCHEMA latchkey;
ALTER TABLE latchkey.audit_events RENAME TO audit_events_before;
ALTER TABLE latchkey.login_history RENAME TO login_history_before;

CREATE TABLE auth.audit_events (LIKE latchkey.audit_events_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)
  PARTITION BY RANGE (created_at);
CREATE TABLE auth.login_history (LIKE latchkey.login_history_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)
  PARTITION BY RANGE (created_at);

-- An empty table beside the partitioned one, with what PostgreSQL does not hand down: the truncate trigger and row level security.
CREATE FUNCTION latchkey.create_audit_partition(p_table text, p_partition text) RETURNS void
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
  EXECUTE format('CREATE TABLE latchkey.%I (LIKE auth.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', p_partition, p_table);
  EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON latchkey.%I
    FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_audit_change()', p_partition);
  EXECUTE format('ALTER TABLE latchkey.%I ENABLE ROW LEVEL SECURITY', p_partition);
  EXECUTE format('ALTER TABLE latchkey.%I FORCE ROW LEVEL SECURITY', p_partition);
  EXECUTE format('CREATE POLICY tenant ON latchkey.%I USING (org_id = (SELECT auth.current_tenant()))', p_partition);
  EXECUTE format('CREATE POLICY owner_reads ON latchkey.%I FOR SELECT TO CURRENT_USER USING (true)', p_partition);
END $$;

-- Month by month (UTC). False where the month has its partition, or where the default partition holds rows of it: those stay there.
CREATE FUNCTION latchkey.add_audit_month(p_table text, p_month date) RETURNS boolean
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  name constant text := p_table || to_char(p_month, '_YYYY_MM');
  starts constant timestamptz := date_trunc('month', p_month)::timestamp AT TIME ZONE 'UTC';
  ends constant timestamptz := (date_trunc('month', p_month) + interval '1 month')::timestamp AT TIME ZONE 'UTC';
BEGIN
  IF to_regclass('latchkey.' || name) IS NOT NULL THEN
    RETURN false;
  END IF;
  PERFORM latchkey.create_audit_partition(p_table, name);
  EXECUTE format('ALTER TABLE auth.%I ATTACH PARTITION latchkey.%I FOR VALUES FROM (%L) TO (%L)', p_table, name, starts, ends);
  RETURN true;
EXCEPTION WHEN check_violation THEN
  RETURN false;
END $$;

-- Called by the API once a day, as the owner, since only the owner adds partitions. Returns how many it made.
CREATE FUNCTION latchkey.ensure_audit_partitions(p_months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  this_month constant date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
  made integer := 0;
  month integer;
  name text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('latchkey.audit_partitions', 0));
  PERFORM set_config('lock_timeout', '2s', true);
  FOR month IN 0 .. least(greatest(p_months_ahead, 0), 12) LOOP
    FOREACH name IN ARRAY ARRAY['audit_events', 'login_history'] LOOP
      IF latchkey.add_audit_month(name, (this_month + make_interval(months => month))::date) THEN
        made := made + 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

-- Drops the months that ended by p_before, and the default partition when all of it is older. Runs with the caller's rights: only the owner
-- can. Called by `audit.ts retain`, after it has anchored the chains.
CREATE FUNCTION latchkey.drop_audit_partitions(p_before timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  part record;
  newest timestamptz;
BEGIN
  IF p_before > now() - interval '365 days' THEN
    RAISE EXCEPTION 'audit events are kept for 365 days' USING ERRCODE = 'check_violation';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('latchkey.audit_partitions', 0));
  FOR part IN
    SELECT parent.relname AS table_name, child.relname AS name, substring(child.relname FROM '_(\d{4}_\d{2})$') AS month
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class parent ON parent.oid = i.inhparent
    JOIN pg_catalog.pg_class child ON child.oid = i.inhrelid
    WHERE i.inhparent IN ('auth.audit_events'::regclass, 'auth.login_history'::regclass)
    ORDER BY child.relname
  LOOP
    IF part.month IS NOT NULL THEN
      CONTINUE WHEN ((to_date(part.month, 'YYYY_MM') + interval '1 month')::timestamp AT TIME ZONE 'UTC') > p_before;
    ELSE
      EXECUTE format('SELECT max(created_at) FROM latchkey.%I', part.name) INTO newest;
      CONTINUE WHEN newest IS NULL OR newest >= p_before;
    END IF;
    EXECUTE format('ALTER TABLE auth.%I DETACH PARTITION latchkey.%I', part.table_name, part.name);
    EXECUTE format('DROP TABLE latchkey.%I', part.name);
    IF part.month IS NULL THEN
      PERFORM latchkey.create_audit_partition(part.table_name, part.name);
      EXECUTE format('ALTER TABLE auth.%I ATTACH PARTITION latchkey.%I DEFAULT', part.table_name, part.name);
    END IF;
    RETURN NEXT part.name;
  END LOOP;
END $$;

DO $$
DECLARE
  name text;
  month date;
  moved bigint;
  had bigint;
BEGIN
  FOREACH name IN ARRAY ARRAY['audit_events', 'login_history'] LOOP
    PERFORM latchkey.create_audit_partition(name, name || '_default');
    EXECUTE format('ALTER TABLE auth.%I ATTACH PARTITION latchkey.%I DEFAULT', name, name || '_default');
    FOR month IN EXECUTE format(
      $q$SELECT DISTINCT date_trunc('month', created_at AT TIME ZONE 'UTC')::date FROM latchkey.%I$q$, name || '_before') LOOP
      PERFORM latchkey.add_audit_month(name, month);
    END LOOP;
  END LOOP;
  PERFORM latchkey.ensure_audit_partitions(3);
  FOREACH name IN ARRAY ARRAY['audit_events', 'login_history'] LOOP
    EXECUTE format('INSERT INTO auth.%I SELECT * FROM latchkey.%I', name, name || '_before');
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('SELECT count(*) FROM latchkey.%I', name || '_before') INTO had;
    IF moved <> had THEN
      RAISE EXCEPTION 'auth.%: % of % rows were moved', name, moved, had;
    END IF;
  END LOOP;
END $$;

-- After the copy: a check row by row and four growing indexes would make it several times as long.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['audit_events', 'login_history'] LOOP
    EXECUTE format('ALTER TABLE auth.%I ADD PRIMARY KEY (id, created_at)', name);
    EXECUTE format('ALTER TABLE auth.%I ADD FOREIGN KEY (org_id) REFERENCES public.organization (id)', name);
    EXECUTE format('CREATE INDEX ON auth.%I (org_id, created_at DESC, id DESC)', name);
    EXECUTE format('CREATE INDEX ON auth.%I (user_id, created_at DESC)', name);
    EXECUTE format('CREATE TRIGGER refuse_%s_change BEFORE UPDATE OR DELETE ON auth.%I
      FOR EACH ROW EXECUTE FUNCTION auth.refuse_audit_change()', name, name);
    EXECUTE format('CREATE TRIGGER refuse_%s_truncate BEFORE TRUNCATE ON auth.%I
      FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_audit_change()', name, name);
  END LOOP;
END $$;

-- Who called, from where, in which request: the API sets `app.request` for the transaction, so that every row says it, also one that a
-- trigger writes. A server of the release before sets nothing.
CREATE OR REPLACE FUNCTION auth.log_audit_event(
  p_user_id uuid, p_org_id uuid, p_event_type auth.audit_event_type, p_action text, p_resource_type text, p_resource_id uuid,
  p_old_values jsonb, p_new_values jsonb, p_metadata jsonb
) RETURNS uuid
LANGUAGE sql SET search_path = ''
AS $$
  INSERT INTO auth.audit_events
    (user_id, org_id, event_type, action, resource_type, resource_id, old_values, new_values, metadata, severity)
  VALUES
    (p_user_id, p_org_id, p_event_type, p_action, p_resource_type, p_resource_id, p_old_values, p_new_values,
     coalesce(nullif(current_setting('app.request', true), '')::jsonb, '{}') || coalesce(p_metadata, '{}'), coalesce(p_metadata ->> 'severity', 'info'))
  RETURNING id
$$;

-- 2. The chain --------------------------------------------------------------------------------------------------------------------------

-- What was inserted and not sealed yet. Filled by trigger, in the transaction of the event; emptied in the transaction of the seal.
CREATE TABLE latchkey.audit_pending (
  id bigint GENERATED ALWAYS AS IDENTITY,
  org_id uuid NOT NULL,
  source text NOT NULL CHECK (source IN ('audit_events', 'login_history')),
  event_id uuid NOT NULL,
  event_created_at timestamptz NOT NULL
);

-- One a row of the trail. `digest` chains what the rows say and needs no key to be checked; `hash` chains the digests under a key that the
-- database does not have.
CREATE TABLE latchkey.audit_seal (
  org_id uuid NOT NULL REFERENCES public.organization (id),
  sequence bigint NOT NULL CHECK (sequence > 0),
  source text NOT NULL CHECK (source IN ('audit_events', 'login_history')),
  event_id uuid NOT NULL,
  event_created_at timestamptz NOT NULL,
  key_id text NOT NULL,
  digest bytea NOT NULL CHECK (length(digest) = 32),
  hash bytea NOT NULL CHECK (length(hash) = 32),
  sealed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, sequence)
);

-- Signed statements of how long a chain is and what its head is. An `anchor` is where a chain begins after older seals were deleted.
CREATE TABLE latchkey.audit_checkpoint (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES public.organization (id),
  kind text NOT NULL CHECK (kind IN ('checkpoint', 'anchor')),
  sequence bigint NOT NULL CHECK (sequence >= 0),
  statement text NOT NULL CHECK (length(statement) <= 2048),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX audit_checkpoint_sequence_key ON latchkey.audit_checkpoint (org_id, sequence) WHERE kind = 'checkpoint';
CREATE INDEX audit_checkpoint_anchor_idx ON latchkey.audit_checkpoint (org_id, sequence) WHERE kind = 'anchor';

-- Runs as the owner: the application can seal what is pending, and add nothing to it.
CREATE FUNCTION latchkey.note_pending_seal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  INSERT INTO latchkey.audit_pending (org_id, source, event_id, event_created_at)
  VALUES (NEW.org_id, TG_ARGV[0], NEW.id, NEW.created_at);
  RETURN NULL;
END $$;

-- What was there before the chain is its beginning, in the order in which it happened.
INSERT INTO latchkey.audit_pending (org_id, source, event_id, event_created_at)
SELECT org_id, source, id, created_at FROM (
  SELECT org_id, 'audit_events' AS source, id, created_at FROM latchkey.audit_events_before
  UNION ALL
  SELECT org_id, 'login_history', id, created_at FROM latchkey.login_history_before
) AS events ORDER BY created_at, id;

ALTER TABLE latchkey.audit_pending ADD PRIMARY KEY (id), ADD FOREIGN KEY (org_id) REFERENCES public.organization (id);
CREATE INDEX audit_pending_org_idx ON latchkey.audit_pending (org_id, id);

CREATE TRIGGER note_pending_seal AFTER INSERT ON auth.audit_events
  FOR EACH ROW EXECUTE FUNCTION latchkey.note_pending_seal('audit_events');
CREATE TRIGGER note_pending_seal AFTER INSERT ON auth.login_history
  FOR EACH ROW EXECUTE FUNCTION latchkey.note_pending_seal('login_history');

DROP TABLE latchkey.audit_events_before, latchkey.login_history_before;

-- Seals are append-only too; what stands behind an anchor may go.
CREATE FUNCTION latchkey.refuse_seal_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF EXISTS (
      SELECT 1 FROM latchkey.audit_checkpoint a
      WHERE a.org_id = OLD.org_id AND a.kind = 'anchor'
        AND (a.sequence > OLD.sequence OR (a.sequence = OLD.sequence AND TG_TABLE_NAME = 'audit_seal'))
    ) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'latchkey.% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['audit_seal', 'audit_checkpoint'] LOOP
    EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON latchkey.%I
      FOR EACH ROW EXECUTE FUNCTION latchkey.refuse_seal_change()', name);
    EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON latchkey.%I
      FOR EACH STATEMENT EXECUTE FUNCTION latchkey.refuse_seal_change()', name);
  END LOOP;
END $$;

-- 3. Errors -------------------------------------------------------------------------------------------------------------------------------

-- Grouped: one row a fingerprint and hour, with a count and the last request. org_id is NULL where the request had no session.
CREATE TABLE latchkey.error_event (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid REFERENCES public.organization (id),
  fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{16}$'),
  hour timestamptz NOT NULL,
  category text NOT NULL CHECK (category IN ('database', 'auth', 'config', 'dependency', 'internal')),
  code text NOT NULL,
  message text NOT NULL CHECK (length(message) <= 1000),
  status integer,
  route text,
  method text,
  count bigint NOT NULL DEFAULT 1,
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  last_request jsonb NOT NULL DEFAULT '{}',
  frames text[] NOT NULL DEFAULT '{}',
  UNIQUE NULLS NOT DISTINCT (org_id, fingerprint, hour)
);
CREATE INDEX error_event_hour_idx ON latchkey.error_event (hour DESC, id DESC);

INSERT INTO auth.permissions (name, resource, action, description)
VALUES ('errors:read', 'errors', 'read', 'Read the errors of the service') ON CONFLICT (name) DO NOTHING;

-- Whatever body the function has by now, an administrator's exclusions grow by one.
DO $$
DECLARE
  old constant text := pg_get_functiondef('auth.create_system_roles(uuid)'::regprocedure);
  org uuid;
BEGIN
  IF position('''organizations:create'')' IN old) = 0 THEN
    RAISE EXCEPTION 'auth.create_system_roles is not what it was';
  END IF;
  EXECUTE replace(old, '''organizations:create'')', '''organizations:create'', ''errors:read'')');
  -- Row level security is forced on the owner too, so each organization is visited as itself.
  FOR org IN SELECT id FROM public.organization LOOP
    PERFORM set_config('app.tenant_id', org::text, true);
    INSERT INTO auth.role_permissions (role_id, permission_id)
    SELECT r.id, p.id FROM auth.roles r CROSS JOIN auth.permissions p
    WHERE r.org_id = org AND r.is_system_role AND r.slug = 'super_admin' AND p.name = 'errors:read'
    ON CONFLICT DO NOTHING;
  END LOOP;
  PERFORM set_config('app.tenant_id', '', true);
END $$;

-- 4. What the workers ask across tenants: numbers and organizations' ids, never a row of theirs ----------------------------------------

-- Bounded: after this migration the queue may hold every event there ever was.
CREATE FUNCTION latchkey.audit_backlog() RETURNS TABLE (org_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$ SELECT DISTINCT p.org_id FROM (SELECT q.org_id FROM latchkey.audit_pending q ORDER BY q.id LIMIT 5000) AS p $$;

-- Chains that grew since their last checkpoint, which is at least so old.
CREATE FUNCTION latchkey.audit_unsigned(p_age interval) RETURNS TABLE (org_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT o.id FROM public.organization o
  CROSS JOIN LATERAL (
    SELECT s.sequence FROM latchkey.audit_seal s WHERE s.org_id = o.id ORDER BY s.sequence DESC LIMIT 1) AS head
  LEFT JOIN LATERAL (
    SELECT c.sequence, c.created_at FROM latchkey.audit_checkpoint c
    WHERE c.org_id = o.id AND c.kind = 'checkpoint' ORDER BY c.sequence DESC LIMIT 1) AS last ON true
  WHERE last.sequence IS NULL OR (last.sequence < head.sequence AND last.created_at <= now() - p_age)
$$;

CREATE FUNCTION latchkey.audit_totals() RETURNS TABLE (sealed bigint, waiting bigint, oldest_waiting_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT
    (SELECT coalesce(sum(head.sequence), 0)::bigint FROM public.organization o CROSS JOIN LATERAL (
      SELECT s.sequence FROM latchkey.audit_seal s WHERE s.org_id = o.id ORDER BY s.sequence DESC LIMIT 1) AS head),
    (SELECT count(*) FROM (SELECT 1 FROM latchkey.audit_pending LIMIT 10000) AS waits),
    (SELECT extract(epoch FROM clock_timestamp() - p.event_created_at)::double precision
     FROM latchkey.audit_pending p ORDER BY p.id LIMIT 1)
$$;

CREATE FUNCTION latchkey.forget_old_errors(p_age interval) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
  WITH gone AS (DELETE FROM latchkey.error_event WHERE hour < now() - greatest(p_age, interval '1 day') RETURNING 1)
  SELECT count(*) FROM gone
$$;

-- 5. Row level security and rights -----------------------------------------------------------------------------------------------------

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['auth.audit_events', 'auth.login_history', 'latchkey.audit_pending', 'latchkey.audit_seal',
    'latchkey.audit_checkpoint'] LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %s USING (org_id = (SELECT auth.current_tenant()))', name);
  END LOOP;
END $$;

ALTER TABLE latchkey.error_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE latchkey.error_event FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON latchkey.error_event USING (org_id IS NULL OR org_id = (SELECT auth.current_tenant()));
CREATE POLICY owner_forgets ON latchkey.error_event TO CURRENT_USER USING (true);

-- For the functions of section 4 and the trigger.
CREATE POLICY owner_works ON latchkey.audit_pending TO CURRENT_USER USING (true);
CREATE POLICY owner_reads ON latchkey.audit_seal FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_reads ON latchkey.audit_checkpoint FOR SELECT TO CURRENT_USER USING (true);
-- An anchor is how seals get deleted: none of the application's business.
CREATE POLICY no_anchor ON latchkey.audit_checkpoint AS RESTRICTIVE FOR INSERT TO latchkey_app WITH CHECK (kind = 'checkpoint');

GRANT SELECT, INSERT ON auth.audit_events, auth.login_history TO latchkey_app;
GRANT SELECT, DELETE ON latchkey.audit_pending TO latchkey_app;
GRANT SELECT, INSERT ON latchkey.audit_seal, latchkey.audit_checkpoint TO latchkey_app;
GRANT SELECT, INSERT, UPDATE ON latchkey.error_event TO latchkey_app;
-- The diagnosis says which schema it found.
GRANT SELECT (version) ON latchkey.migration TO latchkey_app;

REVOKE ALL ON FUNCTION latchkey.create_audit_partition(text, text), latchkey.add_audit_month(text, date),
  latchkey.ensure_audit_partitions(integer), latchkey.drop_audit_partitions(timestamptz), latchkey.note_pending_seal(),
  latchkey.refuse_seal_change(), latchkey.audit_backlog(), latchkey.audit_unsigned(interval), latchkey.audit_totals(),
  latchkey.forget_old_errors(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION latchkey.ensure_audit_partitions(integer), latchkey.audit_backlog(), latchkey.audit_unsigned(interval),
  latchkey.audit_totals(), latchkey.forget_old_errors(interval) TO latchkey_app;
