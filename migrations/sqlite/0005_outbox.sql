-- What an application has yet to be told of documents: at most one row for each, written in the transaction that makes the
-- news true, so that neither can be lost without the other. Rows are only written while an application wants them. What was
-- told is taken out, and with the last of it the row.
CREATE TABLE outbox (
    -- The document.
    document INTEGER PRIMARY KEY REFERENCES documents (id),
    -- When the document was created, in milliseconds since the Unix epoch; null if there is nothing to tell of that.
    created_ms INTEGER,
    -- The place in the timeline of the last change that nobody was told of; null if there is none.
    through_ord INTEGER,
    -- When that change was stored; null if there is none.
    changed_ms INTEGER,
    -- The authenticated principal who made it; null if anonymous, or if there is none.
    author TEXT,
    -- When the document was deleted; null if there is nothing to tell of that.
    deleted_ms INTEGER,
    -- When the first of this news came, or the last was told: nothing waits for company for too long after it.
    since_ms INTEGER NOT NULL,
    -- When it is to be told: what comes soon after goes along.
    due_ms INTEGER NOT NULL,
    -- How often that failed since it last succeeded.
    attempts INTEGER NOT NULL
) STRICT;

-- Finds what is to be told first.
CREATE INDEX outbox_by_due ON outbox (due_ms);
