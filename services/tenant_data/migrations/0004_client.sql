-- What `auth` has told about a client: how long its transcripts are kept, and whether it has left. Nothing about a person.
CREATE TABLE client (
    client_id        uuid        NOT NULL,
    transcripts_days integer     CHECK (transcripts_days > 0),
    closed_at        timestamptz,
    changed_at       timestamptz NOT NULL,
    PRIMARY KEY (client_id)
);
CALL guard.protect('client', 'tenant_data_request');
-- The job role writes it from events and reads it for every client; a route has no grant here at all.
CREATE POLICY every_client ON client TO tenant_data_job USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON client TO tenant_data_job;

-- Whose transcripts are due is a question across clients. The job role sees age and owner, never content, and deletes
-- nothing: each deletion goes through the door of its own client, as any other access does.
CREATE POLICY every_client ON transcript FOR SELECT TO tenant_data_job USING (true);
GRANT SELECT (client_id, created_at) ON transcript TO tenant_data_job;
