//! The latest changes that are not filed: what they add to the description of a document, whose filed part is read beside
//! them.

use std::collections::HashMap;

use engine::{Dot, Hlc, ReplicaId, VectorClock};
use sqlx::SqliteConnection;

use super::sql;
use crate::store::Description;

/// The last change of each lane among the arrivals, by documents.
pub(super) struct Latest {
    heads: HashMap<i64, Vec<Head>>,
}

struct Head {
    dot: Dot,
    order: i64,
    hlc: Hlc,
}

/// Document, replica, counter, order, timestamp.
type Row = (i64, u32, i64, i64, i64);

impl Latest {
    /// Those of one document.
    pub(super) async fn of(
        reading: &mut SqliteConnection,
        document: i64,
    ) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query_as(sql::LATEST_ARRIVALS_OF).bind(document);
        Ok(Self::by_document(rows.fetch_all(reading).await?))
    }

    /// Those of all documents.
    pub(super) async fn of_all(reading: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query_as(sql::LATEST_ARRIVALS);
        Ok(Self::by_document(rows.fetch_all(reading).await?))
    }

    fn by_document(rows: Vec<Row>) -> Self {
        let mut heads: HashMap<_, Vec<_>> = HashMap::new();
        for (document, replica, counter, order, hlc) in rows {
            heads.entry(document).or_default().push(Head {
                dot: Dot::new(ReplicaId(replica), counter.cast_unsigned()),
                order,
                hlc: Hlc(hlc.cast_unsigned()),
            });
        }
        Self { heads }
    }

    /// Completes the heads of what is filed.
    pub(super) fn add_heads(&self, document: i64, clock: &mut VectorClock) {
        let heads = self.heads.get(&document).into_iter().flatten();
        heads.for_each(|head| clock.observe(head.dot));
    }

    /// Completes what is known of a document by what is filed.
    pub(super) fn add(&self, document: i64, description: &mut Description) {
        let Some(heads) = self.heads.get(&document) else {
            return;
        };
        self.add_heads(document, &mut description.clock);
        // Nothing of a document stands after its last arrival.
        let last = heads.iter().max_by_key(|head| head.order);
        description.changed_ms = last.map(|head| head.hlc.wall_ms());
    }
}
