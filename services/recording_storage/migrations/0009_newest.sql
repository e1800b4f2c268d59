-- Lists are told by when a recording was there: its id is of when its upload began, and one that took an hour would be shown
-- behind what is younger, where nobody looks who has seen that already.
CREATE INDEX recording_newest ON recording (client_id, created_at, recording_id);
CREATE INDEX recording_newest_of_call ON recording (client_id, call_id, created_at, recording_id);
