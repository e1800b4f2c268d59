-- A call, of a guest or of nobody known yet. Numbers, outcome and end are sealed; `started_at` is plain, to filter and sort.
CREATE TABLE call (
    client_id  uuid        NOT NULL,
    call_id    uuid        NOT NULL,
    guest_id   uuid,
    -- Whose key seals it. A column, because `coalesce` in a join is not leakproof: under RLS it would not use an index.
    subject_id uuid        NOT NULL GENERATED ALWAYS AS (coalesce(guest_id, call_id)) STORED,
    direction  text        NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    started_at timestamptz NOT NULL,
    sealed     bytea       NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, call_id),
    -- No cascade: what is deleted with a guest is named in the access event, so it is deleted by name.
    FOREIGN KEY (client_id, guest_id) REFERENCES guest (client_id, guest_id)
);
CREATE INDEX call_newest ON call (client_id, started_at, call_id);
CREATE INDEX call_newest_of_guest ON call (client_id, guest_id, started_at, call_id);
CALL guard.protect('call', 'tenant_data_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON call TO tenant_data_request;
