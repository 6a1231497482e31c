-- What the database is called, in one row that never changes: clients of automerge-repo remember by it what is stored here.
CREATE TABLE identity (
    -- 16 random bytes.
    id BLOB NOT NULL
) STRICT;

INSERT INTO identity (id) VALUES (randomblob(16));
