-- A guest of a client. `sealed` holds every word about the person; what stands beside it is safe to read.
CREATE TABLE guest (
    client_id  uuid        NOT NULL,
    guest_id   uuid        NOT NULL,
    sealed     bytea       NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, guest_id)
);
CALL guard.protect('guest', 'tenant_data_request');            -- RLS on, forced, USING and WITH CHECK
GRANT SELECT, INSERT, UPDATE, DELETE ON guest TO tenant_data_request;

-- What a guest is looked up by: one keyed hash for each field that has a value. Two fields of equal text differ in hash.
CREATE TABLE guest_index (
    client_id uuid  NOT NULL,
    guest_id  uuid  NOT NULL,
    field     text  NOT NULL CHECK (field IN ('email', 'phone', 'external_ref')),
    digest    bytea NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (client_id, guest_id, field),
    FOREIGN KEY (client_id, guest_id) REFERENCES guest (client_id, guest_id)
);
CREATE INDEX guest_index_digest ON guest_index (client_id, digest, guest_id);   -- `bytea =` is leakproof: used under RLS
CALL guard.protect('guest_index', 'tenant_data_request');
GRANT SELECT, INSERT, DELETE ON guest_index TO tenant_data_request;
