-- Every access to a client's data, stored once and never changed (04.4, invariants 5, 6 and 8). The job role inserts and
-- reads nothing; the request role reads its own client's and writes nothing; nobody may update, delete or truncate.
-- `event_id` is a UUIDv7: ordered by time, so that months are ranges of it and the primary key can hold the partition key.

CREATE TABLE access_event (
    client_id      uuid        NOT NULL,
    event_id       uuid        NOT NULL,
    version        smallint    NOT NULL,
    occurred_at    timestamptz NOT NULL,
    service        text        NOT NULL,
    actor_type     text        NOT NULL,
    actor_id       text        NOT NULL,
    actor_label    text        NOT NULL,
    action         text        NOT NULL,
    -- In the event's own order: with the salt, all that its canonical bytes are made of.
    resource_types text[]      NOT NULL,
    resource_ids   text[]      NOT NULL,
    guest_id       uuid,
    ip             text        NOT NULL,
    user_agent     text        NOT NULL,
    outcome        text        NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
    reason         text,
    request_id     text        NOT NULL,
    trace_id       text,
    salt           bytea       NOT NULL CHECK (length(salt) = 32),
    stored_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (client_id, event_id),
    CHECK (cardinality(resource_types) = cardinality(resource_ids))
) PARTITION BY RANGE (event_id);

-- One index for each question of the API; all end in `event_id`, so that a page is read in order and no further.
CREATE INDEX access_event_actor ON access_event (client_id, actor_id, event_id);
CREATE INDEX access_event_action ON access_event (client_id, action, event_id);
CREATE INDEX access_event_ip ON access_event (client_id, ip, event_id);

-- Which events touched a thing. A table of its own, because under row-level security no array operator uses an index.
CREATE TABLE access_event_resource (
    client_id     uuid NOT NULL,
    event_id      uuid NOT NULL,
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    PRIMARY KEY (client_id, resource_type, event_id, resource_id)
) PARTITION BY RANGE (event_id);

CREATE INDEX access_event_resource_id ON access_event_resource (client_id, resource_id, event_id);

-- Filled by the insert itself: rows that were there before fire nothing, so an event that comes again, changed, adds
-- nothing, and the job role needs no right to read in order to know what is new.
CREATE FUNCTION access_event_index_resources() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.access_event_resource (client_id, event_id, resource_type, resource_id)
    SELECT DISTINCT e.client_id, e.event_id, r.resource_type, r.resource_id
      FROM stored e, unnest(e.resource_types, e.resource_ids) AS r (resource_type, resource_id);
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION access_event_index_resources() FROM PUBLIC;
CREATE TRIGGER index_resources AFTER INSERT ON access_event REFERENCING NEW TABLE AS stored
    FOR EACH STATEMENT EXECUTE FUNCTION access_event_index_resources();

CALL guard.protect('access_event', 'audit_request');
CALL guard.protect('access_event_resource', 'audit_request');
CREATE POLICY every_client ON access_event FOR INSERT TO audit_job WITH CHECK (true);
CREATE POLICY every_client ON access_event_resource FOR INSERT TO audit_job WITH CHECK (true);
GRANT SELECT ON access_event, access_event_resource TO audit_request;
GRANT INSERT ON access_event, access_event_resource TO audit_job;

-- What no month takes (a clock far off): kept all the same.
CREATE TABLE access_event_other PARTITION OF access_event DEFAULT;
CREATE TABLE access_event_resource_other PARTITION OF access_event_resource DEFAULT;
CALL guard.protect('access_event_other', 'audit_request');
CALL guard.protect('access_event_resource_other', 'audit_request');

-- Makes the months around `at` that are missing, thirteen back and three ahead; how many. Runs as its owner, because no
-- running service may create a table. Partitions have no grants: they are reached through their parent alone.
CREATE FUNCTION access_event_make_months(at timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s'
    SET client_min_messages = 'warning' AS $$
DECLARE
    tail  CONSTANT text := '70008000000000000000';  -- version and variant of a UUIDv7, all else zero
    month timestamptz;
    lower uuid;
    upper uuid;
    parent text;
    made  integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('access_event_make_months', 0));
    FOR month IN SELECT date_trunc('month', at) + n * interval '1 month' FROM generate_series(-13, 3) AS n LOOP
        lower := lpad(to_hex((extract(epoch FROM month) * 1000)::bigint), 12, '0') || tail;
        upper := lpad(to_hex((extract(epoch FROM month + interval '1 month') * 1000)::bigint), 12, '0') || tail;
        FOREACH parent IN ARRAY ARRAY['access_event', 'access_event_resource'] LOOP
            CONTINUE WHEN to_regclass(format('public.%I', parent || to_char(month, '_YYYY_MM'))) IS NOT NULL;
            BEGIN
                EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
                               parent || to_char(month, '_YYYY_MM'), parent, lower, upper);
                EXECUTE format('CALL guard.protect(%L, %L)',
                               'public.' || parent || to_char(month, '_YYYY_MM'), 'audit_request');
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                -- The default partition holds rows of this month already: they stay there, and so does the month.
                RAISE WARNING 'rows of % stay in the default partition', to_char(month, 'YYYY-MM');
            END;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION access_event_make_months(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access_event_make_months(timestamptz) TO audit_job;
SELECT access_event_make_months(now());
