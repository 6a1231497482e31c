//! Gists: what a document comes to in a few bytes, one row for each, good as long as nothing else is stored. Each is one
//! question, to write and to read.

use engine::{DocumentKey, Gist};
use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Stop;
use super::past::heads;
use super::rows;
use super::sql::lane_heads;
use crate::numbers::signed;

/// Keeps a gist, if it is of the very changes that are stored.
pub(super) async fn keep(connection: &mut PgConnection, gist: &Gist) -> Result<bool, Stop> {
    let heads = gist.clock.heads();
    let (replicas, counters): (Vec<_>, Vec<_>) = heads
        .map(|head| (i64::from(head.replica.0), signed(head.counter)))
        .unzip();
    let kept = sqlx::query(KEEP)
        .bind(gist.document.workspace())
        .bind(gist.document.name())
        .bind(gist.kind.as_str())
        .bind(replicas)
        .bind(counters)
        .bind(gist.clock.to_bytes())
        .bind(&*gist.have)
        .bind(i64::from(gist.checksum()))
        .execute(connection)
        .await?;
    Ok(kept.rows_affected() > 0)
}

/// A document's gist, if it is of all that is stored.
pub(super) async fn read(
    connection: &mut PgConnection,
    document: &DocumentKey,
) -> Result<Option<Gist>, Stop> {
    let row = sqlx::query(READ)
        .bind(document.workspace())
        .bind(document.name())
        .fetch_optional(connection)
        .await?;
    let gist = row.map(|row| whole(&row, document)).transpose()?;
    Ok(gist.flatten())
}

fn whole(row: &PgRow, document: &DocumentKey) -> Result<Option<Gist>, Stop> {
    let kind = rows::kind(row, 0).ok_or_else(rows::damaged_document)?;
    let heads = heads(row, 1)?;
    let gist = rows::gist(row, 3, document, kind);
    Ok(gist.filter(|gist| gist.clock == heads))
}

/// Writes a gist of the document that `$1` and `$2` name, of the kind `$3`, if its lanes are those of `$4` and `$5`.
const KEEP: &str = concat!(
    "WITH RECURSIVE asked AS (
        SELECT id FROM documents
        WHERE workspace = $1 AND name = $2 AND kind = $3 AND deleted_ms IS NULL), ",
    lane_heads!(),
    "INSERT INTO gists (document, clock, have, checksum)
    SELECT asked.id, $6, $7, $8 FROM asked
    WHERE (SELECT array_agg(replica ORDER BY replica) FROM lane) = $4::bigint[]
        AND (SELECT array_agg(counter ORDER BY replica) FROM lane) = $5::bigint[]
    ON CONFLICT (document) DO UPDATE
    SET clock = excluded.clock, have = excluded.have, checksum = excluded.checksum"
);

/// Reads a gist, if there is one, of a document that is not deleted and of which nothing is quarantined.
const READ: &str = concat!(
    "WITH RECURSIVE asked AS (
        SELECT id, kind FROM documents WHERE workspace = $1 AND name = $2 AND deleted_ms IS NULL), ",
    lane_heads!(),
    "SELECT asked.kind, (SELECT array_agg(replica ORDER BY replica) FROM lane),
        (SELECT array_agg(counter ORDER BY replica) FROM lane), g.clock, g.have, g.checksum
    FROM asked JOIN gists g ON g.document = asked.id
    WHERE NOT EXISTS (SELECT 1 FROM quarantine WHERE workspace = $1 AND name = $2)"
);
