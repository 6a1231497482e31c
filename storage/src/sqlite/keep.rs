//! Keeping snapshots: writing one, taking back one that did not read back, and letting old ones go.

use engine::{DocumentKey, Dot, Snapshot};

use super::batch::{Batch, Stop};
use super::sql;
use crate::numbers::signed;
use crate::store::StoreError;
use crate::thinning::superfluous;

impl Batch<'_> {
    /// Writes a snapshot and gives its number.
    pub(super) async fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<i64, Stop> {
        let document = self.living(&snapshot.document, snapshot.kind).await?;
        let document = document.ok_or(StoreError::SnapshotAhead)?;
        self.insert_pending().await?;
        let mut through = 0;
        for head in snapshot.clock.heads() {
            // Orders grow along a lane, so its head stands last of all that the snapshot covers of it.
            through = through.max(self.order(document, head).await?);
        }
        let inserted = sqlx::query(sql::INSERT_SNAPSHOT)
            .bind(document)
            .bind(through)
            .bind(signed(snapshot.clock.count()))
            .bind(snapshot.clock.to_bytes())
            .bind(&*snapshot.state)
            .bind(snapshot.checksum())
            .execute(self.database().await?)
            .await?;
        Ok(inserted.last_insert_rowid())
    }

    /// The order of a change that must be stored.
    async fn order(&mut self, document: i64, dot: Dot) -> Result<i64, Stop> {
        if let Some(order) = self.cache.arrivals.order(document, dot) {
            return Ok(order);
        }
        sqlx::query_scalar(sql::FILED_ORDER)
            .bind(document)
            .bind(dot.replica.0)
            .bind(signed(dot.counter))
            .fetch_optional(self.database().await?)
            .await?
            .ok_or_else(|| StoreError::SnapshotAhead.into())
    }

    pub(super) async fn remove_snapshot(&mut self, id: i64) -> Result<(), Stop> {
        sqlx::query("DELETE FROM snapshots WHERE id = ?1")
            .bind(id)
            .execute(self.database().await?)
            .await?;
        Ok(())
    }

    /// Removes the snapshots that newer ones make superfluous.
    pub(super) async fn thin_snapshots(&mut self, document: &DocumentKey) -> Result<(), Stop> {
        let id = self.known(document).await?.map(|known| known.id);
        let sizes: Vec<(i64, i64)> = sqlx::query_as(sql::SNAPSHOT_SIZES)
            .bind(id)
            .fetch_all(self.database().await?)
            .await?;
        let sizes = sizes.into_iter();
        let sizes: Vec<_> = sizes
            .map(|(id, covered)| (id, covered.cast_unsigned()))
            .collect();
        for id in superfluous(&sizes) {
            self.remove_snapshot(id).await?;
        }
        Ok(())
    }
}
