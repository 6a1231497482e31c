-- What is kept out of documents: payloads that made a content library fail. One row for each payload and document.
-- Documents are named and not numbered here, since a payload may be the first that was ever sent to one.
CREATE TABLE quarantine (
    -- The entry's number; a later one has a higher number, and none is given twice.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The workspace and the name of the document that it was meant for, whether there is one or not.
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The SHA-256 of the whole payload (of a snapshot: of its state).
    hash BLOB NOT NULL,
    -- The first bytes of the payload; empty if they were not at hand or are too old to be kept.
    payload BLOB NOT NULL,
    -- How long the whole payload is.
    payload_bytes INTEGER NOT NULL,
    -- The authenticated principal who sent it; null if anonymous or not known.
    author TEXT,
    -- The connection that it came through; null if not known.
    connection INTEGER,
    -- The replica of the change that carries it; null if it is not in the log.
    replica INTEGER,
    -- The counter of that change.
    counter INTEGER,
    -- What it did, in a few words.
    reason TEXT NOT NULL,
    -- When that was seen.
    seen_ms INTEGER NOT NULL,
    UNIQUE (workspace, name, hash)
) STRICT;

-- Lists the entries of a document by their numbers, and finds the oldest that are in no log.
CREATE INDEX quarantine_of_document ON quarantine (workspace, name, number, replica);

-- Finds the entries whose payloads are still kept.
CREATE INDEX quarantine_payloads ON quarantine (number) WHERE length(payload) > 0;
