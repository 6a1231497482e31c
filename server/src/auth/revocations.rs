//! What was taken away before it expired, at hand for every check. The store has it too, and had it first.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use engine::{Author, DocumentKey};
use storage::{Revocation, RevocationEntry, Revoked, Store, StoreError};
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::warn;

use super::Pass;

/// All revocations.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    known: RwLock<Known>,
    /// Held from asking the store until its answer is at hand, so that an older answer never takes a newer one's place. The
    /// era of the store in which that was done last.
    asking: Mutex<Option<u64>>,
}

#[derive(Debug, Default)]
struct Known {
    /// In the order in which they were made.
    entries: Vec<RevocationEntry>,
    /// Until when what was issued to a user is revoked, in milliseconds since the Unix epoch.
    users: HashMap<Author, u64>,
    /// The same of tokens by their ids.
    tokens: HashMap<Box<str>, u64>,
    /// The same of what was issued for a document.
    documents: HashMap<DocumentKey, u64>,
}

/// Why nothing was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RevokeError {
    /// There are as many as may be.
    #[error("{REVOCATIONS_MAX} revocations are kept already; lift some, or say when they end")]
    TooMany,
    /// The store did not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Revocations {
    /// All that a store keeps.
    pub(super) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let revocations = Self::default();
        revocations.reload(store).await?;
        Ok(revocations)
    }

    /// Takes in what a store keeps by now. True if that is not what was known.
    pub(super) async fn reload(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let mut era = self.asking.lock().await;
        let mut entries = store.revocations().await?;
        let now = store.era();
        if *era != now {
            self.give_back(store, &mut entries).await?;
            *era = now;
        }
        let is_news = entries != self.list();
        if is_news {
            self.with(|known| known.entries = entries);
        }
        Ok(is_news)
    }

    /// Has the store keep again what it may have lost in a failover: what is known here and is not among its entries. What was
    /// lifted at that moment is back as well.
    async fn give_back(
        &self,
        store: &dyn Store,
        entries: &mut Vec<RevocationEntry>,
    ) -> Result<(), StoreError> {
        let known = self.list().into_iter().map(|entry| entry.revocation);
        let is_lost = |revocation: &Revocation| {
            let mut kept = entries.iter().map(|entry| &entry.revocation);
            !kept.any(|it| it.revoked == revocation.revoked && it.at_ms >= revocation.at_ms)
        };
        let lost: Vec<_> = known.filter(is_lost).collect();
        for revocation in lost {
            warn!("the store has lost a revocation, and is given it again");
            store.revoke(revocation).await?;
            *entries = store.revocations().await?;
        }
        Ok(())
    }

    /// Keeps a revocation, and applies it once it is kept.
    pub(super) async fn add(
        &self,
        store: &dyn Store,
        revocation: Revocation,
    ) -> Result<RevocationEntry, RevokeError> {
        let now_ms = revocation.at_ms;
        if self.counts(&revocation) >= REVOCATIONS_MAX {
            return Err(RevokeError::TooMany);
        }
        let _asking = self.asking.lock().await;
        let entry = store.revoke(revocation).await?;
        self.with(|known| {
            known.entries.retain(|it| {
                let until_ms = it.revocation.until_ms;
                it.number != entry.number && until_ms.is_none_or(|until| until > now_ms)
            });
            let at = known.entries.partition_point(|it| it.number < entry.number);
            known.entries.insert(at, entry.clone());
        });
        Ok(entry)
    }

    /// Lifts a revocation. False if there is none of that number.
    pub(super) async fn lift(&self, store: &dyn Store, number: u64) -> Result<bool, StoreError> {
        let _asking = self.asking.lock().await;
        let lifted = store.lift_revocation(number).await?;
        self.with(|known| known.entries.retain(|it| it.number != number));
        Ok(lifted)
    }

    /// All of them, the oldest first.
    pub(super) fn list(&self) -> Vec<RevocationEntry> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.entries.clone()
    }

    /// Whether a pass was taken away; for a document, if one is named.
    pub(super) fn cover(&self, pass: &Pass, document: Option<&DocumentKey>) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let user = pass.grant.principal.as_ref();
        let revoked = [
            user.and_then(|user| known.users.get(user)),
            pass.token_id.as_ref().and_then(|id| known.tokens.get(id)),
            document.and_then(|document| known.documents.get(document)),
        ];
        let covers = |until_ms: &u64| pass.issued_ms.is_none_or(|issued| issued <= *until_ms);
        revoked.into_iter().flatten().any(covers)
    }

    /// How many there would be besides this one.
    fn counts(&self, revocation: &Revocation) -> usize {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let stay = known.entries.iter().filter(|it| {
            let it = &it.revocation;
            let is_over = it.until_ms.is_some_and(|until| until <= revocation.at_ms);
            it.revoked != revocation.revoked && !is_over
        });
        stay.count()
    }

    /// Changes the entries, and what is at hand of them.
    fn with(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        known.index();
    }
}

impl Known {
    fn index(&mut self) {
        self.users.clear();
        self.tokens.clear();
        self.documents.clear();
        for RevocationEntry { revocation, .. } in &self.entries {
            let at_ms = revocation.at_ms;
            match revocation.revoked.clone() {
                Revoked::User(user) => self.users.insert(user, at_ms),
                Revoked::Token(id) => self.tokens.insert(id, at_ms),
                Revoked::Document(document) => self.documents.insert(document, at_ms),
            };
        }
    }
}

/// Each takes some hundred bytes. Forgetting one that has not ended would let somebody in again, so at the bound there are
/// no more.
const REVOCATIONS_MAX: usize = 100_000;
