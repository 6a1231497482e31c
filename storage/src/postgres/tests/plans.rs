//! How Postgres goes about the statements: by an index, never by passing over a table.

use super::Fixture;
use crate::postgres::sql;

/// All that is asked of tables that grow. Where no index serves, not even a planner that is told to avoid it finds another
/// way than passing over the table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_passes_over_the_log() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let statements = [
        sql::APPEND,
        sql::APPEND_WITH_NEWS,
        sql::APPEND_OPERATIONS,
        sql::PLACES,
        sql::STORED,
        sql::LOCK_DOCUMENT,
        sql::DELETE_DOCUMENT,
        sql::HEADS_OF_LANES,
        sql::CHANGES_OF_DOTS,
        sql::OPEN,
        sql::OLDER_SNAPSHOT,
        sql::CHANGES,
        sql::HEADS,
        sql::HEADS_OF,
        sql::STANDINGS,
        sql::DESCRIBE,
        sql::DOCUMENTS,
        sql::DOT_OF_VERSION,
        sql::LAST_VERSION,
        sql::KNOWN_NAME,
        sql::INSERT_OPERATIONS,
        sql::OPERATIONS,
        sql::LANE,
        sql::TIMELINE_AFTER,
        sql::TIMELINE_BEFORE,
        sql::FIND_DOT,
        sql::FIND_INDEX,
        sql::FIND_WALL,
        sql::ORDERS,
        sql::SNAPSHOT,
        sql::SNAPSHOT_SIZES,
        sql::ADD_NEWS,
        sql::TOLD,
        sql::LEASES,
    ];
    for statement in statements {
        let count = (1..)
            .take_while(|it| statement.contains(&format!("${it}")))
            .count();
        let arguments = match vec!["NULL"; count].join(", ") {
            none if none.is_empty() => none,
            some => format!("({some})"),
        };
        let plan = fixture.meddle(&format!(
            "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
             PREPARE asked AS {statement}; EXPLAIN (COSTS OFF) EXECUTE asked{arguments}"
        ));
        assert!(!plan.contains("Seq Scan"), "{statement}\n{plan}");
        let is_timeline = statement == sql::TIMELINE_AFTER || statement == sql::CHANGES;
        let sorts_the_log = is_timeline && plan.contains("->  Sort");
        assert!(!sorts_the_log, "{statement}\n{plan}");
    }
}
