-- The words of a call, at most one transcript for each. `created_at` starts its retention and survives a replacement.
CREATE TABLE transcript (
    client_id  uuid        NOT NULL,
    call_id    uuid        NOT NULL,
    sealed     bytea       NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, call_id),
    FOREIGN KEY (client_id, call_id) REFERENCES call (client_id, call_id)
);
CREATE INDEX transcript_oldest ON transcript (client_id, created_at);
CALL guard.protect('transcript', 'tenant_data_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON transcript TO tenant_data_request;
