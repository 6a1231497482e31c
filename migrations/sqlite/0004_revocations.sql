-- What was taken away before it expired: all tokens of a user, one token, or all that tokens allow with a document. One row for
-- each of these; revoking again changes the row.
CREATE TABLE revocations (
    -- The entry's number; a later one has a higher number, and none is given twice.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What was revoked: 'user', 'token' or 'document'.
    what TEXT NOT NULL CHECK (what IN ('user', 'token', 'document')),
    -- The workspace of the document; empty for users and tokens.
    workspace TEXT NOT NULL,
    -- The user (the claim sub), the token's id (the claim jti), or the document's name.
    name TEXT NOT NULL,
    -- Revoked is what was issued until then, in milliseconds since the Unix epoch.
    at_ms INTEGER NOT NULL,
    -- From when on the entry is not needed, because all that it is about has expired by then; null if that is not known.
    until_ms INTEGER,
    -- The authenticated principal who revoked it; null if anonymous.
    author TEXT,
    -- Why, in the words of whoever revoked it; empty if they said nothing.
    reason TEXT NOT NULL,
    UNIQUE (what, workspace, name)
) STRICT;

-- Finds the entries that are not needed any more.
CREATE INDEX revocations_by_end ON revocations (until_ms) WHERE until_ms IS NOT NULL;
