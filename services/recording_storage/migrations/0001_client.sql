-- What `auth` has told about a client: how long its recordings are kept, and whether it has left. Nothing about a person.
CREATE TABLE client (
    client_id       uuid        NOT NULL,
    recordings_days integer     CHECK (recordings_days > 0),
    closed_at       timestamptz,
    changed_at      timestamptz NOT NULL,
    PRIMARY KEY (client_id)
);
CALL guard.protect('client', 'recording_storage_request');
-- Read by a route for `expires_at` of its own client; written by the job role, from events, for every client.
GRANT SELECT ON client TO recording_storage_request;
CREATE POLICY every_client ON client TO recording_storage_job USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON client TO recording_storage_job;
