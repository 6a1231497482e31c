//! The statements that are more than a line or must keep to an index. `tests/plans.rs` asks SQLite how it goes about them.

use std::sync::LazyLock;

/// The columns of a change, in the order in which they are written and read.
macro_rules! change_columns {
    () => {
        "replica, counter, ord, context, hlc, author, connection, kind, payload, checksum"
    };
}

macro_rules! select_changes {
    ($which:literal) => {
        concat!("SELECT ", change_columns!(), " FROM changes WHERE ", $which)
    };
}

/// The lanes of the document `$id` and their heads, one step into the primary key for each.
macro_rules! heads {
    ($id:literal) => {
        concat!(
            "WITH RECURSIVE lane (replica) AS (
                SELECT (SELECT min(c.replica) FROM changes c WHERE c.document = ",
            $id,
            ") UNION ALL
                SELECT (SELECT min(c.replica) FROM changes c WHERE c.document = ",
            $id,
            " AND c.replica > lane.replica)
                FROM lane WHERE lane.replica IS NOT NULL
            ), head (replica, counter) AS (
                SELECT replica, (SELECT max(c.counter) FROM changes c WHERE c.document = ",
            $id,
            " AND c.replica = lane.replica)
                FROM lane WHERE replica IS NOT NULL
            )"
        )
    };
}

macro_rules! describe {
    ($which:literal) => {
        concat!(
            "SELECT workspace, name, kind, created_ms, deleted_ms,
                (SELECT c.hlc FROM changes c WHERE c.document = d.id ORDER BY c.ord DESC LIMIT 1),
                (",
            heads!("d.id"),
            " SELECT group_concat(replica || '.' || counter) FROM head)
            FROM documents d WHERE ",
            $which
        )
    };
}

pub(super) const KNOWN: &str =
    "SELECT id, kind, deleted_ms IS NOT NULL FROM documents WHERE workspace = ?1 AND name = ?2";

pub(super) const HEADS: &str = concat!(heads!("?1"), " SELECT replica, counter FROM head");

pub(super) const HEAD: &str =
    "SELECT max(counter) FROM changes WHERE document = ?1 AND replica = ?2";

pub(super) const DESCRIBE: &str = describe!("workspace = ?1 AND name = ?2");

pub(super) const DOCUMENTS: &str = describe!(
    "workspace = ?1 AND name >= ?2 AND name < CAST(?3 AS TEXT) AND name > ?4
    AND deleted_ms IS NULL ORDER BY name"
);

pub(super) const WORKSPACES: &str =
    "SELECT workspace, count(*) FROM documents WHERE deleted_ms IS NULL
    GROUP BY workspace ORDER BY workspace";

pub(super) const CHANGE: &str = select_changes!("document = ?1 AND replica = ?2 AND counter = ?3");

pub(super) const LANE_AFTER: &str =
    select_changes!("document = ?1 AND replica = ?2 AND counter > ?3 ORDER BY counter");

pub(super) const LANE: &str = select_changes!(
    "document = (SELECT id FROM documents WHERE workspace = ?1 AND name = ?2)
    AND replica = ?3 AND counter BETWEEN ?4 AND ?5 ORDER BY counter"
);

pub(super) const TIMELINE_AFTER: &str = select_changes!(
    "document = (SELECT id FROM documents WHERE workspace = ?1 AND name = ?2)
    AND ord > ?3 ORDER BY ord"
);

pub(super) const TIMELINE_BEFORE: &str = select_changes!(
    "document = (SELECT id FROM documents WHERE workspace = ?1 AND name = ?2)
    AND ord < ?3 ORDER BY ord DESC"
);

pub(super) const ORDER_OF: &str =
    "SELECT ord FROM changes WHERE document = ?1 AND replica = ?2 AND counter = ?3";

pub(super) const FIND_DOT: &str = "SELECT ord FROM changes
    WHERE document = (SELECT id FROM documents WHERE workspace = ?3 AND name = ?4)
    AND counter = ?1 AND replica = ?2";

pub(super) const FIND_INDEX: &str = "SELECT ord FROM changes INDEXED BY changes_by_order
    WHERE document = (SELECT id FROM documents WHERE workspace = ?2 AND name = ?3)
    ORDER BY ord LIMIT 1 OFFSET ?1";

/// Goes back from the end of the timeline to the first change that is early enough. The timestamps of a timeline nearly
/// grow, but where clocks differ they do not, so halving would be wrong. The index holds the timestamp, so even a walk
/// back through a hundred thousand changes reads no row and takes milliseconds.
pub(super) const FIND_WALL: &str = "SELECT ord FROM changes INDEXED BY changes_by_order
    WHERE document = (SELECT id FROM documents WHERE workspace = ?2 AND name = ?3)
    AND hlc BETWEEN 0 AND ?1 ORDER BY ord DESC LIMIT 1";

pub(super) const SNAPSHOT: &str = "SELECT clock, state, checksum FROM snapshots WHERE id = ?1";

pub(super) const SNAPSHOTS: &str = "SELECT clock, state, checksum, id FROM snapshots
    WHERE document = ?1 AND through_ord <= ?2 ORDER BY through_ord DESC, id DESC";

pub(super) const SNAPSHOT_SIZES: &str =
    "SELECT id, covered FROM snapshots WHERE document = ?1 ORDER BY through_ord, id";

pub(super) const INSERT_SNAPSHOT: &str = "INSERT INTO snapshots
    (document, through_ord, covered, clock, state, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const INSERT_DOCUMENT: &str =
    "INSERT INTO documents (workspace, name, kind, created_ms) VALUES (?1, ?2, ?3, ?4)";

/// What is known already stays as it is, but a place in the log that was not known is noted.
pub(super) const QUARANTINE: &str = "INSERT INTO quarantine
    (workspace, name, hash, payload, payload_bytes, author, connection, replica, counter, reason, seen_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (workspace, name, hash) DO UPDATE
    SET replica = excluded.replica, counter = excluded.counter WHERE replica IS NULL";

/// Of those that are in no log, the ones before the newest `?3`.
pub(super) const DROP_OLDEST_QUARANTINED: &str = "DELETE FROM quarantine WHERE number IN (
    SELECT number FROM quarantine INDEXED BY quarantine_of_document
    WHERE workspace = ?1 AND name = ?2 AND replica IS NULL ORDER BY number DESC LIMIT -1 OFFSET ?3)";

pub(super) const DROP_OLD_PAYLOADS: &str = "UPDATE quarantine SET payload = x''
    WHERE length(payload) > 0 AND number <= (SELECT max(number) FROM quarantine) - ?1";

pub(super) const FORGET_QUARANTINED: &str =
    "DELETE FROM quarantine WHERE workspace = ?1 AND name = ?2 AND hash = ?3";

pub(super) const QUARANTINED_HASHES: &str =
    "SELECT hash FROM quarantine WHERE workspace = ?1 AND name = ?2";

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

pub(super) const QUARANTINED: &str = select_quarantined!("x''", "number < ?1 ORDER BY number DESC");

pub(super) const QUARANTINED_OF_DOCUMENT: &str = select_quarantined!(
    "x''",
    "number < ?1 AND workspace = ?2 AND name = ?3 ORDER BY number DESC"
);

pub(super) const QUARANTINED_ONE: &str =
    select_quarantined!("payload", "workspace = ?1 AND name = ?2 AND hash = ?3");

pub(super) const INSERT_REPLICA: &str =
    "INSERT INTO replicas (started_ms, process) VALUES (?1, ?2)";

pub(super) const TAKE_ORDERS: &str =
    "UPDATE writer SET last_ord = last_ord + ?1 RETURNING last_ord";

pub(super) const GIVE_BACK_ORDERS: &str = "UPDATE writer SET last_ord = ?1 WHERE last_ord = ?2";

/// A statement that inserts a fixed number of changes, and is therefore prepared once.
pub(super) struct InsertChanges {
    pub(super) rows: usize,
    pub(super) sql: String,
}

/// The largest first; the last inserts one change, so any number can be made up of them.
pub(super) static INSERT_CHANGES: LazyLock<Vec<InsertChanges>> = LazyLock::new(|| {
    let insert = |rows| InsertChanges {
        rows,
        sql: insert_changes(rows),
    };
    [64, 16, 4, 1].map(insert).into()
});

/// A whole transaction that inserts one change, two, three, and so on.
pub(super) static COMMIT_CHANGES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let commit = |rows| format!("BEGIN IMMEDIATE; {}; COMMIT", insert_changes(rows));
    (1..=COMMITTED_AT_ONCE).map(commit).collect()
});

fn insert_changes(rows: usize) -> String {
    format!(
        concat!(
            "INSERT INTO changes (document, ",
            change_columns!(),
            ") VALUES {}"
        ),
        vec!["(?,?,?,?,?,?,?,?,?,?,?)"; rows].join(",")
    )
}

/// Among more changes, the hops to begin and to commit are nothing much. Each number of them is a statement to keep.
const COMMITTED_AT_ONCE: usize = 16;
