-- What the database is called, in one row that never changes, for all nodes: clients of automerge-repo remember by it what is
-- stored here.
CREATE TABLE identity (
    -- 16 random bytes.
    id bytea NOT NULL
);

INSERT INTO identity (id) VALUES (uuid_send(gen_random_uuid()));
