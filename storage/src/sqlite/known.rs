//! What a batch finds out about documents: from the cache if it can, so that an append to one that was met before asks the
//! database nothing.

use std::collections::BTreeMap;

use engine::{DocumentKey, Kind};

use super::batch::{Batch, Stop};
use super::cache::Known;
use super::operations::KnownOperations;
use super::sql;
use crate::store::StoreError;

impl Batch<'_> {
    /// The number of a document that may be written as `kind`; none if there is none yet.
    pub(super) async fn living(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
    ) -> Result<Option<i64>, Stop> {
        match self.known(document).await? {
            Some(known) if known.deleted => Err(StoreError::Deleted.into()),
            Some(known) if known.kind != kind => Err(StoreError::KindDiffers(known.kind).into()),
            known => Ok(known.map(|known| known.id)),
        }
    }

    /// What is known of a document, if there is or was one.
    pub(super) async fn known(
        &mut self,
        document: &DocumentKey,
    ) -> Result<Option<&mut Known>, Stop> {
        if !self.cache.contains(document) {
            let row = sqlx::query(sql::KNOWN)
                .bind(document.workspace())
                .bind(document.name())
                .fetch_optional(self.database().await?)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let known = Known::read(&row, document)?;
            self.cache.insert(document.clone(), known);
        }
        Ok(self.cache.get_mut(document))
    }

    /// Creates a document that there is not yet, and gives its number.
    pub(super) async fn insert_document(
        &mut self,
        document: DocumentKey,
        kind: Kind,
    ) -> Result<i64, Stop> {
        let inserted = sqlx::query(sql::INSERT_DOCUMENT)
            .bind(document.workspace())
            .bind(document.name())
            .bind(kind.as_str())
            .bind(self.now_ms)
            .execute(self.database().await?)
            .await?;
        let id = inserted.last_insert_rowid();
        let known = Known {
            id,
            kind,
            deleted: false,
            heads: BTreeMap::new(),
            operations: KnownOperations::default(),
        };
        self.cache.insert(document, known);
        self.note_created(id);
        Ok(id)
    }
}
