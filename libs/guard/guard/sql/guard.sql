-- The part of every service's database that no service may touch: the seal, the outbox, the keys (03.2, 02.1, 04.4).
-- Idempotent. Run as superuser, once per database, with `guard.service` set to the service's name.

CREATE SCHEMA IF NOT EXISTS guard AUTHORIZATION guard_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
-- A role may otherwise end any session of its own role, and read another session's literals (research: joints 1).
REVOKE EXECUTE ON FUNCTION pg_cancel_backend(int), pg_terminate_backend(int, bigint), pg_stat_get_activity(int),
    pg_stat_get_backend_activity(int) FROM PUBLIC;
-- A large object belongs to no client and knows no row-level security.
REVOKE EXECUTE ON FUNCTION lo_creat(int), lo_create(oid), lo_from_bytea(oid, bytea), lo_open(oid, int), lo_get(oid),
    lo_get(oid, bigint, int), lo_put(oid, bigint, bytea), lo_unlink(oid) FROM PUBLIC;
REVOKE SELECT ON pg_stat_activity FROM PUBLIC;

SET ROLE guard_owner;

-- HMAC-SHA256 as its two padded key blocks: core `sha256` is enough, and pgcrypto (a source of CVEs) stays out.
CREATE TABLE IF NOT EXISTS guard.seal_key (
    kid  smallint PRIMARY KEY CHECK (kid BETWEEN 0 AND 9),
    ipad bytea NOT NULL CHECK (length(ipad) = 64),
    opad bytea NOT NULL CHECK (length(opad) = 64)
);
REVOKE ALL ON guard.seal_key FROM PUBLIC;

-- The client that this transaction is sealed for. Only a holder of the seal key can make a seal, only for one backend,
-- only for a minute: an injected `set_config` yields an error, never another client's rows (invariant 3).
CREATE OR REPLACE FUNCTION guard.client_id() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE s text := current_setting('guard.seal', true); i bytea; o bytea;
BEGIN
    IF length(s) = 114 THEN
        SELECT ipad, opad INTO i, o FROM guard.seal_key WHERE kid = substr(s, 49, 1)::smallint;
        IF to_timestamp(substr(s, 38, 10)::bigint) >= now()
           AND sha256(o || sha256(i || convert_to(substr(s, 1, 50) || pg_backend_pid(), 'UTF8'))) = decode(substr(s, 51), 'hex')
        THEN RETURN substr(s, 1, 36)::uuid; END IF;
    END IF;
    RAISE EXCEPTION 'tenant seal refused' USING ERRCODE = '28000';
END $$;
REVOKE EXECUTE ON FUNCTION guard.client_id() FROM PUBLIC;

-- One line per tenant table: row-level security on, forced, and one policy that both reads and writes must pass.
CREATE OR REPLACE PROCEDURE guard.protect(tenant_table regclass, request_role name)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('DROP POLICY IF EXISTS own_client ON %s', tenant_table);
    EXECUTE format('CREATE POLICY own_client ON %s TO %I USING (client_id = (SELECT guard.client_id()))'
                   ' WITH CHECK (client_id = (SELECT guard.client_id()))', tenant_table, request_role);
END $$;

-- What leaves this service: committed with the access it describes, removed when its reader has confirmed it.
CREATE TABLE IF NOT EXISTS guard.outbox (
    client_id  uuid        NOT NULL,
    event_id   uuid        NOT NULL,
    topic      text        NOT NULL,
    key        text        NOT NULL,
    payload    text        NOT NULL,
    trace      text        NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    sends      smallint    NOT NULL DEFAULT 0,
    PRIMARY KEY (client_id, event_id)
);
-- Whoever may write here may not speak for another client, on any topic: what is said is of the client that the row is
-- sealed for, and so is its key, under which a topic is ordered and compacted. Only the platform confirms.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'outbox_speaks_for_its_client') THEN
        ALTER TABLE guard.outbox DROP CONSTRAINT IF EXISTS outbox_speaks_for_itself;
        -- Half a MiB: Kafka would refuse a message of one, and with it all that were claimed beside it, for ever.
        ALTER TABLE guard.outbox ADD CONSTRAINT outbox_speaks_for_its_client CHECK (
            octet_length(payload) + octet_length(key) + octet_length(trace) <= 524288 AND
            CASE WHEN topic = 'audit.stored' THEN client_id = '00000000-0000-0000-0000-000000000000'
                 WHEN topic LIKE 'access.%' THEN key = client_id::text
                      AND payload::jsonb @> jsonb_build_object('client_id', client_id, 'event_id', event_id)
                 WHEN topic = 'auth.revocations' THEN payload::jsonb @> jsonb_build_object('client_id', client_id)
                      AND (split_part(key, ':', 1) = client_id::text
                           -- As an `auth` of before keys them, which may still run, or have left one here unsent.
                           OR key = concat_ws(':', payload::jsonb ->> 'kind', payload::jsonb ->> 'id'))
                 ELSE key = client_id::text AND payload::jsonb @> jsonb_build_object('client_id', client_id) END);
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS outbox_due ON guard.outbox (due_at);
CREATE INDEX IF NOT EXISTS outbox_event ON guard.outbox (event_id);
ALTER TABLE guard.outbox SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

-- A client's data keys, wrapped by its key in OpenBao; `index` keys blind the look-up columns.
CREATE TABLE IF NOT EXISTS guard.data_key (
    client_id   uuid        NOT NULL,
    data_key_id uuid        NOT NULL,
    purpose     text        NOT NULL CHECK (purpose IN ('data', 'index')),
    wrapped     text        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (client_id, data_key_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS data_key_one_index ON guard.data_key (client_id) WHERE purpose = 'index';

-- A key per person (or per call without one), wrapped by the client's data key: deleting the row is forgetting the person.
CREATE TABLE IF NOT EXISTS guard.subject_key (
    client_id   uuid  NOT NULL,
    subject_id  uuid  NOT NULL,
    data_key_id uuid  NOT NULL,
    wrapped     bytea NOT NULL,
    PRIMARY KEY (client_id, subject_id),
    FOREIGN KEY (client_id, data_key_id) REFERENCES guard.data_key (client_id, data_key_id)
);

-- First answers to creating requests, sealed like the data, kept for a day.
CREATE TABLE IF NOT EXISTS guard.idempotency (
    client_id   uuid        NOT NULL,
    key_hash    bytea       NOT NULL,
    body_hash   bytea       NOT NULL,
    resource    text        NOT NULL,
    resource_id uuid        NOT NULL,
    subject_id  uuid        NOT NULL,
    sealed      bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (client_id, key_hash)
);
CREATE INDEX IF NOT EXISTS idempotency_resource ON guard.idempotency (client_id, resource, resource_id);
CREATE INDEX IF NOT EXISTS idempotency_age ON guard.idempotency (created_at);

-- Grants and policies of the service that owns this database. `request` serves routes, `job` never does.
CREATE OR REPLACE PROCEDURE guard.install(service name)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE request name := service || '_request'; job name := service || '_job'; owner name := service || '_owner'; t text;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA guard TO %I, %I, %I', request, job, owner);
    EXECUTE format('GRANT EXECUTE ON FUNCTION guard.client_id() TO %I, %I', request, owner);
    -- Not when a row is due, nor how often it was sent: one that is due since ever would come first for ever.
    EXECUTE format('REVOKE INSERT ON guard.outbox FROM %I', request);
    EXECUTE format('GRANT INSERT (client_id, event_id, topic, key, payload, trace) ON guard.outbox TO %I', request);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON guard.outbox TO %I', job);
    EXECUTE format('GRANT SELECT, INSERT ON guard.data_key TO %I', request);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON guard.data_key TO %I', job);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON guard.subject_key TO %I', request);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON guard.subject_key TO %I', job);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON guard.idempotency TO %I', request);
    EXECUTE format('GRANT SELECT, DELETE ON guard.idempotency TO %I', job);
    FOREACH t IN ARRAY ARRAY['outbox', 'data_key', 'subject_key', 'idempotency'] LOOP
        EXECUTE format('CALL guard.protect(%L, %L)', 'guard.' || t, request);
        EXECUTE format('DROP POLICY IF EXISTS every_client ON guard.%I', t);
        EXECUTE format('CREATE POLICY every_client ON guard.%I TO %I USING (true) WITH CHECK (true)', t, job);
    END LOOP;
END $$;
REVOKE EXECUTE ON PROCEDURE guard.install(name) FROM PUBLIC;

CALL guard.install(coalesce(nullif(current_setting('guard.service', true), ''), current_database()::text)::name);
RESET ROLE;
