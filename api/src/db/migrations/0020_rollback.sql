-- Takes 0020 back. An organization table that was there before us stays, with its slug; the role stays too, since it belongs to the
-- whole server and other databases may use it.
DO $$
BEGIN
  REVOKE ALL ON public.organization FROM latchkey_app;
  IF obj_description('public.organization'::regclass) = 'created by latchkey 0020' THEN
    DROP TABLE public.organization;
  END IF;
END $$;
