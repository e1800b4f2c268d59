-- platform-wide: how often somebody guessed. Counted before a client is known; every key is an HMAC, so the rows name nobody.
CREATE TABLE throttle (
    key      bytea       NOT NULL CHECK (length(key) = 32),
    attempts integer     NOT NULL,
    until    timestamptz NOT NULL,
    PRIMARY KEY (key)
);
COMMENT ON TABLE throttle IS 'platform: attempts are counted before a client is known';
CREATE INDEX throttle_end ON throttle (until);
GRANT SELECT, INSERT, UPDATE, DELETE ON throttle TO auth_request;
GRANT SELECT, DELETE ON throttle TO auth_job;

-- platform-wide: who operates the platform, and which rights may be asked for in a client's name.
CREATE TABLE operator (
    name       text        NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{1,31}$'),
    rights     text[]      NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (name)
);
COMMENT ON TABLE operator IS 'platform: operators belong to no client';
GRANT SELECT, INSERT, UPDATE, DELETE ON operator TO auth_request;
