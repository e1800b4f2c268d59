-- Which zones have been taken into use. A zone that is in here and not as it was marked counts as away: a disk that is not
-- mounted must not be written beside.
CREATE TABLE zone (
    name       text        NOT NULL PRIMARY KEY,
    adopted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE zone IS 'platform: where sealed objects are kept, of every client';
GRANT SELECT, INSERT ON zone TO recording_storage_job;
