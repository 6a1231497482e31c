//! What a document holds, in a form that is equal for equal content, whoever holds it and however it came.

use automerge::{AutoSerde, Automerge};
use engine::{Content, Kind};
use protocol::automerge::ChangeHash;

use super::canonical::Canonical;
use super::checks::{Check, Found, Violation};
use super::edits;

/// The form of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Of a Yjs document.
    Yjs(Canonical),
    /// Of an Automerge document.
    Automerge(Changes),
}

/// What an Automerge document holds: each change once, and what all of them come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changes {
    /// In order.
    hashes: Vec<ChangeHash>,
    heads: Vec<ChangeHash>,
    view: String,
}

impl Form {
    /// Of what a node holds.
    pub(super) fn of_content(kind: Kind, content: &Content) -> Found<Self> {
        let update = content.update().map_err(unreadable)?;
        if kind != Kind::Automerge {
            let read = |root: &str| content.json(Some(root)).unwrap_or_default();
            let canonical = Canonical::new(&update, &edits::view(read));
            return canonical.map(Self::Yjs).map_err(unreadable);
        }
        let changes = engine::AutomergeContent::changes_of(&update).map_err(unreadable)?;
        let mut hashes: Vec<_> = changes
            .iter()
            .map(|change| ChangeHash(change.hash))
            .collect();
        hashes.sort_unstable();
        let have = content.have(std::iter::empty());
        Ok(Self::Automerge(Changes {
            hashes,
            heads: have.as_chunks().0.iter().copied().map(ChangeHash).collect(),
            view: content.json(None).map_err(unreadable)?.to_string(),
        }))
    }

    /// Of what an Automerge client holds.
    pub(super) fn of_automerge(doc: &Automerge) -> Found<Self> {
        let changes = doc.get_changes_meta(&[]).into_iter();
        let mut hashes: Vec<_> = changes.map(|change| ChangeHash(change.hash.0)).collect();
        let heads = doc.get_heads().into_iter();
        let mut heads: Vec<_> = heads.map(|head| ChangeHash(head.0)).collect();
        hashes.sort_unstable();
        heads.sort_unstable();
        let view = serde_json::to_value(AutoSerde::from(doc)).map_err(unreadable)?;
        Ok(Self::Automerge(Changes {
            hashes,
            heads,
            view: view.to_string(),
        }))
    }

    /// Where two contents first differ, for people.
    pub(super) fn difference(&self, other: &Self) -> String {
        match (self, other) {
            (Self::Yjs(this), Self::Yjs(other)) => this.difference(other),
            (Self::Automerge(this), Self::Automerge(other)) => this.difference(other),
            _ => "they are of different kinds".to_owned(),
        }
    }
}

impl Changes {
    fn difference(&self, other: &Self) -> String {
        let lacking = |of: &Self, all: &Self| -> Vec<_> {
            let lacked = all.hashes.iter().filter(|hash| !of.hashes.contains(hash));
            lacked.copied().collect()
        };
        if self.hashes == other.hashes {
            let (this, other) = ((&self.heads, &self.view), (&other.heads, &other.view));
            return format!("changes are equal, heads and what is seen are {this:?} and {other:?}");
        }
        let (this, other) = (lacking(self, other), lacking(other, self));
        format!("the first lacks {this:?}, the other {other:?}, or one has something twice")
    }
}

fn unreadable(error: impl std::fmt::Display) -> Violation {
    Check::Agreement.failed(error.to_string())
}
