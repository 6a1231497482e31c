//! Who has joined in the dialect of automerge-repo: a peer that joins again, by another socket, takes the place of the first.
//!
//! What a peer is called is its own word, and others hear it. So a name counts only within a workspace and for one user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::Author;
use protocol::automerge::PeerId;
use tokio_util::sync::CancellationToken;

/// The peers that are here. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joins(Arc<Mutex<HashMap<Joiner, CancellationToken>>>);

/// Who joins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Joiner {
    pub(crate) workspace: Box<str>,
    pub(crate) user: Option<Author>,
    pub(crate) peer: PeerId,
}

/// The place of a peer, which is free again once this is dropped.
#[derive(Debug)]
pub(crate) struct Joined {
    joins: Joins,
    joiner: Joiner,
    /// Is cancelled when the same peer joins again.
    replaced: CancellationToken,
}

impl Joins {
    /// Takes the place of a peer, and has the connection closed that had it.
    pub(crate) fn join(&self, joiner: Joiner) -> Joined {
        let replaced = CancellationToken::new();
        let before = self.joiners().insert(joiner.clone(), replaced.clone());
        if let Some(before) = before {
            before.cancel();
        }
        Joined {
            joins: self.clone(),
            joiner,
            replaced,
        }
    }

    /// No operation leaves it half changed.
    fn joiners(&self) -> MutexGuard<'_, HashMap<Joiner, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Joined {
    /// Is cancelled when the same peer joins again.
    pub(crate) fn replaced(&self) -> CancellationToken {
        self.replaced.clone()
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if !self.replaced.is_cancelled() {
            self.joins.joiners().remove(&self.joiner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joiner(workspace: &str) -> Joiner {
        Joiner {
            workspace: workspace.into(),
            user: None,
            peer: PeerId("peer".into()),
        }
    }

    #[test]
    fn the_last_to_join_has_the_place() {
        let joins = Joins::default();
        let (first, elsewhere) = (joins.join(joiner("a")), joins.join(joiner("b")));
        let second = joins.join(joiner("a"));
        assert!(first.replaced().is_cancelled());
        drop(first);
        assert!(!elsewhere.replaced().is_cancelled() && !second.replaced().is_cancelled());
        let third = joins.join(joiner("a"));
        assert!(second.replaced().is_cancelled());
        drop((second, third, elsewhere));
        assert!(joins.joiners().is_empty());
    }
}
