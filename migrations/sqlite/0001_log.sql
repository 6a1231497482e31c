-- The log of changes, which is the truth, and what stands around it.
-- Numbers without a unit are plain counts; names that end in _ms are milliseconds since the Unix epoch.
-- Numbers of 64 bits without a sign are stored as the signed number of the same bits.

-- One row for each start of a server process. An id is never handed out twice, so a change's dot names it for ever.
CREATE TABLE replicas (
    -- The replica id: AUTOINCREMENT, so that not even a removed row's number comes back.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- When the process took the id.
    started_ms INTEGER NOT NULL,
    -- The operating system's number of the process, to find it in logs.
    process INTEGER NOT NULL
) STRICT;

-- One row for each document that exists or was deleted. Rows are never removed: a deleted one is its own tombstone.
CREATE TABLE documents (
    -- The document's number within this database; other tables name it so.
    id INTEGER PRIMARY KEY,
    -- The workspace that holds it. Workspace and name are two columns, so no pair of names reads like another.
    workspace TEXT NOT NULL,
    -- The document's name within its workspace.
    name TEXT NOT NULL,
    -- What it is made of, as the word that the API uses: yjs, automerge, json0, ...
    kind TEXT NOT NULL,
    -- When it was created.
    created_ms INTEGER NOT NULL,
    -- When it was deleted; null as long as it is not.
    deleted_ms INTEGER,
    UNIQUE (workspace, name)
) STRICT;

-- Lists the documents of a workspace without passing over tombstones. The last column is always null; with it, counting
-- them needs nothing but the index.
CREATE INDEX documents_not_deleted ON documents (workspace, name, deleted_ms) WHERE deleted_ms IS NULL;

-- The log: one row for each change, in lanes. A lane is one document's changes of one replica: counters 1, 2, 3, ...
-- without a hole. The key keeps a lane together on disk, so reading its end is one range.
CREATE TABLE changes (
    -- The document.
    document INTEGER NOT NULL REFERENCES documents (id),
    -- The replica of the change's dot.
    replica INTEGER NOT NULL,
    -- The counter of the change's dot, from 1.
    counter INTEGER NOT NULL,
    -- The place in the timeline: from writer.last_ord, so it grows over all documents and never repeats.
    ord INTEGER NOT NULL,
    -- The clock of what the author had seen, in the canonical bytes of a vector clock.
    context BLOB NOT NULL,
    -- The hybrid logical timestamp: 48 bits of wall milliseconds, 16 bits of counter. For display only.
    hlc INTEGER NOT NULL,
    -- The authenticated principal; null for an anonymous one.
    author TEXT,
    -- The connection it came through, within its replica.
    connection INTEGER NOT NULL,
    -- How to read the payload: 1 is one Yjs update, 2 a list of them.
    kind INTEGER NOT NULL,
    -- The client's raw bytes.
    payload BLOB NOT NULL,
    -- CRC-32 over all of the above, the document's two names in place of its number.
    checksum INTEGER NOT NULL,
    PRIMARY KEY (document, replica, counter)
) STRICT, WITHOUT ROWID;

-- The timeline of a document. The timestamp is in the index so that a search by time reads no row.
CREATE INDEX changes_by_order ON changes (document, ord, hlc);

-- Snapshots: a document's content after some of its changes. A cache, never the truth; any row may be removed.
CREATE TABLE snapshots (
    -- The snapshot's number; a later one has a higher number.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The document.
    document INTEGER NOT NULL REFERENCES documents (id),
    -- The highest place in the timeline among the changes that it covers; 0 if it covers none.
    through_ord INTEGER NOT NULL,
    -- How many changes it covers, by which old snapshots are thinned out.
    covered INTEGER NOT NULL,
    -- The changes that it covers, in the canonical bytes of a vector clock.
    clock BLOB NOT NULL,
    -- The content, as the engine of its kind encodes it.
    state BLOB NOT NULL,
    -- CRC-32 over the document's names and kind, clock and state.
    checksum INTEGER NOT NULL
) STRICT;

-- Finds the newest snapshot of a document at or before a place in its timeline.
CREATE INDEX snapshots_by_order ON snapshots (document, through_ord, id);

-- The writer's own row; there is one.
CREATE TABLE writer (
    -- Always 1.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The highest place in the timeline handed out so far, raised in the transaction that uses it.
    last_ord INTEGER NOT NULL,
    -- When the store last proved that it can commit.
    checked_ms INTEGER NOT NULL
) STRICT;

INSERT INTO writer (id, last_ord, checked_ms) VALUES (1, 0, 0);
