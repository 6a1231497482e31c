-- The places and names of operations, which ordered documents are made of. They stand in the operations' payloads; here they
-- are found, and here it is decided which of two nodes was first.

-- One row for each operation, inserted with its change and never touched again. A document's versions go from 0 up by 1.
-- Divided by documents, as the changes are.
CREATE TABLE operations (
    -- The document.
    document bigint NOT NULL,
    -- The version that the operation was committed on.
    version bigint NOT NULL,
    -- What it is known by: the first 16 bytes of a SHA-256 over its author and its source, and its number. An author's
    -- operation is stored once.
    source bytea NOT NULL,
    number bigint NOT NULL,
    -- The dot of its change.
    replica bigint NOT NULL,
    counter bigint NOT NULL,
    PRIMARY KEY (document, version),
    UNIQUE (document, source, number)
) PARTITION BY HASH (document);

CREATE TABLE operations_0 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 0);
CREATE TABLE operations_1 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 1);
CREATE TABLE operations_2 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 2);
CREATE TABLE operations_3 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 3);
CREATE TABLE operations_4 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 4);
CREATE TABLE operations_5 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 5);
CREATE TABLE operations_6 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 6);
CREATE TABLE operations_7 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 7);
CREATE TABLE operations_8 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 8);
CREATE TABLE operations_9 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 9);
CREATE TABLE operations_10 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 10);
CREATE TABLE operations_11 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 11);
CREATE TABLE operations_12 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 12);
CREATE TABLE operations_13 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 13);
CREATE TABLE operations_14 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 14);
CREATE TABLE operations_15 PARTITION OF operations FOR VALUES WITH (MODULUS 16, REMAINDER 15);
