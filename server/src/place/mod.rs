//! A place in a document's past, as people write it, and the content there. Shared by the REST API and the command line.
//!
//! A place is written as an order number (`42`), as a change (`7.1234`: replica and counter), or as a time
//! (`2026-11-20T09:30:00Z`). [`At::find`] turns it into the last change that belongs to it; [`render`] gives the content
//! after that change. Both read committed changes only.

mod content;
pub use content::{Format, RenderError, Rendered, render};

mod ordered;
pub(crate) use ordered::state_after;
pub use ordered::{SeekError, state_at_time, state_at_version};

mod timestamp;
pub use timestamp::{parse as parse_timestamp, timestamp};

use std::str::FromStr;

use engine::{DocumentKey, Dot, Order, StoredChange};
use storage::{Place, Store, StoreError, TimelinePage};
use thiserror::Error;

/// A place in a document's timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// After all changes that are stored.
    #[default]
    End,
    /// After the last change up to an order.
    Order(Order),
    /// After one change, and all that come before it in the timeline.
    Dot(Dot),
    /// After the last change at or before a time, in milliseconds since the Unix epoch.
    WallMs(u64),
    /// After so many changes; zero is the empty document.
    Index(u64),
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no place in a timeline; give an order number such as 42, a change such as 7.1234, \
     or a time such as 2026-11-20T09:30:00Z"
)]
pub struct BadPlace(pub String);

/// Why a place was not found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FindError {
    /// The document has no such change.
    #[error("document has no change {0}")]
    NoSuchChange(Dot),
    /// The document has fewer changes.
    #[error("document has fewer than {0} changes")]
    FewerChanges(u64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FromStr for At {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        let order = || text.parse().ok().map(|order| Self::Order(Order(order)));
        let dot = || text.parse().ok().map(Self::Dot);
        let time = || timestamp::parse(text).map(Self::WallMs);
        order()
            .or_else(dot)
            .or_else(time)
            .ok_or_else(|| BadPlace(text.to_owned()))
    }
}

impl At {
    /// The last change that belongs to the place; none before the first.
    ///
    /// # Errors
    /// The place names a change that is not there, or the store failed.
    pub async fn find(
        self,
        store: &dyn Store,
        document: &DocumentKey,
    ) -> Result<Option<StoredChange>, FindError> {
        let order = match self {
            Self::End => return Ok(last_before(store, document, None).await?),
            Self::Index(0) => return Ok(None),
            Self::Order(order) => Some(order),
            Self::Dot(dot) => {
                let order = store.find(document.clone(), Place::Dot(dot)).await?;
                Some(order.ok_or(FindError::NoSuchChange(dot))?)
            }
            Self::Index(index) => {
                let order = store.find(document.clone(), Place::Index(index)).await?;
                Some(order.ok_or(FindError::FewerChanges(index))?)
            }
            Self::WallMs(wall_ms) => store.find(document.clone(), Place::WallMs(wall_ms)).await?,
        };
        match order {
            Some(Order(order)) => {
                let behind = Order(order.saturating_add(1));
                Ok(last_before(store, document, Some(behind)).await?)
            }
            None => Ok(None),
        }
    }
}

async fn last_before(
    store: &dyn Store,
    document: &DocumentKey,
    behind: Option<Order>,
) -> Result<Option<StoredChange>, StoreError> {
    let page = TimelinePage::Before(behind, 1);
    Ok(store.timeline(document.clone(), page).await?.pop())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::ReplicaId;

    #[test]
    fn a_place_is_an_order_a_change_or_a_time() {
        assert_eq!("42".parse(), Ok(At::Order(Order(42))));
        assert_eq!("7.1234".parse(), Ok(At::Dot(Dot::new(ReplicaId(7), 1234))));
        assert_eq!("1970-01-01T00:00:01.5Z".parse(), Ok(At::WallMs(1_500)));
        assert_eq!("1970-01-01T02:00:00+02:00".parse(), Ok(At::WallMs(0)));
        for text in ["", "-1", "yesterday", "7.", "7.1.2", "2026-11-20"] {
            assert_eq!(text.parse::<At>(), Err(BadPlace(text.to_owned())));
        }
    }
}
