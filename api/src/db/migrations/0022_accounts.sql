-- What an account and its sessions need beyond the runbook's twelve tables. New tables live in schema `latchkey`, so that schema `auth` stays
-- what the runbook says it is (docs/adr/0005-schema.md). Expand-only: a server of the release before runs on it unchanged.

GRANT USAGE ON SCHEMA latchkey TO latchkey_app;

-- 1. Accounts and sessions ------------------------------------------------------------------------------------------------------------

ALTER TABLE auth.users_extended
  ADD COLUMN email_verified_at timestamptz,
  ADD COLUMN password_expires_at timestamptz,
  ADD COLUMN must_change_password boolean NOT NULL DEFAULT false;

-- When the session's account last proved itself (password, code): what asks for a recent login looks here.
ALTER TABLE auth.user_sessions
  ADD COLUMN name text CHECK (length(name) BETWEEN 1 AND 100),
  ADD COLUMN client text NOT NULL DEFAULT 'bearer' CHECK (client IN ('bearer', 'browser')),
  ADD COLUMN has_second_factor boolean NOT NULL DEFAULT false,
  ADD COLUMN proved_at timestamptz NOT NULL DEFAULT now();

ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'email_verified';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'password_reset_requested';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'mfa_enabled';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'mfa_disabled';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'mfa_failed';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'account_locked';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'account_unlocked';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'feature_flag_changed';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'rate_limited';
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'data_read';

-- 2. Tables ---------------------------------------------------------------------------------------------------------------------------

CREATE TABLE latchkey.password_history (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid NOT NULL,
  user_id uuid NOT NULL,
  password_hash text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, user_id) REFERENCES auth.users_extended (org_id, id) ON DELETE CASCADE
);
CREATE INDEX password_history_user_idx ON latchkey.password_history (user_id, created_at DESC);

-- One-time secrets by purpose. Only the SHA-256 is kept, under the purpose: a token of one purpose is unknown to every other. Using one
-- deletes it, in the statement that finds it.
CREATE TABLE latchkey.one_time_token (
  digest bytea PRIMARY KEY CHECK (length(digest) = 32),
  purpose text NOT NULL CHECK (purpose IN ('verify-email', 'reset-password', 'login-second-factor')),
  org_id uuid NOT NULL,
  user_id uuid NOT NULL,
  -- The address that it was sent to: a token does not follow the account to another one.
  email text NOT NULL,
  details jsonb NOT NULL DEFAULT '{}',
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, user_id) REFERENCES auth.users_extended (org_id, id) ON DELETE CASCADE
);
CREATE INDEX one_time_token_user_idx ON latchkey.one_time_token (user_id, purpose);
CREATE INDEX one_time_token_expiry_idx ON latchkey.one_time_token (expires_at);

-- Mails that wait for the mail server. `sealed` is encrypted, since it holds the link; a sent mail's row loses it.
CREATE TABLE latchkey.mail_outbox (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid NOT NULL REFERENCES public.organization (id),
  template text NOT NULL,
  recipient text NOT NULL,
  sealed text,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  last_error text,
  sent_at timestamptz,
  given_up_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mail_outbox_due_idx ON latchkey.mail_outbox (next_attempt_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
-- How many mails of a kind an address got lately: nobody's mailbox may be filled through us.
CREATE INDEX mail_outbox_recipient_idx ON latchkey.mail_outbox (recipient, template, sent_at);

-- 3. Row level security ---------------------------------------------------------------------------------------------------------------

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['password_history', 'one_time_token', 'mail_outbox'] LOOP
    EXECUTE format('ALTER TABLE latchkey.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE latchkey.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON latchkey.%I USING (org_id = (SELECT auth.current_tenant()))', name);
  END LOOP;
END $$;

-- The worker that sends mail takes the due rows of every tenant in one statement. It says so in its transaction, as the tenant is said in the
-- others; nothing that a request brings along ever reaches this setting. It may not insert, so no mail can come from it.
CREATE POLICY mail_worker_reads ON latchkey.mail_outbox FOR SELECT USING (current_setting('app.worker', true) = 'mail');
CREATE POLICY mail_worker_writes ON latchkey.mail_outbox FOR UPDATE USING (current_setting('app.worker', true) = 'mail');
CREATE POLICY mail_worker_deletes ON latchkey.mail_outbox FOR DELETE USING (current_setting('app.worker', true) = 'mail');

GRANT SELECT, INSERT, DELETE ON latchkey.password_history, latchkey.one_time_token TO latchkey_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON latchkey.mail_outbox TO latchkey_app;
