-- A recording of a call: facts about its bytes, safe to read. The audio is in the zones, its key in `recording_key`.
CREATE TABLE recording (
    client_id    uuid        NOT NULL,
    recording_id uuid        NOT NULL,
    call_id      uuid        NOT NULL,
    guest_id     uuid,
    assigned_at  timestamptz,                                  -- when its call became that guest's, if that was told
    bytes        bigint      NOT NULL CHECK (bytes > 0),
    sha256       bytea       NOT NULL CHECK (length(sha256) = 32),
    content_type text        NOT NULL CHECK (content_type IN ('audio/wav', 'audio/ogg', 'audio/mpeg', 'audio/flac')),
    duration_ms  bigint      NOT NULL CHECK (duration_ms >= 0),
    held_at      timestamptz,                                  -- under a legal hold since
    is_degraded  boolean     NOT NULL DEFAULT false,           -- not in both zones yet: it does not count as safe
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (client_id, recording_id)
);
CREATE INDEX recording_of_call ON recording (client_id, call_id, recording_id);
CREATE INDEX recording_of_guest ON recording (client_id, guest_id);
CREATE INDEX recording_oldest ON recording (client_id, created_at) WHERE held_at IS NULL;
CREATE INDEX recording_degraded ON recording (client_id, recording_id) WHERE is_degraded;
CALL guard.protect('recording', 'recording_storage_request');
GRANT SELECT, INSERT, DELETE, UPDATE (held_at) ON recording TO recording_storage_request;

-- Its own 32-byte key, wrapped by the client's key in OpenBao. Deleting this row is deleting the audio, wherever copies are.
CREATE TABLE recording_key (
    client_id    uuid    NOT NULL,
    recording_id uuid    NOT NULL,
    key_id       uuid    NOT NULL,
    wrapped      text    NOT NULL,
    key_version  integer NOT NULL CHECK (key_version > 0),     -- of the client's key, which wrapped it
    PRIMARY KEY (client_id, recording_id),
    FOREIGN KEY (client_id, recording_id) REFERENCES recording (client_id, recording_id)
);
CREATE INDEX recording_key_oldest ON recording_key (client_id, key_version, recording_id);
CALL guard.protect('recording_key', 'recording_storage_request');
GRANT SELECT, INSERT, DELETE ON recording_key TO recording_storage_request;

-- Across clients the job role sees ages, owners and states, and deletes nothing here: each deletion goes through the door
-- of its own client. `bytes` is for comparing the zones; digest and media type are not its business.
CREATE POLICY every_client ON recording FOR SELECT TO recording_storage_job USING (true);
CREATE POLICY every_client_changed ON recording FOR UPDATE TO recording_storage_job USING (true) WITH CHECK (true);
GRANT SELECT (client_id, recording_id, call_id, guest_id, bytes, assigned_at, held_at, is_degraded,
        created_at),
    UPDATE (guest_id, assigned_at, is_degraded) ON recording TO recording_storage_job;

-- Rewrapping, as guard's own of data keys: the wrapped form alone, which no role of the database can open.
CREATE POLICY every_client ON recording_key FOR SELECT TO recording_storage_job USING (true);
CREATE POLICY every_client_changed ON recording_key FOR UPDATE TO recording_storage_job USING (true) WITH CHECK (true);
GRANT SELECT (client_id, recording_id, wrapped, key_version), UPDATE (wrapped, key_version)
    ON recording_key TO recording_storage_job;
