//! The state of an ordered document at a place of its past: gone on to from the nearest snapshot before it.
//!
//! A version is how many operations came before, so it is the index of the timeline as well. The snapshots that sessions keep
//! serve as milestones: a store keeps enough of them that no version is far behind one.

use engine::ordered::{MalformedRecord, State};
use engine::{DocumentKey, Kind, Order};
use storage::{Past, Place, Store, StoreError, load_log};
use thiserror::Error;
use tracing::{error, warn};

use super::content::{Format, RenderError, Rendered};

/// Why there is no state to show.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SeekError {
    /// It is asked of a document whose edits are not in one order.
    #[error("documents of kind {0} have no versions")]
    NotOrdered(Kind),
    /// The document does not have so many operations.
    #[error("version {asked} was asked for, and the document is at {version}")]
    Ahead {
        /// What was asked for.
        asked: u64,
        /// What there is.
        version: u64,
    },
    /// The document was deleted for good, or the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log does not rebuild; the reason is in the server's log.
    #[error("document cannot be rebuilt from the stored operations")]
    Unbuildable,
}

/// A document at one of its versions. One that never was is at 0.
///
/// # Errors
/// There is no such version, or it can not be had.
pub async fn state_at_version(
    store: &dyn Store,
    document: &DocumentKey,
    version: u64,
) -> Result<State, SeekError> {
    let has = operations(store, document).await?;
    if version > has {
        return Err(SeekError::Ahead {
            asked: version,
            version: has,
        });
    }
    state_at(store, document, Place::Index(version)).await
}

/// A document as it was at a time, in milliseconds since the Unix epoch: after the last operation up to then.
///
/// # Errors
/// It can not be had.
pub async fn state_at_time(
    store: &dyn Store,
    document: &DocumentKey,
    wall_ms: u64,
) -> Result<State, SeekError> {
    operations(store, document).await?;
    state_at(store, document, Place::WallMs(wall_ms)).await
}

/// How many operations a document has.
async fn operations(store: &dyn Store, document: &DocumentKey) -> Result<u64, SeekError> {
    match store.describe(document.clone()).await? {
        None => Ok(0),
        Some(it) if it.deleted_ms.is_some() => Err(StoreError::Deleted.into()),
        Some(it) if !it.kind.is_ordered() => Err(SeekError::NotOrdered(it.kind)),
        Some(it) => Ok(it.clock.count()),
    }
}

async fn state_at(
    store: &dyn Store,
    document: &DocumentKey,
    place: Place,
) -> Result<State, SeekError> {
    let last = match place {
        Place::Index(0) => None,
        place => store.find(document.clone(), place).await?,
    };
    state_after(store, document, last).await
}

/// A document after the change of an order; deleted for good or not.
pub(crate) async fn state_after(
    store: &dyn Store,
    document: &DocumentKey,
    last: Option<Order>,
) -> Result<State, SeekError> {
    let Some(last) = last else {
        return Ok(State::default());
    };
    let past = store.load_until(document.clone(), last).await?;
    let from_snapshot = past.snapshot.is_some();
    let unbuildable = match rebuild_apart(past).await {
        Ok(state) => return Ok(state),
        Err(reason) => reason,
    };
    error!(%document, from_snapshot, "ordered document cannot be rebuilt: {unbuildable}");
    if !from_snapshot {
        return Err(SeekError::Unbuildable);
    }
    let log = load_log(store, document, Some(last)).await?;
    rebuild_apart(log).await.map_err(|reason| {
        warn!(%document, "nor from its log alone: {reason}");
        SeekError::Unbuildable
    })
}

/// Rebuilds where it holds nobody up.
async fn rebuild_apart(past: Past) -> Result<State, String> {
    let rebuilt = tokio::task::spawn_blocking(move || rebuild(&past));
    rebuilt.await.unwrap_or_else(|panic| Err(panic.to_string()))
}

fn rebuild(past: &Past) -> Result<State, String> {
    let begun = past.snapshot.as_ref().map(State::of).transpose();
    let begun = begun.map_err(|fault: MalformedRecord| fault.to_string())?;
    let mut state = begun.unwrap_or_default();
    for stored in &past.changes {
        let followed = state.follow(&stored.change);
        followed.map_err(|broken| broken.to_string())?;
    }
    match past.heads.count() {
        heads if heads == state.version => Ok(state),
        heads => Err(format!(
            "{heads} operations are stored, and {} can be read",
            state.version
        )),
    }
}

/// The content of an ordered document after a change, or before any.
pub(super) async fn render(
    store: &dyn Store,
    kind: Kind,
    document: &DocumentKey,
    last: Option<Order>,
    format: Format,
    field: Option<&str>,
) -> Result<Rendered, RenderError> {
    if format == Format::Binary {
        return Err(RenderError::NotBinary(kind));
    }
    let state = state_after(store, document, last).await?;
    let ot_type = state.content.as_ref().map(|content| content.ot_type());
    let holding = ot_type.map_or(kind, |ot_type| ot_type.kind());
    if field.is_some() && holding != Kind::Json0 {
        return Err(RenderError::NoFields(holding));
    }
    let bytes = match format {
        Format::Text => state.text(field),
        Format::Json | Format::Binary => state.json(field),
    };
    Ok(Rendered {
        bytes,
        index: state.version,
        ot_type,
    })
}

impl From<SeekError> for RenderError {
    fn from(error: SeekError) -> Self {
        match error {
            SeekError::Store(error) => Self::Store(error),
            SeekError::NotOrdered(_) | SeekError::Ahead { .. } | SeekError::Unbuildable => {
                Self::Unbuildable
            }
        }
    }
}
