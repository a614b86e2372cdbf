-- Takes 0026 back: the audit tables become plain ones again, with every row. Seals, checkpoints and the list of errors are lost.
DO $$
DECLARE
  name text;
  moved bigint;
  had bigint;
BEGIN
  FOREACH name IN ARRAY ARRAY['audit_events', 'login_history'] LOOP
    -- The owner is filtered by forced row level security too, and must see all of what it moves.
    EXECUTE format('ALTER TABLE auth.%I NO FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE TABLE latchkey.%I (LIKE auth.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)',
      name || '_plain', name);
    EXECUTE format('INSERT INTO latchkey.%I SELECT * FROM auth.%I', name || '_plain', name);
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('SELECT count(*) FROM auth.%I', name) INTO had;
    IF moved <> had THEN
      RAISE EXCEPTION 'auth.%: % of % rows were moved', name, moved, had;
    END IF;
    EXECUTE format('DROP TABLE auth.%I', name);
    EXECUTE format('ALTER TABLE latchkey.%I RENAME TO %I', name || '_plain', name);
    EXECUTE format('ALTER TABLE latchkey.%I SET SCHEMA auth', name);
    EXECUTE format('ALTER TABLE auth.%I ADD PRIMARY KEY (id)', name);
    EXECUTE format('ALTER TABLE auth.%I ADD FOREIGN KEY (org_id) REFERENCES public.organization (id)', name);
    EXECUTE format('CREATE INDEX %I ON auth.%I (org_id, created_at DESC)', name || '_org_created_idx', name);
    EXECUTE format('CREATE INDEX %I ON auth.%I (user_id, created_at DESC)', name || '_user_created_idx', name);
    EXECUTE format('CREATE TRIGGER refuse_%s_change BEFORE UPDATE OR DELETE ON auth.%I
      FOR EACH ROW EXECUTE FUNCTION auth.refuse_audit_change()', name, name);
    EXECUTE format('CREATE TRIGGER refuse_%s_truncate BEFORE TRUNCATE ON auth.%I
      FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_audit_change()', name, name);
    EXECUTE format('ALTER TABLE auth.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE auth.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON auth.%I USING (org_id = (SELECT auth.current_tenant()))', name);
    EXECUTE format('GRANT SELECT, INSERT ON auth.%I TO latchkey_app', name);
  END LOOP;

  EXECUTE replace(pg_get_functiondef('auth.create_system_roles(uuid)'::regprocedure),
    '''organizations:create'', ''errors:read'')', '''organizations:create'')');
END $$;

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
     coalesce(p_metadata, '{}'), coalesce(p_metadata ->> 'severity', 'info'))
  RETURNING id
$$;

DELETE FROM auth.permissions WHERE name = 'errors:read';

REVOKE SELECT (version) ON latchkey.migration FROM latchkey_app;
DROP TABLE latchkey.audit_pending, latchkey.audit_seal, latchkey.audit_checkpoint, latchkey.error_event;
DROP FUNCTION latchkey.create_audit_partition(text, text), latchkey.add_audit_month(text, date),
  latchkey.ensure_audit_partitions(integer), latchkey.drop_audit_partitions(timestamptz), latchkey.note_pending_seal(),
  latchkey.refuse_seal_change(), latchkey.audit_backlog(), latchkey.audit_unsigned(interval), latchkey.audit_totals(),
  latchkey.forget_old_errors(interval);
