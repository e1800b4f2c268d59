-- Makes a scratch copy of a service's schema fit for rlsgrid; never run on a database with data. Policies, grants and
-- owners stay as they are, since they are what is judged. rlsgrid cannot make a seal and knows no values of ours, so:
-- the client comes from a claim, and every column has a value that no check or reference refuses. It sees no partitioned
-- table either: a plain one takes the place of each, with the same owner, grants and policies as the catalogue has them.
CREATE OR REPLACE FUNCTION guard.client_id() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('request.jwt.claim.client_id', true), '')::uuid
$$;

DO $$
DECLARE whole regclass; held pg_class; one record;
BEGIN
    FOR whole IN SELECT oid FROM pg_class WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace LOOP
        SELECT * INTO held FROM pg_class WHERE oid = whole;
        EXECUTE format('CREATE TABLE public.plain (LIKE %s INCLUDING DEFAULTS INCLUDING INDEXES)', whole);
        EXECUTE format('ALTER TABLE public.plain OWNER TO %s', held.relowner::regrole);
        IF held.relrowsecurity THEN
            ALTER TABLE public.plain ENABLE ROW LEVEL SECURITY;
        END IF;
        IF held.relforcerowsecurity THEN
            ALTER TABLE public.plain FORCE ROW LEVEL SECURITY;
        END IF;
        FOR one IN SELECT * FROM aclexplode(held.relacl) WHERE grantee NOT IN (0, held.relowner) LOOP
            EXECUTE format('GRANT %s ON public.plain TO %s', one.privilege_type, one.grantee::regrole);
        END LOOP;
        FOR one IN SELECT * FROM pg_policies WHERE format('%I.%I', schemaname, tablename)::regclass = whole LOOP
            EXECUTE format('CREATE POLICY %I ON public.plain AS %s FOR %s TO %s', one.policyname, one.permissive, one.cmd,
                           array_to_string(one.roles, ', '))
                || coalesce(' USING (' || one.qual || ')', '') || coalesce(' WITH CHECK (' || one.with_check || ')', '');
        END LOOP;
        EXECUTE format('DROP TABLE %s CASCADE', whole);
        EXECUTE format('ALTER TABLE public.plain RENAME TO %I', held.relname);
    END LOOP;
END $$;

DO $$
DECLARE one record;
BEGIN
    -- rlsgrid tries a client's column: who may write a table without one is tried in tests/isolation/test_injection.py.
    FOR one IN
        SELECT c.oid::regclass AS held_by FROM pg_class c
         WHERE c.relrowsecurity AND c.relnamespace = 'public'::regnamespace
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'client_id')
    LOOP
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', one.held_by);
    END LOOP;
    FOR one IN
        SELECT conrelid::regclass AS held_by, conname
          FROM pg_constraint
         WHERE contype IN ('c', 'f') AND coninhcount = 0 AND conrelid <> 0
           AND connamespace IN ('public'::regnamespace, 'guard'::regnamespace)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.held_by, one.conname);
    END LOOP;
    FOR one IN
        SELECT attrelid::regclass AS held_by, attname, format_type(atttypid, NULL) AS kind
          FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
         WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, 'guard'::regnamespace)
           AND attnum > 0 AND attnotnull AND NOT atthasdef AND NOT attisdropped AND attname <> 'client_id'
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I SET DEFAULT %s', one.held_by, one.attname, CASE one.kind
            WHEN 'uuid' THEN 'gen_random_uuid()'
            WHEN 'bytea' THEN 'decode(md5(random()::text), ''hex'')'
            WHEN 'text' THEN 'md5(random()::text)'
            WHEN 'timestamp with time zone' THEN 'now()'
            WHEN 'boolean' THEN 'false'
            WHEN 'text[]' THEN '''{}'''
            WHEN 'jsonb' THEN '''{}'''
            ELSE '1' END);
    END LOOP;
END $$;
