-- Makes a scratch copy of a service's schema fit for rlsgrid; never run on a database with data. Policies, grants and
-- owners stay as they are, since they are what is judged. rlsgrid cannot make a seal and knows no values of ours, so:
-- the client comes from a claim, and every column has a value that no check or reference refuses.
CREATE OR REPLACE FUNCTION guard.client_id() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('request.jwt.claim.client_id', true), '')::uuid
$$;

DO $$
DECLARE one record;
BEGIN
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
