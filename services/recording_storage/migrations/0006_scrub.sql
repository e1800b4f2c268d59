-- How far the scrub is, which reads each object of both zones once in a while: one row. Before this `client` and
-- `recording`, and of that one before segment `number`, all was read since `began_at`. One process is at it at a time.
CREATE TABLE scrub (
    is_one     boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (is_one),
    client     uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    recording  uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    number     integer     NOT NULL DEFAULT 0,
    began_at   timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz NOT NULL DEFAULT now(),             -- the last whole pass; as it begins, there is nothing to read
    holder     uuid,                                           -- the process that is at it
    held_until timestamptz NOT NULL DEFAULT '-infinity'        -- from then on another one may go on
);
COMMENT ON TABLE scrub IS 'platform: a position among the recordings of every client';
INSERT INTO scrub DEFAULT VALUES;
GRANT SELECT, UPDATE ON scrub TO recording_storage_job;
