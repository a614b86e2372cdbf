-- Attempt budgets against guessing, and the second factor (docs/api/login.md, docs/api/mfa.md). Expand-only: a server of the release before
-- runs on it unchanged, and knows none of it.

-- 1. Attempt budgets ------------------------------------------------------------------------------------------------------------------

-- One row a pool and subject that failed lately. The subject is an address, an account, a session or a client, kept as a digest, since what
-- people type into an address field may be anything. PostgreSQL is the truth, so that losing Redis never opens guessing.
CREATE TABLE latchkey.attempt_budget (
  org_id uuid NOT NULL REFERENCES public.organization (id),
  pool text NOT NULL CHECK (pool ~ '^[a-z][a-z-]{2,39}$'),
  subject_digest bytea NOT NULL CHECK (length(subject_digest) = 32),
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  lockouts integer NOT NULL DEFAULT 0 CHECK (lockouts >= 0),
  last_attempt_at timestamptz NOT NULL,
  blocked_until timestamptz,
  -- Whose account it is where there is one: only for the notice to its owner, which a background job sends.
  user_id uuid,
  is_notice_due boolean NOT NULL DEFAULT false,
  PRIMARY KEY (org_id, pool, subject_digest)
) WITH (fillfactor = 80);
CREATE INDEX attempt_budget_notice_idx ON latchkey.attempt_budget (org_id) WHERE is_notice_due;
CREATE INDEX attempt_budget_user_idx ON latchkey.attempt_budget (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX attempt_budget_age_idx ON latchkey.attempt_budget (org_id, last_attempt_at);

-- 2. Second factor --------------------------------------------------------------------------------------------------------------------

-- At most one a person. `sealed_secret` is AES-256-GCM with account and factor authenticated; `key_id` says under which key.
-- `last_step` is the newest 30-second step that was used: a code is good once.
CREATE TABLE latchkey.totp_factor (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  user_id uuid NOT NULL UNIQUE,
  sealed_secret text NOT NULL,
  key_id text NOT NULL,
  last_step bigint NOT NULL DEFAULT 0,
  confirmed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, user_id) REFERENCES auth.users_extended (org_id, id) ON DELETE CASCADE
);

-- Only the keyed digest of a code is kept. Using one sets `used_at`, in the statement that finds it unused.
CREATE TABLE latchkey.backup_code (
  digest bytea PRIMARY KEY CHECK (length(digest) = 32),
  org_id uuid NOT NULL,
  user_id uuid NOT NULL,
  key_id text NOT NULL,
  used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, user_id) REFERENCES auth.users_extended (org_id, id) ON DELETE CASCADE
);
CREATE INDEX backup_code_user_idx ON latchkey.backup_code (user_id);

-- 3. The slowest hash in use -----------------------------------------------------------------------------------------------------------

-- Every login takes as long as the slowest hash of its organization, or time would tell who exists. This index makes the question one probe.
CREATE INDEX users_extended_hash_cost_idx ON auth.users_extended
  (org_id, (substring(password_hash FROM '\$2[aby]\$(\d\d)\$')) DESC NULLS LAST);

-- 4. Row level security and rights -----------------------------------------------------------------------------------------------------

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['attempt_budget', 'totp_factor', 'backup_code'] LOOP
    EXECUTE format('ALTER TABLE latchkey.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE latchkey.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON latchkey.%I USING (org_id = (SELECT auth.current_tenant()))', name);
  END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON latchkey.attempt_budget, latchkey.totp_factor, latchkey.backup_code TO latchkey_app;
