//! The statements that are more than a line or must keep to an index. `tests/plans.rs` asks SQLite how it goes about them.

use std::sync::LazyLock;

/// The columns of a change, in the order in which they are written and read.
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

/// What the two indices of the documents tell of a workspace `$w` and a name `$n`. A damaged page of an index leaves out
/// rows without a word, and what is there would be begun anew: so what one does not tell, the other is asked.
macro_rules! indexed {
    ($what:literal, $w:literal, $n:literal, $which:expr) => {
        concat!(
            "SELECT ",
            $what,
            " FROM documents i WHERE i.workspace = ",
            $w,
            " AND i.name = ",
            $n,
            $which,
            " UNION ALL SELECT ",
            $what,
            " FROM documents i INDEXED BY documents_not_deleted
                WHERE i.workspace = ",
            $w,
            " AND i.name = ",
            $n,
            " AND i.deleted_ms IS NULL",
            $which,
        )
    };
}

/// The number of the document of a workspace `$w` and a name `$n`. Its row must have these names, for damage leads astray.
macro_rules! id {
    ($w:literal, $n:literal) => {
        concat!(
            "(",
            indexed!(
                "i.id",
                $w,
                $n,
                concat!(
                    " AND EXISTS (SELECT 1 FROM documents d WHERE d.id = i.id
                    AND d.workspace = ",
                    $w,
                    " AND d.name = ",
                    $n,
                    ")"
                )
            ),
            " LIMIT 1) "
        )
    };
}

/// That a row is of the document of a workspace `$w` and a name `$n`.
macro_rules! document {
    ($w:literal, $n:literal) => {
        concat!("document = ", id!($w, $n))
    };
}

/// Of the arrivals `a`, those that are not filed. One that is stands in both places until it is removed here.
macro_rules! unfiled {
    () => {
        " NOT EXISTS (SELECT 1 FROM changes c WHERE c.document = a.document
            AND c.replica = a.replica AND c.counter = a.counter) "
    };
}

/// Changes of the document that `?1` and `?2` name, from both places, which SQLite merges as it reads them.
macro_rules! select_changes {
    ($which:literal, $order:literal) => {
        concat!(
            "SELECT ",
            change_columns!(),
            " FROM changes WHERE ",
            document!("?1", "?2"),
            $which,
            " UNION ALL SELECT ",
            change_columns!(),
            " FROM arrivals a WHERE ",
            document!("?1", "?2"),
            $which,
            " AND",
            unfiled!(),
            $order
        )
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

macro_rules! describe_filed {
    ($which:literal) => {
        concat!(
            "SELECT workspace, name, kind, created_ms, deleted_ms,
                (SELECT c.hlc FROM changes c WHERE c.document = d.id ORDER BY c.ord DESC LIMIT 1),
                (",
            heads!("d.id"),
            " SELECT group_concat(replica || '.' || counter) FROM head), id
            FROM documents d WHERE ",
            $which
        )
    };
}

/// The last change of each lane among the arrivals.
macro_rules! latest_arrivals {
    ($which:literal) => {
        concat!(
            "SELECT document, replica, max(counter), ord, hlc FROM arrivals ",
            $which,
            " GROUP BY document, replica"
        )
    };
}

/// All is null of a document that an index names, and whose row is damaged.
pub(super) const KNOWN: &str = concat!(
    "SELECT d.id, d.kind, d.deleted_ms IS NOT NULL,
        d.id IS (SELECT i.id FROM documents i WHERE i.workspace = ?1 AND i.name = ?2)
    FROM (SELECT ",
    id!("?1", "?2"),
    "AS id) AS found LEFT JOIN documents d ON d.id = found.id
    WHERE found.id IS NOT NULL OR EXISTS (",
    indexed!("1", "?1", "?2", ""),
    ")"
);

pub(super) const FILED_HEADS: &str = concat!(heads!("?1"), " SELECT replica, counter FROM head");

pub(super) const FILED_HEAD: &str =
    "SELECT max(counter) FROM changes WHERE document = ?1 AND replica = ?2";

pub(super) const DESCRIBE_FILED: &str = describe_filed!("id = ?1");

pub(super) const DOCUMENTS_FILED: &str = describe_filed!(
    "workspace = ?1 AND name >= ?2 AND name < CAST(?3 AS TEXT) AND name > ?4
    AND deleted_ms IS NULL ORDER BY name"
);

pub(super) const LATEST_ARRIVALS: &str = latest_arrivals!("");

pub(super) const LATEST_ARRIVALS_OF: &str = latest_arrivals!("WHERE document = ?1");

pub(super) const WORKSPACES: &str =
    "SELECT workspace, count(*) FROM documents WHERE deleted_ms IS NULL
    GROUP BY workspace ORDER BY workspace";

pub(super) const FILED: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM changes WHERE document = ?1 AND replica = ?2 AND counter = ?3"
);

pub(super) const ARRIVED: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM arrivals WHERE ord = ?1"
);

pub(super) const FILED_LANE_AFTER: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM changes WHERE document = ?1 AND replica = ?2 AND counter > ?3 ORDER BY counter"
);

pub(super) const UNFILED: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM arrivals a WHERE document = ?1 AND",
    unfiled!(),
    "ORDER BY ord"
);

pub(super) const LANE: &str = select_changes!(
    "AND replica = ?3 AND counter BETWEEN ?4 AND ?5",
    "ORDER BY counter"
);

pub(super) const TIMELINE_AFTER: &str = select_changes!("AND ord > ?3", "ORDER BY ord");

pub(super) const TIMELINE_BEFORE: &str = select_changes!("AND ord < ?3", "ORDER BY ord DESC");

pub(super) const FILED_ORDER: &str =
    "SELECT ord FROM changes WHERE document = ?1 AND replica = ?2 AND counter = ?3";

pub(super) const FIND_DOT: &str = concat!(
    "SELECT ord FROM changes WHERE ",
    document!("?1", "?2"),
    "AND counter = ?3 AND replica = ?4 UNION ALL SELECT ord FROM arrivals WHERE ",
    document!("?1", "?2"),
    "AND counter = ?3 AND replica = ?4 LIMIT 1"
);

/// Of a document, what is filed comes first in the timeline.
pub(super) const FIND_INDEX: &str = concat!(
    "SELECT ord FROM (SELECT ord FROM changes INDEXED BY changes_by_order WHERE ",
    document!("?1", "?2"),
    "ORDER BY ord LIMIT 1 OFFSET ?3)
    UNION ALL SELECT ord FROM (SELECT ord FROM arrivals a WHERE ",
    document!("?1", "?2"),
    "AND",
    unfiled!(),
    "ORDER BY ord LIMIT 1 OFFSET ?3 -
        (SELECT count(*) FROM changes INDEXED BY changes_by_order WHERE ",
    document!("?1", "?2"),
    ")) LIMIT 1"
);

/// Goes back from the end of the timeline, where the arrivals are, to the first change that is early enough. The
/// timestamps of a timeline nearly grow, but where clocks differ they do not, so halving would be wrong. The index holds
/// the timestamp, so even a walk back through a hundred thousand changes reads no row and takes milliseconds.
pub(super) const FIND_WALL: &str = concat!(
    "SELECT ord FROM (SELECT ord FROM arrivals WHERE ",
    document!("?1", "?2"),
    "AND hlc BETWEEN 0 AND ?3 ORDER BY ord DESC LIMIT 1)
    UNION ALL SELECT ord FROM (SELECT ord FROM changes INDEXED BY changes_by_order WHERE ",
    document!("?1", "?2"),
    "AND hlc BETWEEN 0 AND ?3 ORDER BY ord DESC LIMIT 1) LIMIT 1"
);

pub(super) const ARRIVALS: &str =
    "SELECT ord, document, replica, counter, length(payload), version, source, number
    FROM arrivals ORDER BY ord";

pub(super) const LAST_VERSION: &str = "SELECT max(version) FROM operations WHERE document = ?1";

pub(super) const HIGHEST_NUMBER: &str =
    "SELECT max(number) FROM operations WHERE document = ?1 AND source = ?2";

pub(super) const VERSION_OF_NAME: &str =
    "SELECT version FROM operations WHERE document = ?1 AND source = ?2 AND number = ?3";

/// The operations from one version up to another. Their changes are filed after them, so one whose change is not filed has it
/// among the arrivals still.
pub(super) const OPERATIONS: &str = concat!(
    "SELECT ",
    change_columns!("c."),
    ", o.version FROM operations o CROSS JOIN changes c INDEXED BY changes_by_order
    ON c.document = o.document AND c.ord = o.ord
    WHERE o.",
    document!("?1", "?2"),
    "AND o.version >= ?3 AND o.version < ?4
    UNION ALL SELECT ",
    change_columns!(),
    ", version FROM arrivals a WHERE ",
    document!("?1", "?2"),
    "AND version >= ?3 AND version < ?4 AND",
    unfiled!(),
    "ORDER BY version"
);

/// The version of the operation of a name, filed or among the arrivals still.
pub(super) const VERSION_OF: &str = concat!(
    "SELECT version FROM operations WHERE ",
    document!("?1", "?2"),
    "AND source = ?3 AND number = ?4
    UNION ALL SELECT version FROM arrivals WHERE ",
    document!("?1", "?2"),
    "AND source = ?3 AND number = ?4 LIMIT 1"
);

/// Files the operations among the changes that `?1` lists, before their changes are.
pub(super) const FILE_OPERATIONS: &str =
    "INSERT OR IGNORE INTO operations (document, version, source, number, ord)
    SELECT document, version, source, number, ord
    FROM json_each(?1) CROSS JOIN arrivals ON ord = value
    WHERE version IS NOT NULL AND document IN (SELECT id FROM documents)";

/// Files the changes whose places in the timeline `?1` lists, in the order of the list. What is filed already stays as it
/// is; a damaged row that names no document can not be filed, and stays.
pub(super) const FILE: &str = concat!(
    "INSERT OR IGNORE INTO changes (document, ",
    change_columns!(),
    ") SELECT document, ",
    change_columns!(),
    " FROM json_each(?1) CROSS JOIN arrivals ON ord = value
    WHERE document IN (SELECT id FROM documents)"
);

/// Removes nothing that is not filed, whatever the writer believes.
pub(super) const REMOVE_FILED: &str = "DELETE FROM arrivals AS a WHERE ord <= ?1
    AND EXISTS (SELECT 1 FROM changes c WHERE c.document = a.document
        AND c.replica = a.replica AND c.counter = a.counter)";

pub(super) const SNAPSHOT: &str = "SELECT clock, state, checksum FROM snapshots WHERE id = ?1";

pub(super) const SNAPSHOTS: &str = "SELECT clock, state, checksum, id FROM snapshots
    WHERE document = ?1 AND through_ord <= ?2 ORDER BY through_ord DESC, id DESC";

pub(super) const SNAPSHOT_SIZES: &str =
    "SELECT id, covered FROM snapshots WHERE document = ?1 ORDER BY through_ord, id";

pub(super) const INSERT_SNAPSHOT: &str = "INSERT INTO snapshots
    (document, through_ord, covered, clock, state, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const GIST: &str = "SELECT clock, have, checksum FROM gists WHERE document = ?1";

pub(super) const KEEP_GIST: &str =
    "INSERT OR REPLACE INTO gists (document, clock, have, checksum) VALUES (?1, ?2, ?3, ?4)";

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

/// Adds to the news of a document. What failed before is told when that is due, and no sooner.
pub(super) const ADD_NEWS: &str = "INSERT INTO outbox
    (document, created_ms, through_ord, changed_ms, author, deleted_ms, since_ms, due_ms, attempts)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7 + ?8, 0)
    ON CONFLICT (document) DO UPDATE SET
        created_ms = coalesce(created_ms, excluded.created_ms),
        author = CASE WHEN excluded.through_ord IS NULL THEN author ELSE excluded.author END,
        through_ord = coalesce(excluded.through_ord, through_ord),
        changed_ms = coalesce(excluded.changed_ms, changed_ms),
        deleted_ms = coalesce(deleted_ms, excluded.deleted_ms),
        due_ms = CASE WHEN attempts > 0 THEN due_ms
            ELSE min(excluded.due_ms, since_ms + ?9) END";

pub(super) const NEWS: &str =
    "SELECT d.workspace, d.name, d.kind, o.created_ms, o.through_ord, o.changed_ms, o.author,
        o.deleted_ms, o.due_ms, o.attempts
    FROM outbox o INDEXED BY outbox_by_due CROSS JOIN documents d ON d.id = o.document
    ORDER BY o.due_ms LIMIT ?1";

/// Takes out what was told; changes that came after those are news still, and wait for company anew.
pub(super) const TOLD: &str = concat!(
    "UPDATE outbox SET
        created_ms = CASE WHEN ?3 THEN NULL ELSE created_ms END,
        changed_ms = CASE WHEN through_ord = ?4 THEN NULL ELSE changed_ms END,
        author = CASE WHEN through_ord = ?4 THEN NULL ELSE author END,
        through_ord = nullif(through_ord, ?4),
        deleted_ms = CASE WHEN ?5 THEN NULL ELSE deleted_ms END,
        since_ms = ?6, due_ms = ?6 + ?7, attempts = 0 WHERE ",
    document!("?1", "?2")
);

pub(super) const DROP_TOLD: &str = concat!(
    "DELETE FROM outbox WHERE created_ms IS NULL AND through_ord IS NULL AND deleted_ms IS NULL AND ",
    document!("?1", "?2")
);

pub(super) const PUT_OFF: &str = concat!(
    "UPDATE outbox SET due_ms = ?3, attempts = attempts + 1 WHERE ",
    document!("?1", "?2")
);

macro_rules! revocation_columns {
    () => {
        "number, what, workspace, name, at_ms, until_ms, author, reason"
    };
}

/// Neither the time nor the end of what was revoked before is taken back; the `max` of something and nothing is nothing.
pub(super) const REVOKE: &str = concat!(
    "INSERT INTO revocations (what, workspace, name, at_ms, until_ms, author, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (what, workspace, name) DO UPDATE
    SET at_ms = max(at_ms, excluded.at_ms), until_ms = max(until_ms, excluded.until_ms),
        author = excluded.author, reason = excluded.reason RETURNING ",
    revocation_columns!()
);

pub(super) const REVOCATIONS: &str = concat!(
    "SELECT ",
    revocation_columns!(),
    " FROM revocations ORDER BY number"
);

pub(super) const FORGET_REVOCATIONS: &str = "DELETE FROM revocations WHERE until_ms <= ?1";

pub(super) const LIFT_REVOCATION: &str = "DELETE FROM revocations WHERE number = ?1";

pub(super) const HOLD_REPLICA: &str =
    "INSERT INTO replicas (id, started_ms, process, node, incarnation, until_ms)
    VALUES (?1, ?2, 0, ?3, ?4, ?5)
    ON CONFLICT (id) DO UPDATE
    SET node = excluded.node, incarnation = excluded.incarnation, until_ms = excluded.until_ms
    WHERE incarnation IS NULL OR incarnation = excluded.incarnation";

pub(super) const LEASES: &str = "SELECT id, node, incarnation, started_ms, until_ms FROM replicas
    WHERE until_ms > ?1 ORDER BY id";

pub(super) const FORGET_TICKETS: &str = "DELETE FROM tickets WHERE until_ms <= ?1";

/// How many a user has, and how many there are.
pub(super) const COUNT_TICKETS: &str = "SELECT
    (SELECT count(*) FROM tickets WHERE author IS ?1), (SELECT count(*) FROM tickets)";

pub(super) const KEEP_TICKET: &str =
    "INSERT INTO tickets (hash, author, pass, until_ms) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (hash) DO NOTHING";

pub(super) const USE_TICKET: &str = "DELETE FROM tickets WHERE hash = ?1 RETURNING pass, until_ms";

pub(super) const TAKE_DUTY: &str =
    "INSERT INTO duties (name, node, incarnation, until_ms) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (name) DO UPDATE
    SET node = excluded.node, incarnation = excluded.incarnation, until_ms = excluded.until_ms
    WHERE incarnation = excluded.incarnation OR until_ms <= ?5";

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

/// Inserts one change, two, three, and so on: a transaction by itself.
pub(super) static COMMIT_CHANGES: LazyLock<Vec<String>> =
    LazyLock::new(|| (1..=COMMITTED_AT_ONCE).map(insert_changes).collect());

fn insert_changes(rows: usize) -> String {
    format!(
        concat!(
            "INSERT INTO arrivals (document, ",
            change_columns!(),
            ", version, source, number) VALUES {}"
        ),
        vec!["(?,?,?,?,?,?,?,?,?,?,?,?,?,?)"; rows].join(",")
    )
}

/// Among more changes, the hops to begin and to commit are nothing much. Each number of them is a statement to keep.
const COMMITTED_AT_ONCE: usize = 16;
