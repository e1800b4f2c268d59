-- An upload on its way. It is here before its first object, so that whatever it leaves behind is found; a process that
-- was killed stops beating. Its times are the database's: they are about processes, not about a promise to a client.
CREATE TABLE upload (
    client_id    uuid        NOT NULL,
    recording_id uuid        NOT NULL,
    call_id      uuid        NOT NULL,
    guest_id     uuid,
    assigned_at  timestamptz,
    state        text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'abandoned')),
    beat_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (client_id, recording_id)
);
CREATE INDEX upload_of_call ON upload (client_id, call_id);
CALL guard.protect('upload', 'recording_storage_request');
GRANT SELECT, INSERT, DELETE, UPDATE (state) ON upload TO recording_storage_request;
CREATE POLICY every_client ON upload TO recording_storage_job USING (true) WITH CHECK (true);
GRANT SELECT, DELETE, UPDATE (guest_id, assigned_at, beat_at) ON upload TO recording_storage_job;

-- Calls and guests that are gone, from tenant_data's events. Their recordings are due, at once or when a hold is lifted,
-- and an upload that was on its way for such a call is refused at its end.
CREATE TABLE tombstone (
    client_id  uuid        NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('call', 'guest')),
    subject_id uuid        NOT NULL,
    noted_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (client_id, kind, subject_id)
);
CREATE INDEX tombstone_age ON tombstone (noted_at);
CALL guard.protect('tombstone', 'recording_storage_request');
GRANT SELECT ON tombstone TO recording_storage_request;
CREATE POLICY every_client ON tombstone TO recording_storage_job USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON tombstone TO recording_storage_job;
