//! The timeline of a document, paged both ways.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::{Capability, Order, StoredChange};
use serde::Deserialize;
use storage::TimelinePage;

use super::caller::Caller;
use super::cursor::{Side, cut};
use super::existing;
use super::model::{Change, ChangePage};
use super::request::{DocumentName, DocumentPath, Parameters, bad_cursor, flag, limit};
use crate::http::App;
use crate::http::problem::Problem;

/// Which part of the timeline to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How many at most; 50 if not said.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Where to go on: the `next_cursor` or `prev_cursor` of a page in the same direction.
    cursor: Option<String>,
    /// `forward` from the oldest, which is the default, or `backward` from the newest.
    #[param(example = "backward")]
    direction: Option<String>,
    /// `true` to have the operations of an ordered document themselves, as received and as committed.
    #[param(value_type = Option<bool>)]
    payloads: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// Lists the changes of a document.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/changes",
    operation_id = "listChanges",
    security(("bearer" = ["history"])),
    params(DocumentPath, ListQuery),
    responses(
        (status = 200, description = "A page of changes", body = ChangePage),
        (status = 400, description = "A parameter cannot be read"),
        (status = 404, description = "There never was such a document"),
        (status = 410, description = "The document was deleted"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<ChangePage>, Problem> {
    caller.may(&key, Capability::History)?;
    let limit = limit(query.limit.as_deref())?;
    let direction = Direction::read(query.direction.as_deref())?;
    let has_payloads = flag("payloads", query.payloads.as_deref())?;
    let cursor = query
        .cursor
        .map(|cursor| Side::read(&cursor).ok_or_else(bad_cursor))
        .transpose()?;
    existing(&app, &key).await?;
    let found = app
        .store
        .timeline(key, page(cursor, direction, limit))
        .await?;
    Ok(Json(
        Window::cut(found, cursor, direction, limit).list(direction, has_payloads),
    ))
}

impl Direction {
    fn read(word: Option<&str>) -> Result<Self, Problem> {
        match word {
            None | Some("forward") => Ok(Self::Forward),
            Some("backward") => Ok(Self::Backward),
            Some(other) => {
                let detail = format!("direction is {other:?}, expected forward or backward");
                Err(Problem::bad_request("invalid_direction", detail))
            }
        }
    }
}

/// What to ask the store for: one more than the page, to see whether it goes on.
fn page(cursor: Option<Side>, direction: Direction, limit: usize) -> TimelinePage {
    match (cursor, direction) {
        (Some(Side::After(order)), _) => TimelinePage::After(order, limit + 1),
        (Some(Side::Before(order)), _) => TimelinePage::Before(Some(order), limit + 1),
        (None, Direction::Forward) => TimelinePage::After(Order(0), limit + 1),
        (None, Direction::Backward) => TimelinePage::Before(None, limit + 1),
    }
}

/// A stretch of the timeline, oldest first, and how to go on at both of its ends.
struct Window {
    changes: Vec<StoredChange>,
    older: Option<Side>,
    newer: Option<Side>,
}

impl Window {
    /// Cuts what the store found to a page. There are further changes on the side that the store was asked to walk to if
    /// it found one too many, and on the side that it came from if it came from somewhere.
    fn cut(
        mut found: Vec<StoredChange>,
        cursor: Option<Side>,
        direction: Direction,
        limit: usize,
    ) -> Self {
        let more = cut(&mut found, limit);
        let walked_back = match cursor {
            Some(side) => matches!(side, Side::Before(_)),
            None => direction == Direction::Backward,
        };
        if walked_back {
            found.reverse();
        }
        let (first, last) = ends(&found, cursor);
        let came_from = cursor.is_some();
        let (has_older, has_newer) = if walked_back {
            (more, came_from)
        } else {
            (came_from, more)
        };
        Self {
            older: first.map(Side::Before).filter(|_| has_older),
            newer: last.map(Side::After).filter(|_| has_newer),
            changes: found,
        }
    }

    fn list(self, direction: Direction, has_payloads: bool) -> ChangePage {
        let shown = match has_payloads {
            true => Change::with_payload,
            false => |stored: &_| Change::from(stored),
        };
        let mut items: Vec<_> = self.changes.iter().map(shown).collect();
        let (next, prev) = match direction {
            Direction::Forward => (self.newer, self.older),
            Direction::Backward => {
                items.reverse();
                (self.older, self.newer)
            }
        };
        ChangePage {
            items,
            next_cursor: next.map(Side::cursor),
            prev_cursor: prev.map(Side::cursor),
        }
    }
}

/// The orders between which the way goes on. On an empty page they lie around the cursor, so that no change is passed by.
fn ends(changes: &[StoredChange], cursor: Option<Side>) -> (Option<Order>, Option<Order>) {
    match (changes, cursor) {
        ([first, .., last], _) => (Some(first.order), Some(last.order)),
        ([only], _) => (Some(only.order), Some(only.order)),
        ([], Some(Side::After(Order(order)))) => (Some(Order(order.saturating_add(1))), None),
        ([], Some(Side::Before(Order(order)))) => (None, Some(Order(order.saturating_sub(1)))),
        ([], None) => (None, None),
    }
}
