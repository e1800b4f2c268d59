-- Who may do what in PostgreSQL, on one page (03.2, 04.3). Idempotent; run as superuser in the database `postgres` and in
-- each service's database, whose name is the service's. Nobody here has a password: people and services come in as
-- short-lived users that OpenBao makes and drops (deploy/local/stack/databases.py), members of exactly one role below.

-- Roles without login. <service>_request: routes, forced row-level security. <service>_job: relay, retention, consumers.
-- <service>_owner: owns the tables, held by migrations only. guard_owner: owns the schema guard, held by nobody.
DO $$
DECLARE role name;
BEGIN
    FOREACH role IN ARRAY ARRAY[
        'guard_owner',
        'auth_owner', 'auth_request', 'auth_job',
        'tenant_data_owner', 'tenant_data_request', 'tenant_data_job',
        'audit_owner', 'audit_request', 'audit_job',
        'recording_storage_owner', 'recording_storage_request', 'recording_storage_job'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I', role);
        END IF;
        EXECUTE format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
    END LOOP;
END $$;

-- The issuer: OpenBao's database engine. It makes and drops users, ends their sessions, and hands on these roles only.
-- Its password is set by the bootstrap and rotated at once, so that only OpenBao knows it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'openbao_issuer') THEN
        CREATE ROLE openbao_issuer NOLOGIN;
    END IF;
END $$;
ALTER ROLE openbao_issuer NOSUPERUSER NOCREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 8;
GRANT auth_owner, auth_request, auth_job,
      tenant_data_owner, tenant_data_request, tenant_data_job,
      audit_owner, audit_request, audit_job,
      recording_storage_owner, recording_storage_request, recording_storage_job,
      pg_monitor
   TO openbao_issuer WITH ADMIN OPTION;

-- This database. A role may otherwise end any session of its own role and read another session's literals, and a
-- temporary table could shadow a real one: all three revoked.
REVOKE EXECUTE ON FUNCTION pg_cancel_backend(int), pg_terminate_backend(int, bigint), pg_stat_get_activity(int),
    pg_stat_get_backend_activity(int) FROM PUBLIC;
-- A large object belongs to no client and knows no row-level security.
REVOKE EXECUTE ON FUNCTION lo_creat(int), lo_create(oid), lo_from_bytea(oid, bytea), lo_open(oid, int), lo_get(oid),
    lo_get(oid, bigint, int), lo_put(oid, bigint, bytea), lo_unlink(oid) FROM PUBLIC;
REVOKE SELECT ON pg_stat_activity FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

DO $$
DECLARE service name := current_database();
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', service);
    IF service = 'postgres' THEN
        REVOKE ALL ON DATABASE template1 FROM PUBLIC;
        -- The issuer works here, where no service has data; the keeper's users read statistics here.
        GRANT CONNECT ON DATABASE postgres TO openbao_issuer, pg_monitor;
        GRANT pg_signal_backend TO openbao_issuer;
        GRANT EXECUTE ON FUNCTION pg_terminate_backend(int, bigint) TO openbao_issuer;
        GRANT EXECUTE ON FUNCTION pg_stat_get_activity(int) TO openbao_issuer, pg_monitor;
        GRANT SELECT ON pg_stat_activity TO openbao_issuer, pg_monitor;
    ELSE
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, %I, %I',
                       service, service || '_owner', service || '_request', service || '_job');
        EXECUTE format('ALTER SCHEMA public OWNER TO %I', service || '_owner');
        EXECUTE format('REVOKE ALL ON SCHEMA public FROM PUBLIC');
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I, %I', service || '_request', service || '_job');
    END IF;
END $$;
