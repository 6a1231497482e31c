-- Tickets that were issued and not used yet, and which node does what only one is to do. Times are milliseconds since the
-- Unix epoch.

-- One row for each ticket. It goes when the ticket is used, or with the next that is issued after its end.
CREATE TABLE tickets (
    -- The SHA-256 of the ticket, 32 bytes. The ticket itself is kept nowhere.
    hash BLOB PRIMARY KEY,
    -- The user whose it is (the claim sub); null if anonymous.
    author TEXT,
    -- What whoever shows it is let in with, JSON in UTF-8: who it is, the rules, until when, and by what it can be revoked.
    pass BLOB NOT NULL,
    -- When the ticket ends.
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts those of one user.
CREATE INDEX tickets_by_author ON tickets (author);

-- Finds those that have ended.
CREATE INDEX tickets_by_end ON tickets (until_ms);

-- One row for each thing that one process at a time does for all that share the database. Rows are never removed.
CREATE TABLE duties (
    -- What is to be done.
    name TEXT PRIMARY KEY,
    -- What the node is called that does it, or did last.
    node TEXT NOT NULL,
    -- The 16 bytes of a random number, the process's own.
    incarnation BLOB NOT NULL,
    -- Until when nobody else does it.
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
