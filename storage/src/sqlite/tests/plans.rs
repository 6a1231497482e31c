//! How SQLite goes about the statements: by an index or the primary key, never by passing over a table.

use sqlx::{AssertSqlSafe, Row};

use super::super::sql;
use super::{Fixture, raw};

async fn plan(fixture: &Fixture, statement: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let steps = sqlx::query(AssertSqlSafe(explain))
        .fetch_all(&mut raw(fixture.path()).await)
        .await
        .unwrap();
    steps.iter().map(|step| step.get("detail")).collect()
}

#[tokio::test]
async fn no_statement_passes_over_a_table() {
    let fixture = Fixture::open().await;
    for statement in [
        sql::KNOWN,
        sql::HEADS,
        sql::HEAD,
        sql::DESCRIBE,
        sql::DOCUMENTS,
        sql::CHANGE,
        sql::LANE_AFTER,
        sql::LANE,
        sql::TIMELINE_AFTER,
        sql::TIMELINE_BEFORE,
        sql::ORDER_OF,
        sql::FIND_DOT,
        sql::FIND_INDEX,
        sql::FIND_WALL,
        sql::SNAPSHOT,
        sql::SNAPSHOTS,
        sql::SNAPSHOT_SIZES,
        sql::DROP_OLDEST_QUARANTINED,
        sql::DROP_OLD_PAYLOADS,
        sql::FORGET_QUARANTINED,
        sql::QUARANTINED_HASHES,
        sql::QUARANTINED,
        sql::QUARANTINED_OF_DOCUMENT,
        sql::QUARANTINED_ONE,
    ] {
        let steps = plan(&fixture, statement).await;
        // The recursive query's own rows, which are as few as there are lanes.
        let own = ["SCAN lane", "SCAN head", "SCAN CONSTANT ROW"];
        let scans = |step: &String| step.contains("SCAN") && !own.contains(&step.as_str());
        assert!(!steps.iter().any(scans), "{statement}\n{steps:#?}");
        let sorts = |step: &String| step.contains("TEMP B-TREE");
        assert!(!steps.iter().any(sorts), "{statement}\n{steps:#?}");
    }
}

#[tokio::test]
async fn heads_take_one_step_into_the_key_for_each_lane() {
    let fixture = Fixture::open().await;
    let steps = plan(&fixture, sql::HEADS).await;
    for wanted in [
        "SEARCH c USING PRIMARY KEY (document=? AND replica>?)",
        "SEARCH c USING PRIMARY KEY (document=? AND replica=?)",
    ] {
        assert!(steps.iter().any(|step| step == wanted), "{steps:#?}");
    }
}

#[tokio::test]
async fn searching_by_time_and_index_reads_no_row() {
    let fixture = Fixture::open().await;
    for statement in [sql::FIND_WALL, sql::FIND_INDEX] {
        let steps = plan(&fixture, statement).await;
        let wanted = "SEARCH changes USING COVERING INDEX changes_by_order (document=?)";
        assert!(steps.iter().any(|step| step == wanted), "{steps:#?}");
    }
}

#[tokio::test]
async fn workspaces_are_counted_in_the_index() {
    let fixture = Fixture::open().await;
    let steps = plan(&fixture, sql::WORKSPACES).await;
    assert_eq!(
        steps,
        ["SCAN documents USING COVERING INDEX documents_not_deleted"]
    );
}
