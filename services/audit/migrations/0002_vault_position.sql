-- How far OpenBao's audit file has been read: moved on in the transaction that stores what was read, so that nothing is
-- skipped and nothing counts twice (02.4, invariant 8). A file is known by its first line, which holds the id of a call:
-- a rotated, copied or replaced file cannot pass for another, as one with a reused inode could.
CREATE TABLE vault_position (
    file_name   text        PRIMARY KEY,
    first_line  bytea       NOT NULL CHECK (length(first_line) = 32),  -- SHA-256
    byte_offset bigint      NOT NULL CHECK (byte_offset >= 0),
    moved_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE vault_position IS 'platform: a place in a file, of no client';
GRANT SELECT, INSERT, UPDATE ON vault_position TO audit_job;
