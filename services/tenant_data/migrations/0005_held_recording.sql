-- Which recordings a legal hold keeps, as recording_storage has told: an answer to a deletion names them. Ids, nothing else.
-- A lifted hold stays as a row: an older word that comes again must not bring it back.
CREATE TABLE held_recording (
    client_id    uuid        NOT NULL,
    recording_id uuid        NOT NULL,
    call_id      uuid,
    guest_id     uuid,
    is_held      boolean     NOT NULL,
    changed_at   timestamptz NOT NULL,
    PRIMARY KEY (client_id, recording_id)
);
-- No foreign key: a recording is held longer than its call and its guest are known.
CREATE INDEX held_recording_of_call ON held_recording (client_id, call_id);
CREATE INDEX held_recording_of_guest ON held_recording (client_id, guest_id);
CALL guard.protect('held_recording', 'tenant_data_request');
GRANT SELECT, UPDATE (guest_id) ON held_recording TO tenant_data_request;    -- it moves with its call
-- The job role writes it from events, for every client.
CREATE POLICY every_client ON held_recording TO tenant_data_job USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON held_recording TO tenant_data_job;
