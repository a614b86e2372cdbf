-- Takes the tables and columns of 0022 back, with what stands in them. The values that it added to auth.audit_event_type stay: PostgreSQL
-- cannot take one away, and an event that uses it may exist.
DROP TABLE latchkey.mail_outbox, latchkey.one_time_token, latchkey.password_history;

ALTER TABLE auth.user_sessions DROP COLUMN name, DROP COLUMN client, DROP COLUMN has_second_factor, DROP COLUMN proved_at;
ALTER TABLE auth.users_extended DROP COLUMN email_verified_at, DROP COLUMN password_expires_at, DROP COLUMN must_change_password;

REVOKE USAGE ON SCHEMA latchkey FROM latchkey_app;
