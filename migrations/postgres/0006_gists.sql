-- What each document comes to in a few bytes, so that a client which has all of it can be told so without loading it. A cache:
-- one row for a document at most, which says nothing any more once another change of the document is stored.
CREATE TABLE gists (
    document bigint PRIMARY KEY,
    -- The latest change of each lane that it is of.
    clock bytea NOT NULL,
    -- What there is, as clients are told; of Automerge documents, the heads.
    have bytea NOT NULL,
    -- CRC-32 over the document's name and kind and the columns above.
    checksum bigint NOT NULL
);
