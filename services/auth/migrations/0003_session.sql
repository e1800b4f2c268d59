-- A device that a user signed in from before: guessing from elsewhere does not lock it out.
CREATE TABLE device (
    client_id   uuid        NOT NULL,
    device_id   uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    secret_hash bytea       NOT NULL CHECK (length(secret_hash) = 32),
    used_at     timestamptz NOT NULL,
    PRIMARY KEY (client_id, device_id),
    FOREIGN KEY (client_id, user_id) REFERENCES client_user (client_id, user_id) ON DELETE CASCADE
);
CREATE INDEX device_of_user ON device (client_id, user_id, used_at);
CALL guard.protect('device', 'auth_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON device TO auth_request;

-- A password that was right and waits for its code.
CREATE TABLE challenge (
    client_id     uuid        NOT NULL,
    challenge_id  uuid        NOT NULL,
    user_id       uuid        NOT NULL,
    device_id     uuid,
    secret_hash   bytea       NOT NULL CHECK (length(secret_hash) = 32),
    attempts_left smallint    NOT NULL CHECK (attempts_left >= 0),
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (client_id, challenge_id),
    FOREIGN KEY (client_id, user_id) REFERENCES client_user (client_id, user_id) ON DELETE CASCADE
);
CREATE INDEX challenge_of_user ON challenge (client_id, user_id);
CALL guard.protect('challenge', 'auth_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON challenge TO auth_request;

-- A session: a family of refresh tokens with one beginning. `sealed` holds address and user agent.
CREATE TABLE session (
    client_id  uuid        NOT NULL,
    session_id uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    device_id  uuid,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz NOT NULL,
    ended_at   timestamptz,
    PRIMARY KEY (client_id, session_id),
    FOREIGN KEY (client_id, user_id) REFERENCES client_user (client_id, user_id) ON DELETE CASCADE
);
CREATE INDEX session_of_user ON session (client_id, user_id, session_id);
CALL guard.protect('session', 'auth_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON session TO auth_request;

-- Every refresh token of a session that can still come back: one is unused, each other is the trace of a theft if seen again.
CREATE TABLE refresh_token (
    client_id   uuid        NOT NULL,
    token_id    uuid        NOT NULL,
    session_id  uuid        NOT NULL,
    secret_hash bytea       NOT NULL CHECK (length(secret_hash) = 32),
    used_at     timestamptz,
    PRIMARY KEY (client_id, token_id),
    FOREIGN KEY (client_id, session_id) REFERENCES session (client_id, session_id) ON DELETE CASCADE
);
CREATE INDEX refresh_token_of_session ON refresh_token (client_id, session_id);
CALL guard.protect('refresh_token', 'auth_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_token TO auth_request;

-- What must be refused before it expires, as sent to `auth.revocations`: sent again when that topic was lost.
CREATE TABLE revocation (
    client_id  uuid        NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('session', 'user', 'client', 'operator')),
    id         text        NOT NULL,
    at         timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, kind, id)
);
CREATE INDEX revocation_end ON revocation (expires_at);
CALL guard.protect('revocation', 'auth_request');
GRANT SELECT, INSERT, UPDATE ON revocation TO auth_request;
CREATE POLICY every_client ON revocation TO auth_job USING (true) WITH CHECK (true);
GRANT SELECT, DELETE ON revocation TO auth_job;

-- What is long over is a question across clients. The job role sees ages, never content.
CREATE INDEX session_age ON session (created_at);
CREATE POLICY every_client ON session TO auth_job USING (true) WITH CHECK (true);
GRANT SELECT (client_id, session_id, created_at), DELETE ON session TO auth_job;
CREATE INDEX challenge_age ON challenge (expires_at);
CREATE POLICY every_client ON challenge TO auth_job USING (true) WITH CHECK (true);
GRANT SELECT (client_id, challenge_id, expires_at), DELETE ON challenge TO auth_job;
CREATE INDEX device_age ON device (used_at);
CREATE POLICY every_client ON device TO auth_job USING (true) WITH CHECK (true);
GRANT SELECT (client_id, device_id, used_at), DELETE ON device TO auth_job;
