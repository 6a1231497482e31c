-- Tickets that were issued and not used yet, and which node does what only one is to do. Times are milliseconds since the
-- Unix epoch, by the clock of the database.

-- One row for each ticket, whichever node issued it and whichever it is shown to. It goes when the ticket is used, or with
-- the next that is issued after its end.
CREATE TABLE tickets (
    -- The SHA-256 of the ticket, 32 bytes. The ticket itself is kept nowhere.
    hash bytea PRIMARY KEY,
    -- The user whose it is (the claim sub), UTF-8; null if anonymous.
    author bytea,
    -- What whoever shows it is let in with, JSON in UTF-8: who it is, the rules, until when, and by what it can be revoked.
    pass bytea NOT NULL,
    -- When the ticket ends.
    until_ms bigint NOT NULL
);

-- Finds those that have ended, and counts the others.
CREATE INDEX tickets_by_end ON tickets (until_ms);

-- One row for each thing that one node at a time does for all. Rows are never removed.
CREATE TABLE duties (
    -- What is to be done.
    name text COLLATE "C" PRIMARY KEY,
    -- What the node is called that does it, or did last; UTF-8.
    node bytea NOT NULL,
    -- The 16 bytes of a random number, the process's own.
    incarnation bytea NOT NULL,
    -- Until when no other node does it.
    until_ms bigint NOT NULL
);
