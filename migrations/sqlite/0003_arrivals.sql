-- Where changes stand first: in the order of the timeline, so that storing one touches the end of this table alone,
-- whichever document it belongs to. From time to time the writer files them under their documents, in `changes`, many
-- of one document at a time, and then removes them here. A change that stands in both is one change. Of one document,
-- what is filed comes before what is not, so each lane is filed from its beginning.
CREATE TABLE arrivals (
    -- The place in the timeline, as in `changes`.
    ord INTEGER PRIMARY KEY,
    -- The document. No reference: that is looked at when the change is filed.
    document INTEGER NOT NULL,
    -- All others are as in `changes`.
    replica INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    context BLOB NOT NULL,
    hlc INTEGER NOT NULL,
    author TEXT,
    connection INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    payload BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
