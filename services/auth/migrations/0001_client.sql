-- A client of the platform and its own choices. No word about a person.
CREATE TABLE client (
    client_id                uuid        NOT NULL,
    name                     text        NOT NULL,
    plan                     text        NOT NULL CHECK (plan IN ('starter', 'pro', 'business', 'enterprise')),
    totp_required            boolean     NOT NULL,
    session_idle_seconds     integer     NOT NULL CHECK (session_idle_seconds BETWEEN 300 AND 3600),
    session_absolute_seconds integer     NOT NULL CHECK (session_absolute_seconds BETWEEN 900 AND 86400),
    recordings_days          integer     NOT NULL CHECK (recordings_days BETWEEN 1 AND 3650),
    transcripts_days         integer     NOT NULL CHECK (transcripts_days BETWEEN 1 AND 3650),
    version                  integer     NOT NULL DEFAULT 1,
    created_at               timestamptz NOT NULL,
    PRIMARY KEY (client_id)
);
CALL guard.protect('client', 'auth_request');                  -- RLS on, forced, USING and WITH CHECK
GRANT SELECT, INSERT, UPDATE ON client TO auth_request;

-- platform-wide: which clients exist, so that an operator can list them before one is chosen. Ids alone: a name is read
-- through the door of its own client, and that reading is in its log.
CREATE TABLE client_register (
    client_id  uuid        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (client_id)
);
COMMENT ON TABLE client_register IS 'platform: the ids of all clients, read before a client is chosen';
ALTER TABLE client_register ENABLE ROW LEVEL SECURITY;
ALTER TABLE client_register FORCE ROW LEVEL SECURITY;
CREATE POLICY anyone_reads ON client_register FOR SELECT TO auth_request USING (true);
CREATE POLICY own_client_joins ON client_register FOR INSERT TO auth_request
    WITH CHECK (client_id = (SELECT guard.client_id()));
GRANT SELECT, INSERT ON client_register TO auth_request;
