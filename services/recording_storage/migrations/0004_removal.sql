-- A recording whose key is destroyed and whose objects are still to go: written in the transaction that destroys the key,
-- deleted in the one that says in the client's log that nothing is left.
CREATE TABLE removal (
    client_id        uuid        NOT NULL,
    recording_id     uuid        NOT NULL,
    call_id          uuid        NOT NULL,
    guest_id         uuid,
    key_id           uuid        NOT NULL,
    key_destroyed_at timestamptz NOT NULL,
    destroyed_by     text        NOT NULL,                     -- who, or which rule
    PRIMARY KEY (client_id, recording_id)
);
CALL guard.protect('removal', 'recording_storage_request');
GRANT SELECT, INSERT, DELETE ON removal TO recording_storage_request;
CREATE POLICY every_client ON removal FOR SELECT TO recording_storage_job USING (true);
GRANT SELECT (client_id, recording_id, key_destroyed_at) ON removal TO recording_storage_job;
