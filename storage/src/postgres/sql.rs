//! The statements. Documents are asked for by their names' index, changes by their primary key or the timeline's index, and
//! nothing else, so that a log of any size costs the same and a database that is distributed over machines can answer too.
//! `tests/plans.rs` asks Postgres how it goes about them.

/// The columns of a change, in the order in which they are read.
macro_rules! change_columns {
    () => {
        "replica, counter, ord, context, hlc, author, connection, kind, payload, checksum"
    };
    ($of:literal) => {
        concat!(
            $of,
            "replica, ",
            $of,
            "counter, ",
            $of,
            "ord, ",
            $of,
            "context, ",
            $of,
            "hlc, ",
            $of,
            "author, ",
            $of,
            "connection, ",
            $of,
            "kind, ",
            $of,
            "payload, ",
            $of,
            "checksum"
        )
    };
}

/// The document that `$1` and `$2` name.
macro_rules! document {
    () => {
        "document = (SELECT id FROM documents WHERE workspace = $1 AND name = $2)"
    };
}

/// Time by the database's own clock, which is the same for all nodes.
macro_rules! now_ms {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

/// Changes of the document that `$1` and `$2` name.
macro_rules! select_changes {
    ($which:literal) => {
        concat!(
            "SELECT ",
            change_columns!(),
            " FROM changes WHERE ",
            document!(),
            $which
        )
    };
}

/// Walks over the lanes of the documents that `asked` lists by their `id`, from the last to the first, each with its head:
/// one step into the primary key for each lane, and one to find that there are no more.
macro_rules! lane_heads {
    () => {
        " lane (document, replica, counter) AS (
            SELECT asked.id, last.replica, last.counter FROM asked, LATERAL (
                SELECT c.replica, c.counter FROM changes c WHERE c.document = asked.id
                ORDER BY c.replica DESC, c.counter DESC LIMIT 1) last
            UNION ALL
            SELECT lane.document, next.replica, next.counter FROM lane, LATERAL (
                SELECT c.replica, c.counter FROM changes c
                WHERE c.document = lane.document AND c.replica < lane.replica
                ORDER BY c.replica DESC, c.counter DESC LIMIT 1) next
        ) "
    };
}
pub(super) use lane_heads;

macro_rules! describe {
    ($which:literal) => {
        concat!(
            "SELECT id, workspace, name, kind, created_ms, deleted_ms,
                (SELECT c.hlc FROM changes c WHERE c.document = d.id ORDER BY c.ord DESC LIMIT 1)
            FROM documents d WHERE ",
            $which
        )
    };
}

/// What a session goes by from now on.
pub(super) const SETTLE: &str = "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS settings (name, value)";

/// What the session is to be judged by; null where a server of another make has no such setting.
pub(super) const SETTINGS: &str = "SELECT current_setting('fsync', true),
    current_setting('full_page_writes', true), current_setting('synchronous_commit', true),
    current_setting('server_version_num', true), current_setting('server_encoding', true),
    pg_is_in_recovery()::text, current_setting('transaction_read_only', true)";

/// Whoever brings the schema up to date may wait for another node that does, but no serving node may wait long for it.
pub(super) const PATIENT_SESSION: &str = "SET statement_timeout = 0; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = 0";

pub(super) const OLDEST_SCHEMA: &str = "SELECT oldest_schema FROM upkeep";

/// Appends to many documents in one statement, which is a transaction by itself. `$1..$4` are the documents by numbers of
/// the batch, `$5..$7` the lanes with the counter at which each is to go on, `$8..$17` the changes, `$18` the time.
///
/// A document that is there is locked against its deletion, and taken if it is of the kind, lives, and each lane goes on
/// where it ends; one that is not is created, if its lanes begin at 1. Of those that are not taken nothing is written. A
/// document that another transaction creates or deletes at this moment is not taken, so that no other waits for it, and is
/// looked at by itself.
macro_rules! append {
    ($operations:ident, $news:ident) => {
        concat!(
            "WITH asked AS MATERIALIZED (
                SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[])
                    AS a (no, workspace, name, kind)
            ), lanes AS MATERIALIZED (
                SELECT * FROM unnest($5::int[], $6::bigint[], $7::bigint[]) AS l (no, replica, first)
            ), ",
            $operations!(placed),
            "found AS MATERIALIZED (
                SELECT a.no, d.id, d.kind = a.kind AND d.deleted_ms IS NULL AS fits
                FROM asked a, LATERAL (
                    SELECT id, kind, deleted_ms FROM documents
                    WHERE workspace = a.workspace AND name = a.name FOR SHARE SKIP LOCKED) d
            ), created AS (
                INSERT INTO documents (workspace, name, kind, created_ms)
                SELECT a.workspace, a.name, a.kind, $18 FROM asked a
                WHERE NOT EXISTS (SELECT 1 FROM found f WHERE f.no = a.no)
                    AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.no = a.no AND l.first <> 1) ",
            $operations!(begin),
            "ORDER BY a.workspace COLLATE \"C\", a.name COLLATE \"C\"
                ON CONFLICT (workspace, name) DO NOTHING
                RETURNING id, workspace, name
            ), ",
            $operations!(fit),
            " AS MATERIALIZED (
                SELECT f.no, f.id, false AS is_new FROM found f
                WHERE f.fits AND NOT EXISTS (
                    SELECT 1 FROM lanes l WHERE l.no = f.no AND l.first <> 1 + coalesce((
                        SELECT c.counter FROM changes c
                        WHERE c.document = f.id AND c.replica = l.replica
                        ORDER BY c.counter DESC LIMIT 1), 0)) ",
            $operations!(follow),
            "UNION ALL
                SELECT a.no, n.id, true FROM created n
                JOIN asked a ON a.workspace = n.workspace AND a.name = n.name
            ), ",
            $operations!(won),
            "stored AS (
                INSERT INTO changes
                    (document, replica, counter, context, hlc, author, connection, kind, payload, checksum)
                SELECT t.id, c.replica, c.counter, c.context, c.hlc, c.author, c.connection, c.kind,
                    c.payload, c.checksum
                FROM unnest($8::int[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[],
                    $13::bytea[], $14::bigint[], $15::smallint[], $16::bytea[], $17::bigint[])
                    WITH ORDINALITY AS c (no, replica, counter, context, hlc, author, connection,
                        kind, payload, checksum, place)
                JOIN taken t ON t.no = c.no ORDER BY c.place
                RETURNING document, ord, author
            )",
            $news!(),
            " SELECT no FROM taken"
        )
    };
}

/// What is to be told: `$19`, `$20` whether of creations and changes, `$21`, `$22` the two distances.
macro_rules! with_news {
    () => {
    ", changed AS (
        SELECT DISTINCT ON (document) document, ord, author FROM stored
        WHERE $20 ORDER BY document, ord DESC
    ), told AS (
        INSERT INTO outbox AS o
            (document, created_ms, through_ord, changed_ms, author, since_ms, due_ms, attempts)
        SELECT t.id, CASE WHEN t.is_new AND $19 THEN $18 END, s.ord,
            CASE WHEN s.ord IS NOT NULL THEN $18 END, s.author, now, now + $21::bigint, 0
        FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) clock,
            taken t LEFT JOIN changed s ON s.document = t.id
        WHERE (t.is_new AND $19) OR s.ord IS NOT NULL
        ORDER BY t.id
        ON CONFLICT (document) DO UPDATE SET
            created_ms = coalesce(o.created_ms, excluded.created_ms),
            author = CASE WHEN excluded.through_ord IS NULL THEN o.author ELSE excluded.author END,
            through_ord = CASE WHEN excluded.through_ord < o.through_ord THEN nextval('orders')
                ELSE coalesce(excluded.through_ord, o.through_ord) END,
            changed_ms = coalesce(excluded.changed_ms, o.changed_ms),
            due_ms = CASE WHEN o.attempts > 0 THEN o.due_ms
                ELSE least(excluded.due_ms, o.since_ms + $22::bigint) END
    )"
    };
}

macro_rules! without_news {
    () => {
        ""
    };
}

macro_rules! without_operations {
    (fit) => {
        "taken"
    };
    ($part:ident) => {
        ""
    };
}

/// `$23..$28` are operations. Whose first one is next, and whose names are new, inserts that first one, if nobody else has just
/// done so: an append is taken if its own is there. What follows it nobody else can have inserted.
macro_rules! with_operations {
    (placed) => {
        "placed AS MATERIALIZED (
            SELECT * FROM unnest($23::int[], $24::bigint[], $25::bytea[], $26::bigint[], $27::bigint[],
                $28::bigint[]) AS p (no, version, source, number, replica, counter)
        ), firsts AS MATERIALIZED (
            SELECT no, min(version) AS version FROM placed GROUP BY no
        ), "
    };
    (begin) => {
        "AND NOT EXISTS (SELECT 1 FROM firsts p WHERE p.no = a.no AND p.version <> 0) "
    };
    (fit) => {
        "fit"
    };
    (follow) => {
        "AND NOT EXISTS (
            SELECT 1 FROM firsts p WHERE p.no = f.no AND p.version <> 1 + coalesce((
                SELECT o.version FROM operations o WHERE o.document = f.id
                ORDER BY o.version DESC LIMIT 1), -1))
        AND NOT EXISTS (
            SELECT 1 FROM placed p, LATERAL (
                SELECT 1 FROM operations o WHERE o.document = f.id AND o.source = p.source
                    AND o.number = p.number OFFSET 0) o
            WHERE p.no = f.no) "
    };
    (won) => {
        "won AS (
            INSERT INTO operations (document, version, source, number, replica, counter)
            SELECT t.id, p.version, p.source, p.number, p.replica, p.counter
            FROM fit t JOIN firsts f ON f.no = t.no
            JOIN placed p ON p.no = f.no AND p.version = f.version
            ORDER BY t.id ON CONFLICT DO NOTHING RETURNING document
        ), taken AS MATERIALIZED (
            SELECT t.* FROM fit t
            WHERE NOT EXISTS (SELECT 1 FROM firsts f WHERE f.no = t.no)
                OR EXISTS (SELECT 1 FROM won w WHERE w.document = t.id)
        ), rest AS (
            INSERT INTO operations (document, version, source, number, replica, counter)
            SELECT t.id, p.version, p.source, p.number, p.replica, p.counter
            FROM taken t JOIN firsts f ON f.no = t.no
            JOIN placed p ON p.no = f.no AND p.version > f.version
            ORDER BY t.id, p.version
        ), "
    };
}

pub(super) const APPEND: &str = append!(without_operations, without_news);

pub(super) const APPEND_WITH_NEWS: &str = append!(without_operations, with_news);

pub(super) const APPEND_OPERATIONS: &str = append!(with_operations, with_news);

/// How many operations documents have, and which change is the one on a version: `$1..$3` name the documents by numbers of the
/// batch, `$4` are the versions.
pub(super) const PLACES: &str = "SELECT d.no, d.kind, d.deleted_ms IS NOT NULL, last.version + 1,
    taken.replica, taken.counter
    FROM (SELECT a.no, a.version, d.id, d.kind, d.deleted_ms
        FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[])
            AS a (no, workspace, name, version), LATERAL (
            SELECT * FROM documents d
            WHERE d.workspace = a.workspace AND d.name = a.name OFFSET 0) d) d
    JOIN LATERAL (SELECT o.version FROM operations o WHERE o.document = d.id
        ORDER BY o.version DESC LIMIT 1) last ON true
    JOIN LATERAL (SELECT o.replica, o.counter FROM operations o WHERE o.document = d.id
        AND o.version = d.version OFFSET 0) taken ON true";

/// Which of some changes are stored, and what of: `$1..$3` name documents by numbers of the batch, `$4..$6` the changes.
pub(super) const STORED: &str = "SELECT d.no, d.kind, d.deleted_ms IS NOT NULL,
    s.replica, s.counter, s.ord, s.context, s.hlc, s.author, s.connection, s.kind, s.payload, s.checksum
    FROM (SELECT a.no, d.id, d.kind, d.deleted_ms
        FROM unnest($1::int[], $2::text[], $3::text[]) AS a (no, workspace, name), LATERAL (
            SELECT * FROM documents d
            WHERE d.workspace = a.workspace AND d.name = a.name OFFSET 0) d) d
    JOIN unnest($4::int[], $5::bigint[], $6::bigint[]) AS c (no, replica, counter) ON c.no = d.no
    JOIN LATERAL (SELECT * FROM changes s WHERE s.document = d.id AND s.replica = c.replica
        AND s.counter = c.counter OFFSET 0) s ON true";

pub(super) const LOCK_DOCUMENT: &str =
    "SELECT id, kind, deleted_ms IS NOT NULL, request FROM documents
    WHERE workspace = $1 AND name = $2 FOR SHARE";

pub(super) const KNOWN: &str = "SELECT id, kind, deleted_ms IS NOT NULL, request FROM documents
    WHERE workspace = $1 AND name = $2";

pub(super) const INSERT_DOCUMENT: &str = "INSERT INTO documents
    (workspace, name, kind, created_ms, request) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (workspace, name) DO NOTHING RETURNING id";

pub(super) const DELETE_DOCUMENT: &str = "UPDATE documents SET deleted_ms = $3, request = $4
    WHERE workspace = $1 AND name = $2 AND deleted_ms IS NULL RETURNING id";

pub(super) const HEADS_OF_LANES: &str =
    "SELECT h.replica, h.counter FROM unnest($2::bigint[]) AS l (replica), LATERAL (
        SELECT c.replica, c.counter FROM changes c WHERE c.document = $1 AND c.replica = l.replica
        ORDER BY c.counter DESC LIMIT 1) h";

pub(super) const CHANGES_OF_DOTS: &str = concat!(
    "SELECT ",
    change_columns!("s."),
    " FROM unnest($2::bigint[], $3::bigint[]) AS c (replica, counter), LATERAL (
        SELECT * FROM changes s WHERE s.document = $1 AND s.replica = c.replica
            AND s.counter = c.counter OFFSET 0) s"
);

pub(super) const INSERT_CHANGES: &str = "INSERT INTO changes
    (document, replica, counter, context, hlc, author, connection, kind, payload, checksum)
    SELECT $1, c.replica, c.counter, c.context, c.hlc, c.author, c.connection, c.kind, c.payload,
        c.checksum
    FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[],
        $8::smallint[], $9::bytea[], $10::bigint[])
        WITH ORDINALITY AS c (replica, counter, context, hlc, author, connection, kind, payload,
            checksum, place)
    ORDER BY c.place RETURNING ord";

pub(super) const LAST_VERSION: &str = "SELECT version FROM operations WHERE document = $1
    ORDER BY version DESC LIMIT 1";

pub(super) const DOT_OF_VERSION: &str = "SELECT replica, counter FROM operations
    WHERE document = $1 AND version = $2";

/// The first of some names under which an operation of the document is stored.
pub(super) const KNOWN_NAME: &str = "SELECT n.place, o.version
    FROM unnest($2::bytea[], $3::bigint[]) WITH ORDINALITY AS n (source, number, place), LATERAL (
        SELECT version FROM operations o WHERE o.document = $1 AND o.source = n.source
            AND o.number = n.number OFFSET 0) o
    ORDER BY n.place LIMIT 1";

pub(super) const INSERT_OPERATIONS: &str = "INSERT INTO operations
    (document, version, source, number, replica, counter)
    SELECT $1, o.version, o.source, o.number, o.replica, o.counter
    FROM unnest($2::bigint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS o (version, source, number, replica, counter)
    ORDER BY o.version ON CONFLICT DO NOTHING";

/// The operations from one version up to another.
pub(super) const OPERATIONS: &str = concat!(
    "SELECT ",
    change_columns!("c."),
    ", o.version FROM (SELECT * FROM operations WHERE ",
    document!(),
    " AND version >= $3 AND version < $4 ORDER BY version LIMIT $5) o, LATERAL (
        SELECT * FROM changes c WHERE c.document = o.document AND c.replica = o.replica
            AND c.counter = o.counter OFFSET 0) c
    ORDER BY o.version"
);

/// The version of the operation of a name.
pub(super) const VERSION_OF: &str = concat!(
    "SELECT version FROM operations WHERE ",
    document!(),
    " AND source = $3 AND number = $4"
);

/// All that opening a document takes but its changes: who it is, its heads, what is quarantined, the newest snapshot up to
/// and including `$3`; of one with the checksum `$5` and the clock `$6` not the state.
pub(super) const OPEN: &str = concat!(
    "WITH RECURSIVE asked AS (
        SELECT id, kind, deleted_ms FROM documents WHERE workspace = $1 AND name = $2), ",
    lane_heads!(),
    "SELECT (SELECT array_agg(hash) FROM quarantine WHERE workspace = $1 AND name = $2),
        asked.id, asked.kind, asked.deleted_ms IS NOT NULL,
        (SELECT array_agg(replica ORDER BY replica) FROM lane),
        (SELECT array_agg(counter ORDER BY replica) FROM lane),
        s.clock, CASE WHEN s.checksum = $5 AND s.clock = $6 THEN NULL ELSE s.state END, s.checksum,
        s.through_ord, s.id
    FROM (SELECT 1) one LEFT JOIN asked ON true LEFT JOIN LATERAL (
        SELECT * FROM snapshots s WHERE s.document = asked.id AND s.through_ord <= $3
            AND (asked.deleted_ms IS NULL OR $4)
        ORDER BY s.through_ord DESC, s.id DESC LIMIT 1) s ON true"
);

pub(super) const OLDER_SNAPSHOT: &str = "SELECT clock, state, checksum, through_ord, id FROM snapshots
    WHERE document = $1 AND (through_ord, id) < ($2, $3) ORDER BY through_ord DESC, id DESC LIMIT 1";

/// A document's changes in the order of the timeline: from `$2`, and from the first that comes at or after one of the dots
/// `$4` and `$5`, up to and including `$3`.
pub(super) const CHANGES: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM changes WHERE document = $1 AND ord >= $2 AND ord <= $3 AND ord >= (
        SELECT min(f.ord) FROM unnest($4::bigint[], $5::bigint[]) AS h (lane, first), LATERAL (
            SELECT c.ord FROM changes c
            WHERE c.document = $1 AND c.replica = h.lane AND c.counter >= h.first
            ORDER BY c.counter LIMIT 1) f)
    ORDER BY ord LIMIT $6"
);

/// The heads of documents, by the numbers that they are given.
pub(super) const HEADS: &str = concat!(
    "WITH RECURSIVE named AS (
        SELECT a.no, d.id FROM unnest($1::text[], $2::text[])
            WITH ORDINALITY AS a (workspace, name, no), LATERAL (
            SELECT id FROM documents d
            WHERE d.workspace = a.workspace AND d.name = a.name OFFSET 0) d
    ), asked AS (SELECT DISTINCT id FROM named), ",
    lane_heads!(),
    "SELECT n.no, l.replica, l.counter FROM named n JOIN lane l ON l.document = n.id"
);

/// How documents stand, in the order of the arrays. Each takes one step into each of two indexes.
pub(super) const STANDINGS: &str = "SELECT
    coalesce((SELECT d.deleted_ms IS NOT NULL FROM documents d
        WHERE d.workspace = a.workspace AND d.name = a.name), false),
    (SELECT coalesce(sum(q.number), 0)::bigint FROM quarantine q
        WHERE q.workspace = a.workspace AND q.name = a.name)
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (workspace, name, no) ORDER BY a.no";

pub(super) const HEADS_OF: &str = concat!(
    "WITH RECURSIVE asked AS (SELECT id FROM unnest($1::bigint[]) AS a (id)), ",
    lane_heads!(),
    "SELECT document, replica, counter FROM lane"
);

pub(super) const DESCRIBE: &str = describe!("workspace = $1 AND name = $2");

pub(super) const DOCUMENTS: &str = describe!(
    "workspace = $1 AND name >= $2 AND ($3::text IS NULL OR name < $3) AND name > $4
    AND deleted_ms IS NULL ORDER BY name LIMIT $5"
);

pub(super) const WORKSPACES: &str = "SELECT workspace, count(*) FROM documents
    WHERE deleted_ms IS NULL GROUP BY workspace ORDER BY workspace";

pub(super) const LANE: &str = select_changes!(
    " AND replica = $3 AND counter >= $4 AND counter <= $5 ORDER BY counter LIMIT $6"
);

pub(super) const TIMELINE_AFTER: &str = select_changes!(" AND ord > $3 ORDER BY ord LIMIT $4");

pub(super) const TIMELINE_BEFORE: &str =
    select_changes!(" AND ord < $3 ORDER BY ord DESC LIMIT $4");

pub(super) const FIND_DOT: &str = concat!(
    "SELECT ord FROM changes WHERE ",
    document!(),
    " AND replica = $3 AND counter = $4"
);

pub(super) const FIND_INDEX: &str = concat!(
    "SELECT ord FROM changes WHERE ",
    document!(),
    " ORDER BY ord LIMIT 1 OFFSET $3"
);

/// Goes back from the end of the timeline to the first change that is early enough. The timestamps of a timeline nearly
/// grow, but where clocks differ they do not, so halving would be wrong. The index holds the timestamp.
pub(super) const FIND_WALL: &str = concat!(
    "SELECT ord FROM changes WHERE ",
    document!(),
    " AND hlc BETWEEN 0 AND $3 ORDER BY ord DESC LIMIT 1"
);

/// The places of changes that must be stored.
pub(super) const ORDERS: &str = "SELECT count(*), max(s.ord)
    FROM unnest($2::bigint[], $3::bigint[]) AS h (replica, counter), LATERAL (
        SELECT c.ord FROM changes c WHERE c.document = $1 AND c.replica = h.replica
            AND c.counter = h.counter OFFSET 0) s";

pub(super) const INSERT_SNAPSHOT: &str = "INSERT INTO snapshots
    (document, through_ord, covered, clock, state, checksum) VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING id";

pub(super) const SNAPSHOT: &str = "SELECT clock, state, checksum FROM snapshots
    WHERE document = $1 AND through_ord = $2 AND id = $3";

pub(super) const SNAPSHOT_SIZES: &str =
    "SELECT through_ord, id, covered FROM snapshots WHERE document = $1 ORDER BY through_ord, id";

pub(super) const REMOVE_SNAPSHOTS: &str = "DELETE FROM snapshots s
    USING unnest($2::bigint[], $3::bigint[]) AS gone (through_ord, id)
    WHERE s.document = $1 AND s.through_ord = gone.through_ord AND s.id = gone.id";

/// What is known already stays as it is, but a place in the log that was not known is noted.
pub(super) const QUARANTINE: &str = "INSERT INTO quarantine AS q
    (workspace, name, hash, payload, payload_bytes, author, connection, replica, counter, reason, seen_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (workspace, name, hash) DO UPDATE
    SET replica = excluded.replica, counter = excluded.counter WHERE q.replica IS NULL";

/// Of those that are in no log, the ones before the newest `$3`.
pub(super) const DROP_OLDEST_QUARANTINED: &str = "DELETE FROM quarantine WHERE number IN (
    SELECT number FROM quarantine WHERE workspace = $1 AND name = $2 AND replica IS NULL
    ORDER BY number DESC OFFSET $3)";

pub(super) const DROP_OLD_PAYLOADS: &str = "UPDATE quarantine SET payload = ''
    WHERE length(payload) > 0 AND number <= (SELECT max(number) FROM quarantine) - $1";

pub(super) const FORGET_QUARANTINED: &str =
    "DELETE FROM quarantine WHERE workspace = $1 AND name = $2 AND hash = $3";

macro_rules! select_quarantined {
    ($payload:literal, $which:literal) => {
        concat!(
            "SELECT number, workspace, name, hash, ",
            $payload,
            ", payload_bytes, author, connection, replica, counter, reason, seen_ms
            FROM quarantine WHERE ",
            $which
        )
    };
}

pub(super) const QUARANTINED: &str =
    select_quarantined!("''::bytea", "number < $1 ORDER BY number DESC LIMIT $2");

pub(super) const QUARANTINED_OF_DOCUMENT: &str = select_quarantined!(
    "''::bytea",
    "number < $1 AND workspace = $3 AND name = $4 ORDER BY number DESC LIMIT $2"
);

pub(super) const QUARANTINED_ONE: &str =
    select_quarantined!("payload", "workspace = $1 AND name = $2 AND hash = $3");

/// Adds to the news of a document. What failed before is told when that is due, and no sooner. A change that comes after
/// one with a higher place was told of gets a place of its own.
pub(super) const ADD_NEWS: &str = concat!(
    "INSERT INTO outbox AS o
    (document, created_ms, through_ord, changed_ms, author, deleted_ms, since_ms, due_ms, attempts)
    SELECT $1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bytea, $6::bigint, now, now + $7::bigint, 0
    FROM (SELECT ",
    now_ms!(),
    " AS now) clock
    ON CONFLICT (document) DO UPDATE SET
        created_ms = coalesce(o.created_ms, excluded.created_ms),
        author = CASE WHEN excluded.through_ord IS NULL THEN o.author ELSE excluded.author END,
        through_ord = CASE WHEN excluded.through_ord < o.through_ord THEN nextval('orders')
            ELSE coalesce(excluded.through_ord, o.through_ord) END,
        changed_ms = coalesce(excluded.changed_ms, o.changed_ms),
        deleted_ms = coalesce(o.deleted_ms, excluded.deleted_ms),
        due_ms = CASE WHEN o.attempts > 0 THEN o.due_ms
            ELSE least(excluded.due_ms, o.since_ms + $8::bigint) END"
);

pub(super) const NEWS: &str = concat!(
    "SELECT d.workspace, d.name, d.kind, o.created_ms, o.through_ord, o.changed_ms, o.author,
        o.deleted_ms, o.due_ms - ",
    now_ms!(),
    ", o.attempts
    FROM outbox o JOIN documents d ON d.id = o.document ORDER BY o.due_ms LIMIT $1"
);

/// Takes out what was told; changes that came after those are news still, and wait for company anew.
pub(super) const TOLD: &str = concat!(
    "UPDATE outbox SET
        created_ms = CASE WHEN $3 THEN NULL ELSE created_ms END,
        changed_ms = CASE WHEN through_ord = $4 THEN NULL ELSE changed_ms END,
        author = CASE WHEN through_ord = $4 THEN NULL ELSE author END,
        through_ord = nullif(through_ord, $4),
        deleted_ms = CASE WHEN $5 THEN NULL ELSE deleted_ms END,
        since_ms = ",
    now_ms!(),
    ", due_ms = $6::bigint + ",
    now_ms!(),
    ", attempts = 0 WHERE ",
    document!()
);

pub(super) const DROP_TOLD: &str = concat!(
    "DELETE FROM outbox WHERE created_ms IS NULL AND through_ord IS NULL AND deleted_ms IS NULL AND ",
    document!()
);

pub(super) const PUT_OFF: &str = concat!(
    "UPDATE outbox SET due_ms = $3::bigint + ",
    now_ms!(),
    ", attempts = attempts + 1 WHERE ",
    document!()
);

macro_rules! revocation_columns {
    () => {
        "r.number, r.what, r.workspace, r.name, r.at_ms, r.until_ms, r.author, r.reason"
    };
}

/// Neither the time nor the end of what was revoked before is taken back; of an end and none the later is none.
pub(super) const REVOKE: &str = concat!(
    "INSERT INTO revocations AS r (what, workspace, name, at_ms, until_ms, author, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (what, workspace, name) DO UPDATE
    SET at_ms = greatest(r.at_ms, excluded.at_ms),
        until_ms = CASE WHEN r.until_ms IS NULL OR excluded.until_ms IS NULL THEN NULL
            ELSE greatest(r.until_ms, excluded.until_ms) END,
        author = excluded.author, reason = excluded.reason RETURNING ",
    revocation_columns!()
);

pub(super) const REVOCATIONS: &str = concat!(
    "SELECT ",
    revocation_columns!(),
    " FROM revocations r ORDER BY r.number"
);

pub(super) const FORGET_REVOCATIONS: &str = "DELETE FROM revocations WHERE until_ms <= $1";

pub(super) const LIFT_REVOCATION: &str = "DELETE FROM revocations WHERE number = $1";

/// None where the sequence gave a number that is taken, after the database was put back to an earlier day.
pub(super) const INSERT_REPLICA: &str = concat!(
    "INSERT INTO replicas (id, started_ms) VALUES (nextval('replica_ids'), ",
    now_ms!(),
    ") ON CONFLICT (id) DO NOTHING RETURNING id"
);

/// The server, and the timeline of its log.
pub(super) const ERA: &str =
    "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' ||
    left(pg_walfile_name(pg_current_wal_lsn()), 8)";

/// Notes the era in which ids are handed out now, if it is another one; says whether one is known that came before. Others
/// wait until this transaction is over.
pub(super) const TURN_ERA: &str = "UPDATE upkeep SET era = $1
    FROM (SELECT era FROM upkeep WHERE id = 1 FOR UPDATE) before
    WHERE id = 1 AND before.era IS DISTINCT FROM $1 RETURNING before.era IS NOT NULL";

/// Passes over ids that were handed out, and of which the database may have lost that.
pub(super) const LEAVE_OUT_REPLICAS: &str =
    "SELECT setval('replica_ids', last_value + $1) FROM replica_ids";

pub(super) const HOLD_REPLICA: &str = concat!(
    "INSERT INTO replicas AS r (id, started_ms, node, incarnation, until_ms)
    SELECT $1, now, $2, $3, now + $4 FROM (SELECT ",
    now_ms!(),
    " AS now) clock
    ON CONFLICT (id) DO UPDATE
    SET node = excluded.node, incarnation = excluded.incarnation, until_ms = excluded.until_ms
    WHERE r.incarnation IS NULL OR r.incarnation = excluded.incarnation"
);

/// Leads the sequence beyond an id that it does not know of. Should it be led back by two at once, the ids that it then
/// gives are taken.
pub(super) const SKIP_REPLICAS: &str =
    "SELECT setval('replica_ids', $1) FROM replica_ids WHERE last_value < $1";

pub(super) const LEASES: &str = concat!(
    "SELECT id, node, incarnation, started_ms, until_ms, until_ms > now
    FROM replicas, (SELECT ",
    now_ms!(),
    " AS now) clock WHERE until_ms > now - $1 ORDER BY id"
);

/// Rows that another node is just forgetting are left to it.
pub(super) const FORGET_TICKETS: &str = concat!(
    "DELETE FROM tickets WHERE hash IN (
        SELECT hash FROM tickets WHERE until_ms <= ",
    now_ms!(),
    " FOR UPDATE SKIP LOCKED)"
);

/// Keeps a ticket if there were not too many before it: of its user `$5`, of all `$6`. Gives how many there were.
pub(super) const KEEP_TICKET: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT ",
    now_ms!(),
    " AS now), counts AS (
        SELECT count(*) FILTER (WHERE author IS NOT DISTINCT FROM $2) AS of_user, count(*) AS of_all
        FROM tickets WHERE until_ms > (SELECT now FROM clock)
    ), kept AS (
        INSERT INTO tickets (hash, author, pass, until_ms)
        SELECT $1, $2, $3, now + $4 FROM clock, counts WHERE of_user < $5 AND of_all < $6
        ON CONFLICT (hash) DO NOTHING
    ) SELECT of_user, of_all FROM counts"
);

pub(super) const USE_TICKET: &str = concat!(
    "DELETE FROM tickets WHERE hash = $1 RETURNING pass, until_ms > ",
    now_ms!()
);

pub(super) const TAKE_DUTY: &str = concat!(
    "INSERT INTO duties AS d (name, node, incarnation, until_ms)
    SELECT $1, $2, $3, now + $4 FROM (SELECT ",
    now_ms!(),
    " AS now) clock
    ON CONFLICT (name) DO UPDATE
    SET node = excluded.node, incarnation = excluded.incarnation, until_ms = excluded.until_ms
    WHERE d.incarnation = excluded.incarnation OR d.until_ms <= ",
    now_ms!()
);

pub(super) const CHECK: &str = concat!(
    "UPDATE upkeep SET checked_ms = ",
    now_ms!(),
    " WHERE id = 1"
);
