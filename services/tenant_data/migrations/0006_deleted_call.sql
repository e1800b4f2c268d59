-- Calls that were deleted, for who keeps something of them and has missed the event: what is in here was there, and is gone
-- by its client's will; what is merely absent may be absent by mistake. Ids, nothing else.
CREATE TABLE deleted_call (
    client_id  uuid        NOT NULL,
    call_id    uuid        NOT NULL,
    deleted_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, call_id)
);
CREATE INDEX deleted_call_age ON deleted_call (deleted_at);
CALL guard.protect('deleted_call', 'tenant_data_request');
GRANT SELECT, INSERT ON deleted_call TO tenant_data_request;
-- The job role forgets them when they are old, of every client.
CREATE POLICY every_client ON deleted_call TO tenant_data_job USING (true) WITH CHECK (true);
GRANT SELECT (deleted_at), DELETE ON deleted_call TO tenant_data_job;
