-- A user of a client. `sealed` holds name and e-mail under the user's own key; nothing about the person is readable here.
CREATE TABLE client_user (
    client_id   uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    email_index bytea       NOT NULL CHECK (length(email_index) = 32),
    sealed      bytea       NOT NULL,
    role        text        NOT NULL CHECK (role IN ('admin', 'agent', 'viewer')),
    status      text        NOT NULL CHECK (status IN ('invited', 'active', 'disabled')),
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (client_id, user_id),
    FOREIGN KEY (client_id) REFERENCES client (client_id)
);
CALL guard.protect('client_user', 'auth_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON client_user TO auth_request;

-- platform-wide: whose e-mail it is, asked before the client is known (an e-mail is unique on the platform). The key is
-- an HMAC under a key of OpenBao; whoever reads the table learns no address, and only a row's own client writes it.
CREATE TABLE login (
    email_index bytea NOT NULL CHECK (length(email_index) = 32),
    client_id   uuid  NOT NULL,
    user_id     uuid  NOT NULL,
    PRIMARY KEY (email_index),
    FOREIGN KEY (client_id, user_id) REFERENCES client_user (client_id, user_id)
);
COMMENT ON TABLE login IS 'platform: the user of an e-mail, looked up before the client is known';
ALTER TABLE login ENABLE ROW LEVEL SECURITY;
ALTER TABLE login FORCE ROW LEVEL SECURITY;
CREATE POLICY anyone_looks_up ON login FOR SELECT TO auth_request USING (true);
CREATE POLICY own_client_adds ON login FOR INSERT TO auth_request WITH CHECK (client_id = (SELECT guard.client_id()));
CREATE POLICY own_client_removes ON login FOR DELETE TO auth_request USING (client_id = (SELECT guard.client_id()));
CREATE INDEX login_of_user ON login (client_id, user_id);
GRANT SELECT, INSERT, DELETE ON login TO auth_request;

-- What a user proves itself with. Both blobs are sealed with the user's key: a stolen copy of the database gives no hash
-- to guess against. `totp_last_step` is the newest step that was accepted: a code works once (RFC 6238, 5.2).
CREATE TABLE credential (
    client_id         uuid        NOT NULL,
    user_id           uuid        NOT NULL,
    password_sealed   bytea,
    is_short_password boolean     NOT NULL DEFAULT false,
    totp_sealed       bytea,
    totp_confirmed_at timestamptz,
    totp_last_step    bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (client_id, user_id),
    FOREIGN KEY (client_id, user_id) REFERENCES client_user (client_id, user_id) ON DELETE CASCADE
);
CALL guard.protect('credential', 'auth_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON credential TO auth_request;

-- Ten at a time, each good once in place of a code. 80 random bits each: a bare hash cannot be guessed back.
CREATE TABLE recovery_code (
    client_id uuid        NOT NULL,
    user_id   uuid        NOT NULL,
    code_hash bytea       NOT NULL CHECK (length(code_hash) = 32),
    used_at   timestamptz,
    PRIMARY KEY (client_id, user_id, code_hash),
    FOREIGN KEY (client_id, user_id) REFERENCES client_user (client_id, user_id) ON DELETE CASCADE
);
CALL guard.protect('recovery_code', 'auth_request');
GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_code TO auth_request;

-- An invitation's token, good once and for 72 h.
CREATE TABLE invitation (
    client_id     uuid        NOT NULL,
    invitation_id uuid        NOT NULL,
    user_id       uuid        NOT NULL,
    secret_hash   bytea       NOT NULL CHECK (length(secret_hash) = 32),
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (client_id, invitation_id),
    FOREIGN KEY (client_id, user_id) REFERENCES client_user (client_id, user_id) ON DELETE CASCADE
);
CREATE INDEX invitation_of_user ON invitation (client_id, user_id);
CALL guard.protect('invitation', 'auth_request');
GRANT SELECT, INSERT, DELETE ON invitation TO auth_request;
