-- The tenant table that migration 0021 hangs everything on. It lives in `public`, because schema `auth` has exactly the twelve tables of
-- the runbook, and it may exist already: then only the slug is added (docs/adr/0005-schema.md).

DO $$
BEGIN
  IF to_regclass('public.organization') IS NULL THEN
    CREATE TABLE public.organization (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
      created_at timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE public.organization IS 'created by latchkey 0020';
  END IF;
END $$;

ALTER TABLE public.organization ADD COLUMN IF NOT EXISTS slug text;
CREATE UNIQUE INDEX IF NOT EXISTS organization_slug_key ON public.organization (slug);

-- An empty table gets the default organization; an adopted one names its first row so.
INSERT INTO public.organization (name, slug)
SELECT 'Default', 'default' WHERE NOT EXISTS (SELECT 1 FROM public.organization);

UPDATE public.organization SET slug = 'default'
WHERE id = (SELECT id FROM public.organization ORDER BY created_at, id LIMIT 1)
  AND NOT EXISTS (SELECT 1 FROM public.organization WHERE slug = 'default');

-- The group role of every login role the API uses: owns nothing, bypasses nothing. Roles belong to the whole server, so another
-- database of the same server may be creating it at this moment.
DO $$
BEGIN
  CREATE ROLE latchkey_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END $$;

GRANT USAGE ON SCHEMA public TO latchkey_app;
GRANT SELECT ON public.organization TO latchkey_app;
