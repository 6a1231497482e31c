//! What an application has yet to be told of documents: that one was created, changed, deleted.
//!
//! A store keeps it beside the changes, and writes both in one transaction: no crash comes between them. There is one entry
//! for a document however often it changes, so an application that does not listen for a year costs one row for each
//! document that was touched.

use engine::{Author, DocumentKey, Kind, Order};

/// Which news a store keeps, and for how long it waits for company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewsHabit {
    /// That documents are created.
    pub created: bool,
    /// That they change.
    pub changed: bool,
    /// That they are deleted.
    pub deleted: bool,
    /// How long news waits for what may come soon after.
    pub debounce_ms: u64,
    /// How long it waits at most while more keeps coming.
    pub debounce_max_ms: u64,
}

/// What is to be told of one document. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The document.
    pub document: DocumentKey,
    /// Its kind.
    pub kind: Kind,
    /// When it was created, if that is to be told.
    pub created_ms: Option<u64>,
    /// The last change, if that is to be told.
    pub changed: Option<Changed>,
    /// When it was deleted, if that is to be told.
    pub deleted_ms: Option<u64>,
    /// In how long it is to be told, in milliseconds; negative once that time has passed. By the store's own clock: those of
    /// nodes may differ.
    pub due_in_ms: i64,
    /// How often that failed.
    pub attempts: u32,
}

/// The last of a document's changes that nobody was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its place in the timeline: whoever is told has been told of all changes up to it.
    pub through: Order,
    /// When it was stored, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who made it; none if anonymous.
    pub author: Option<Author>,
}

/// What was told of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// That it was created.
    Created,
    /// That it changed, up to and including a place in the timeline. Later changes are news still.
    Changed(Order),
    /// That it was deleted.
    Deleted,
}

impl NewsHabit {
    /// When news is due that begins to wait now.
    pub(crate) fn due(self, since_ms: u64, now_ms: u64) -> u64 {
        (now_ms + self.debounce_ms).min(since_ms + self.debounce_max_ms)
    }
}

impl Told {
    /// The place in the timeline, if it tells of one.
    pub(crate) fn through(self) -> Option<Order> {
        match self {
            Self::Changed(through) => Some(through),
            Self::Created | Self::Deleted => None,
        }
    }
}
