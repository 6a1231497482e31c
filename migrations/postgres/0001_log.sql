-- The log of changes, which is the truth, and what stands around it, shared by all nodes.
-- Numbers without a unit are plain counts; names that end in _ms are milliseconds since the Unix epoch.
-- Numbers of 64 bits without a sign are stored as the signed number of the same bits.
-- Names are compared by their bytes (COLLATE "C"), so no locale decides which two are the same or which comes first. What
-- people outside chose and may hold a NUL, which is no text here, is the bytes of its UTF-8: convert_from(author, 'UTF8').

-- The next replica id. One at a time (CACHE 1), as all sequences here.
CREATE SEQUENCE replica_ids CACHE 1;

-- One row for each start of a node. Rows are never removed, and an id is never handed out twice, so a change's dot names
-- it for ever.
CREATE TABLE replicas (
    -- The replica id.
    id bigint PRIMARY KEY,
    -- When the node took the id.
    started_ms bigint NOT NULL,
    -- What the node is called; null for one that never said that it lives.
    node bytea,
    -- The 16 bytes of a random number, the process's own; null likewise.
    incarnation bytea,
    -- Until when it lives, unless it says so again; null likewise.
    until_ms bigint
);

-- Lists those that live.
CREATE INDEX replicas_by_end ON replicas (until_ms) WHERE until_ms IS NOT NULL;

-- One row for each document that exists or was deleted. Rows are never removed: a deleted one is its own tombstone. Whoever
-- appends locks the row against its deletion.
CREATE TABLE documents (
    -- The document's number within this database; other tables name it so.
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    -- The workspace that holds it. Workspace and name are two columns, so no pair of names reads like another.
    workspace text COLLATE "C" NOT NULL,
    -- The document's name within its workspace.
    name text COLLATE "C" NOT NULL,
    -- What it is made of, as the word that the API uses: yjs, automerge, json0, ...
    kind text NOT NULL,
    -- When it was created.
    created_ms bigint NOT NULL,
    -- When it was deleted; null as long as it is not.
    deleted_ms bigint,
    -- A random number of the request that created or deleted it, so that the request knows its own work when it has to ask
    -- again; null where an append created it, which knows its changes.
    request bytea,
    UNIQUE (workspace, name)
);

-- Lists and counts the documents of a workspace without passing over tombstones.
CREATE INDEX documents_not_deleted ON documents (workspace, name) WHERE deleted_ms IS NULL;

-- The places in the timelines: handed out when a change is inserted, one after another over all documents and nodes. A
-- change is told of after its commit, so one that was made knowing it comes later.
CREATE SEQUENCE orders CACHE 1;

-- The log: one row for each change, in lanes. A lane is one document's changes of one replica: counters 1, 2, 3, ...
-- without a hole. The key keeps a lane together, and its end is one step away. Rows are inserted and read, and never
-- touched again. Divided by documents, so that no index grows with all of them.
CREATE TABLE changes (
    -- The document.
    document bigint NOT NULL,
    -- The replica of the change's dot.
    replica bigint NOT NULL,
    -- The counter of the change's dot, from 1.
    counter bigint NOT NULL,
    -- The place in the timeline.
    ord bigint NOT NULL DEFAULT nextval('orders'),
    -- The clock of what the author had seen, in the canonical bytes of a vector clock.
    context bytea NOT NULL,
    -- The hybrid logical timestamp: 48 bits of wall milliseconds, 16 bits of counter. For display only.
    hlc bigint NOT NULL,
    -- The authenticated principal, UTF-8; null for an anonymous one.
    author bytea,
    -- The connection it came through, within its replica.
    connection bigint NOT NULL,
    -- How to read the payload: 1 is one Yjs update, 2 a list of them.
    kind smallint NOT NULL,
    -- The client's raw bytes.
    payload bytea NOT NULL,
    -- CRC-32 over all of the above but the place, the document's two names in place of its number.
    checksum bigint NOT NULL,
    PRIMARY KEY (document, replica, counter)
) PARTITION BY HASH (document);

CREATE TABLE changes_0 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 0);
CREATE TABLE changes_1 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 1);
CREATE TABLE changes_2 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 2);
CREATE TABLE changes_3 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 3);
CREATE TABLE changes_4 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 4);
CREATE TABLE changes_5 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 5);
CREATE TABLE changes_6 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 6);
CREATE TABLE changes_7 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 7);
CREATE TABLE changes_8 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 8);
CREATE TABLE changes_9 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 9);
CREATE TABLE changes_10 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 10);
CREATE TABLE changes_11 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 11);
CREATE TABLE changes_12 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 12);
CREATE TABLE changes_13 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 13);
CREATE TABLE changes_14 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 14);
CREATE TABLE changes_15 PARTITION OF changes FOR VALUES WITH (MODULUS 16, REMAINDER 15);

-- The timeline of a document. The timestamp is in the index so that a search by time reads no row.
CREATE INDEX changes_by_order ON changes (document, ord, hlc);

-- Snapshots: a document's content after some of its changes. A cache, never the truth; any row may be removed.
CREATE TABLE snapshots (
    -- The document.
    document bigint NOT NULL,
    -- The highest place in the timeline among the changes that it covers; 0 if it covers none.
    through_ord bigint NOT NULL,
    -- The snapshot's number; a later one has a higher number.
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    -- How many changes it covers, by which old snapshots are thinned out.
    covered bigint NOT NULL,
    -- The changes that it covers, in the canonical bytes of a vector clock.
    clock bytea NOT NULL,
    -- The content, as the engine of its kind encodes it.
    state bytea NOT NULL,
    -- CRC-32 over the document's names and kind, clock and state.
    checksum bigint NOT NULL,
    PRIMARY KEY (document, through_ord, id)
);

-- What is kept out of documents: payloads that made a content library fail. One row for each payload and document.
-- Documents are named and not numbered here, since a payload may be the first that was ever sent to one.
CREATE TABLE quarantine (
    -- The workspace and the name of the document that it was meant for, whether there is one or not.
    workspace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    -- The SHA-256 of the whole payload (of a snapshot: of its state).
    hash bytea NOT NULL,
    -- The entry's number; a later one has a higher number, and none is given twice.
    number bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) UNIQUE,
    -- The first bytes of the payload; empty if they were not at hand or are too old to be kept.
    payload bytea NOT NULL,
    -- How long the whole payload is.
    payload_bytes bigint NOT NULL,
    -- The authenticated principal who sent it, UTF-8; null if anonymous or not known.
    author bytea,
    -- The connection that it came through; null if not known.
    connection bigint,
    -- The replica of the change that carries it; null if it is not in the log.
    replica bigint,
    -- The counter of that change.
    counter bigint,
    -- What it did, in a few words, UTF-8.
    reason bytea NOT NULL,
    -- When that was seen.
    seen_ms bigint NOT NULL,
    PRIMARY KEY (workspace, name, hash)
);

-- Lists the entries of a document by their numbers, and finds the oldest that are in no log.
CREATE INDEX quarantine_of_document ON quarantine (workspace, name, number, replica);

-- Finds the entries whose payloads are still kept.
CREATE INDEX quarantine_payloads ON quarantine (number) WHERE length(payload) > 0;

-- What was taken away before it expired: all tokens of a user, one token, or all that tokens allow with a document. One row
-- for each of these; revoking again changes the row.
CREATE TABLE revocations (
    -- What was revoked: 'user', 'token' or 'document'.
    what text NOT NULL CHECK (what IN ('user', 'token', 'document')),
    -- The workspace of the document; empty for users and tokens. UTF-8.
    workspace bytea NOT NULL,
    -- The user (the claim sub), the token's id (the claim jti), or the document's name. UTF-8.
    name bytea NOT NULL,
    -- The entry's number; a later one has a higher number, and none is given twice.
    number bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) UNIQUE,
    -- Revoked is what was issued until then, in milliseconds since the Unix epoch.
    at_ms bigint NOT NULL,
    -- From when on the entry is not needed, because all that it is about has expired by then; null if that is not known.
    until_ms bigint,
    -- The authenticated principal who revoked it, UTF-8; null if anonymous.
    author bytea,
    -- Why, in the words of whoever revoked it, UTF-8; empty if they said nothing.
    reason bytea NOT NULL,
    PRIMARY KEY (what, workspace, name)
);

-- Finds the entries that are not needed any more.
CREATE INDEX revocations_by_end ON revocations (until_ms) WHERE until_ms IS NOT NULL;

-- What an application has yet to be told of documents: at most one row for each, written in the transaction that makes the
-- news true, so that neither can be lost without the other. Rows are only written while an application wants them. What was
-- told is taken out, and with the last of it the row.
CREATE TABLE outbox (
    -- The document.
    document bigint PRIMARY KEY,
    -- When the document was created, in milliseconds since the Unix epoch; null if there is nothing to tell of that.
    created_ms bigint,
    -- The place in the timeline of the last change that nobody was told of; null if there is none. Where a change was
    -- committed after one with a higher place, a new place that no change has: whoever told of the higher one has not told
    -- of this.
    through_ord bigint,
    -- When that change was stored; null if there is none.
    changed_ms bigint,
    -- The authenticated principal who made it, UTF-8; null if anonymous, or if there is none.
    author bytea,
    -- When the document was deleted; null if there is nothing to tell of that.
    deleted_ms bigint,
    -- When the first of this news came, or the last was told: nothing waits for company for too long after it.
    since_ms bigint NOT NULL,
    -- When it is to be told: what comes soon after goes along.
    due_ms bigint NOT NULL,
    -- How often that failed since it last succeeded.
    attempts bigint NOT NULL
);

-- Finds what is to be told first.
CREATE INDEX outbox_by_due ON outbox (due_ms);

-- What nodes ask of the database itself; one row.
CREATE TABLE upkeep (
    -- Always 1.
    id smallint PRIMARY KEY CHECK (id = 1),
    -- When a node last proved that it can commit.
    checked_ms bigint NOT NULL,
    -- A program whose newest schema is older than this one can not use the database any more. Raised by a step that takes
    -- something away, and by no other.
    oldest_schema bigint NOT NULL
);

INSERT INTO upkeep (id, checked_ms, oldest_schema) VALUES (1, 0, 1);
