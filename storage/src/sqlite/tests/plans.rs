//! How SQLite goes about the statements: by an index or the primary key, never by passing over a table, unless it is the
//! bounded one of the arrivals.

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
async fn no_statement_passes_over_a_table_but_the_arrivals() {
    let fixture = Fixture::open().await;
    for statement in [
        sql::KNOWN,
        sql::FILED_HEADS,
        sql::FILED_HEAD,
        sql::DESCRIBE_FILED,
        sql::DOCUMENTS_FILED,
        sql::FILED,
        sql::ARRIVED,
        sql::FILED_LANE_AFTER,
        sql::TIMELINE_AFTER,
        sql::TIMELINE_BEFORE,
        sql::FILED_ORDER,
        sql::FILE,
        sql::FILE_OPERATIONS,
        sql::LAST_VERSION,
        sql::HIGHEST_NUMBER,
        sql::VERSION_OF_NAME,
        sql::REMOVE_FILED,
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
        sql::TOLD,
        sql::DROP_TOLD,
        sql::PUT_OFF,
        sql::REVOKE,
        sql::FORGET_REVOCATIONS,
        sql::LIFT_REVOCATION,
    ] {
        let steps = plan(&fixture, statement).await;
        assert!(
            !steps.iter().any(|step| scans(step)),
            "{statement}\n{steps:#?}"
        );
        let sorts = |step: &String| step.contains("TEMP B-TREE");
        assert!(!steps.iter().any(sorts), "{statement}\n{steps:#?}");
    }
}

/// Whether a step passes over something that grows: not the recursive query's own rows, which are as few as there are
/// lanes, nor the one row of a subquery, nor a list that was given, nor the arrivals.
fn scans(step: &str) -> bool {
    let few = [
        "lane",
        "head",
        "CONSTANT",
        "(subquery",
        "found",
        "json_each",
        "a",
        "arrivals",
    ];
    let mut words = step.split([' ', '-']);
    words.next() == Some("SCAN") && !words.next().is_some_and(|it| few.contains(&it))
}

/// What has arrived of the lane is sorted, and nothing else.
#[tokio::test]
async fn a_lane_is_read_by_its_key() {
    let fixture = Fixture::open().await;
    let steps = plan(&fixture, sql::LANE).await;
    let key =
        "SEARCH changes USING PRIMARY KEY (document=? AND replica=? AND counter>? AND counter<?)";
    assert!(steps.iter().any(|step| step == key), "{steps:#?}");
    assert!(!steps.iter().any(|step| scans(step)), "{steps:#?}");
}

/// The operations that are filed come by their key, and each one's change by the timeline's index.
#[tokio::test]
async fn operations_are_read_by_their_versions() {
    let fixture = Fixture::open().await;
    let steps = plan(&fixture, sql::OPERATIONS).await;
    for wanted in [
        "SEARCH o USING PRIMARY KEY (document=? AND version>? AND version<?)",
        "SEARCH c USING INDEX changes_by_order (document=? AND ord=?)",
    ] {
        assert!(steps.iter().any(|step| step == wanted), "{steps:#?}");
    }
    assert!(!steps.iter().any(|step| scans(step)), "{steps:#?}");
}

/// One is found by its name in the index of names.
#[tokio::test]
async fn an_operation_is_found_by_its_name() {
    let fixture = Fixture::open().await;
    let steps = plan(&fixture, sql::VERSION_OF).await;
    let by_name =
        |step: &String| step.contains("operations") && step.contains("source=? AND number=?");
    assert!(steps.iter().any(by_name), "{steps:#?}");
}

/// What is to be told comes off the index, however much there is.
#[tokio::test]
async fn news_is_read_in_the_order_in_which_it_is_due() {
    let fixture = Fixture::open().await;
    let steps = plan(&fixture, sql::NEWS).await;
    let wanted = [
        "SCAN o USING INDEX outbox_by_due",
        "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)",
    ];
    assert_eq!(steps, wanted);
}

/// A page at either end of the timeline passes over no more of the arrivals than lie behind it.
#[tokio::test]
async fn pages_of_the_timeline_step_into_the_arrivals() {
    let fixture = Fixture::open().await;
    for (statement, bound) in [(sql::TIMELINE_AFTER, ">"), (sql::TIMELINE_BEFORE, "<")] {
        let steps = plan(&fixture, statement).await;
        let wanted = format!("SEARCH a USING INTEGER PRIMARY KEY (rowid{bound}?)");
        assert!(steps.contains(&wanted), "{steps:#?}");
    }
}

#[tokio::test]
async fn heads_take_one_step_into_the_key_for_each_lane() {
    let fixture = Fixture::open().await;
    let steps = plan(&fixture, sql::FILED_HEADS).await;
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
