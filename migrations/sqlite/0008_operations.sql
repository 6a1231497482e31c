-- The places and names of operations, which ordered documents are made of. They stand in the operations' payloads; here they
-- are found. While a change is among the arrivals they stand there beside it, and all three are null for any other change.

-- The version that an operation was committed on.
ALTER TABLE arrivals ADD COLUMN version INTEGER;
-- The first 16 bytes of a SHA-256 over its author and its source.
ALTER TABLE arrivals ADD COLUMN source BLOB;
-- Which of its source's operations it is.
ALTER TABLE arrivals ADD COLUMN number INTEGER;

-- One row for each operation that is filed, written just before its change is. A document's versions go from 0 up by 1.
CREATE TABLE operations (
    -- The document.
    document INTEGER NOT NULL REFERENCES documents (id),
    -- The version that the operation was committed on.
    version INTEGER NOT NULL,
    -- What it is known by: the first 16 bytes of a SHA-256 over its author and its source, and its number.
    source BLOB NOT NULL,
    number INTEGER NOT NULL,
    -- Its change's place in the timeline.
    ord INTEGER NOT NULL,
    PRIMARY KEY (document, version)
) STRICT, WITHOUT ROWID;

-- An author's operation is stored once. The numbers of a source stand together, and its highest is at their end.
CREATE UNIQUE INDEX operations_by_name ON operations (document, source, number);
