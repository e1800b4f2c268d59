-- When a second factor was offered: a secret that waits for its first code waits for fifteen minutes. One that waits now
-- has no time, so it is over: who is enrolling asks once more.
ALTER TABLE credential ADD COLUMN totp_offered_at timestamptz;
