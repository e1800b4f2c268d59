-- Whose the zones are: this id is in the mark of each zone that this database has taken into use. Another database, an
-- empty one above all, has another id, and must not take for orphans what is there. NULL: the zones were taken into use
-- before there were ids, and their marks name none; a backup of those days, restored, still knows its zones.
CREATE TABLE zone_set (
    is_one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (is_one),
    set_id uuid
);
COMMENT ON TABLE zone_set IS 'platform: whose the zones are, which hold sealed objects of every client';
INSERT INTO zone_set (set_id) SELECT CASE WHEN EXISTS (SELECT FROM zone) THEN NULL ELSE gen_random_uuid() END;
GRANT SELECT ON zone_set TO recording_storage_job;

-- Objects in the zones that nobody owns, and since when that is known: they are erased after a day, and not before, for
-- whoever restores a database that is older than its zones. Their clients may be unknown here: no foreign key.
CREATE TABLE orphan (
    client_id     uuid        NOT NULL,
    recording_id  uuid        NOT NULL,
    seen_at       timestamptz NOT NULL,                        -- without an owner since, by the service's clock
    seen_again_at timestamptz NOT NULL,                        -- last; long ago in a backup that is restored
    PRIMARY KEY (client_id, recording_id)
);
CALL guard.protect('orphan', 'recording_storage_request');
CREATE POLICY every_client ON orphan TO recording_storage_job USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON orphan TO recording_storage_job;
