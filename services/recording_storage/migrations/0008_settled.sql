-- A call that is gone is settled when nothing of it is left but what a hold keeps; a guest that was erased, when tenant_data
-- was asked about its calls. The sweep and the inquiry look at the others alone: all that were deleted in a month would be
-- millions, at each look. A lifted hold, or the same event again, opens it anew.
ALTER TABLE tombstone ADD COLUMN settled_at timestamptz;
CREATE INDEX tombstone_open ON tombstone (kind, client_id, subject_id) WHERE settled_at IS NULL;
GRANT UPDATE (settled_at) ON tombstone TO recording_storage_request, recording_storage_job;

-- Recordings that are there for a caller until `visible_until`: a hold keeps what it is on, whatever becomes of its call and
-- its time. Read with the rights, and as the client, of who asks. Its call is looked up row by row, which NOT EXISTS is not:
-- beside OR it reads all that the client has deleted, for each page of a list.
CREATE VIEW visible_recording WITH (security_invoker = true) AS
SELECT r.client_id, r.recording_id, r.call_id, r.guest_id, r.bytes, r.sha256, r.content_type, r.duration_ms, r.created_at,
       r.held_at, c.recordings_days,
       CASE WHEN r.held_at IS NULL
            THEN coalesce(r.created_at + make_interval(days => c.recordings_days), 'infinity')
            ELSE 'infinity'
       END AS visible_until
  FROM recording r
  LEFT JOIN client c ON c.client_id = r.client_id
 WHERE r.held_at IS NOT NULL
    OR (SELECT t.subject_id
          FROM tombstone t
         WHERE t.client_id = r.client_id AND t.kind = 'call' AND t.subject_id = r.call_id) IS NULL;
GRANT SELECT ON visible_recording TO recording_storage_request;

-- A client of which only its leaving was known kept its recordings for ever, and later news of its days counted as older.
-- For this one statement the owner passes: it has no policy, and would change nothing. All of it is one transaction.
ALTER TABLE client NO FORCE ROW LEVEL SECURITY;
UPDATE client SET recordings_days = 90, changed_at = '-infinity' WHERE closed_at IS NOT NULL AND recordings_days IS NULL;
ALTER TABLE client FORCE ROW LEVEL SECURITY;
