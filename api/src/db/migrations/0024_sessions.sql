-- Keys that sign access tokens, and word of every session that ends (docs/adr/0009-sessions-heard-from-postgresql.md). Expand-only: a server of
-- the release before neither reads the table nor listens, and its own statements fire the triggers.

-- 1. Signing keys -------------------------------------------------------------------------------------------------------------------

-- Of the installation, not of a tenant. What a key does follows from the time: before `activates_at` it is only published, then it signs
-- until a younger one is active, then it verifies until its last token has ended. `retired_at` ends it at once.
CREATE TABLE latchkey.signing_key (
  key_id text PRIMARY KEY CHECK (length(key_id) BETWEEN 16 AND 64),
  -- The only algorithm that is ever accepted with this key, whatever a token's header says.
  algorithm text NOT NULL CHECK (algorithm = 'ES256'),
  public_jwk jsonb NOT NULL,
  -- Encrypted under ENCRYPTION_KEY. NULL for a configured key that is here only because it was retired.
  sealed_private_key text,
  created_at timestamptz NOT NULL DEFAULT now(),
  activates_at timestamptz NOT NULL,
  retired_at timestamptz,
  CHECK (sealed_private_key IS NOT NULL OR retired_at IS NOT NULL)
);

-- The server reads. Who could write here could make itself a key that everybody believes, so only the schema's owner does (cli/keys.ts).
GRANT SELECT ON latchkey.signing_key TO latchkey_app;

-- 2. Word of ended sessions -----------------------------------------------------------------------------------------------------------

-- By trigger, so that it is told with the commit, whoever ended it: any release, any command, a hand in psql.
CREATE FUNCTION latchkey.tell_session_ended() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM pg_notify('latchkey_session_ended', NEW.id::text);
  RETURN NULL;
END $$;

CREATE TRIGGER session_ended AFTER UPDATE OF status ON auth.user_sessions
  FOR EACH ROW WHEN (OLD.status = 'active' AND NEW.status <> 'active') EXECUTE FUNCTION latchkey.tell_session_ended();

-- An account that is switched off takes its sessions with it, whether or not somebody thinks of ending them.
CREATE FUNCTION latchkey.tell_account_off() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM pg_notify('latchkey_session_ended', id::text) FROM auth.user_sessions WHERE user_id = NEW.id AND status = 'active';
  RETURN NULL;
END $$;

CREATE TRIGGER account_off AFTER UPDATE OF is_active, deleted_at ON auth.users_extended
  FOR EACH ROW WHEN (OLD.is_active AND OLD.deleted_at IS NULL AND (NOT NEW.is_active OR NEW.deleted_at IS NOT NULL))
  EXECUTE FUNCTION latchkey.tell_account_off();

-- 3. Audit ----------------------------------------------------------------------------------------------------------------------------

-- A session that goes on from another program in another network.
ALTER TYPE auth.audit_event_type ADD VALUE IF NOT EXISTS 'session_moved';
