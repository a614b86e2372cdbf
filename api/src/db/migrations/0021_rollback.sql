-- Emergency only: drops every account, session and audit record. `db.ts rollback` refuses it without --yes.
-- Dependencies go first, so that a mistake stops here instead of taking foreign objects with it; no CASCADE on tables.
DROP TABLE auth.feature_flags, auth.system_config, auth.user_preferences, auth.login_history, auth.audit_events, auth.user_sessions,
  auth.user_permissions, auth.user_roles, auth.role_permissions, auth.permissions, auth.roles, auth.users_extended;

DROP FUNCTION auth.create_system_roles(uuid), auth.refuse_audit_change(), auth.audit_role_changes(), auth.audit_user_changes(),
  auth.log_audit_event(uuid, uuid, auth.audit_event_type, text, text, uuid, jsonb, jsonb, jsonb),
  auth.user_has_permission(uuid, text), auth.get_user_permissions(uuid), auth.update_updated_at_column(), auth.current_tenant();

DROP TYPE auth.bee_status_type, auth.employment_equity_type, auth.audit_event_type, auth.session_status, auth.permission_action,
  auth.user_role_type;

DROP SCHEMA auth;
