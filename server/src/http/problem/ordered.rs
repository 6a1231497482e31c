//! What goes wrong with ordered documents, as it is told over HTTP.

use axum::http::StatusCode;
use engine::ordered::Misplaced;
use engine::{Capability, CloseReason, Kind};

use super::{Problem, RETRY_AFTER_S};
use crate::ordered::NotMade;
use crate::place::SeekError;

impl Problem {
    /// Something is asked of a document that takes no operations.
    pub(in crate::http) fn not_ordered(kind: Kind) -> Self {
        let detail = format!(
            "documents of kind {kind} take no operations and have no versions; edit them over a socket"
        );
        Self::unprocessable("kind_not_ordered", detail)
    }

    /// What is there is not as it would have to be.
    pub(in crate::http) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail.into())
    }

    /// It is about one item of a list that was sent.
    pub(in crate::http) fn of_item(self, index: usize) -> Self {
        Self {
            detail: format!("operations[{index}]: {}", self.detail).into(),
            item: Some(index),
            ..self
        }
    }

    /// The document can not be had at this moment.
    pub(in crate::http) fn document_unavailable() -> Self {
        Self::retryable(
            "document_unavailable",
            "the document can not be opened just now; try again in a moment",
        )
    }

    /// The store was asked to make an operation, and has not said whether it did.
    pub(in crate::http) fn outcome_unknown() -> Self {
        Self::retryable(
            "outcome_unknown",
            "the store does not answer, and what was sent may be stored or not; where it has a source and a number send it \
             again, else look at the document first",
        )
    }

    /// It may be different in a moment.
    pub(in crate::http) fn retryable(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(RETRY_AFTER_S)
    }
}

impl From<Misplaced> for Problem {
    fn from(why: Misplaced) -> Self {
        let detail = why.to_string();
        match why {
            Misplaced::NotThere => Self::conflict(
                "document_not_created",
                "the document was not created, or an operation deleted it; create it first",
            ),
            Misplaced::Exists => Self::conflict(
                "document_exists",
                "the document was created already; make an operation on its last version",
            ),
            Misplaced::WasDeleted => Self::conflict(
                "document_ended",
                "an operation deleted the document after this version; create it again, or let it be",
            ),
            Misplaced::Ahead { .. } => {
                Self::conflict("version_ahead", format!("version: {detail}"))
            }
            Misplaced::Behind { .. } => Self::conflict(
                "version_behind",
                format!(
                    "version: {detail}; read the document and make the operation on its last version"
                ),
            ),
            Misplaced::NoVersion => {
                Self::unprocessable("invalid_operation", format!("version: {detail}"))
            }
            Misplaced::NameTaken => Self::conflict(
                "operation_known",
                format!("source, number: {detail}; give each operation a number of its own"),
            ),
            Misplaced::Nothing | Misplaced::Unfit(_) => {
                Self::unprocessable("invalid_operation", detail)
            }
        }
    }
}

impl From<NotMade> for Problem {
    fn from(why: NotMade) -> Self {
        match why {
            NotMade::Refused(why) => why.into(),
            NotMade::Forbidden => Self::forbidden(Capability::Write, "this document"),
            NotMade::Closed(reason) => reason.into(),
            NotMade::Unknown => Self::outcome_unknown(),
        }
    }
}

impl From<CloseReason> for Problem {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Deleted => Self::document_deleted(),
            CloseReason::Revoked => Self::token_revoked(),
            CloseReason::Expired => Self::token_expired(),
            CloseReason::Forbidden => Self::forbidden(Capability::Write, "this document"),
            CloseReason::WrongKind => Self::unprocessable(
                "kind_not_ordered",
                "the document takes no operations; edit it over a socket",
            ),
            _ => Self::document_unavailable(),
        }
    }
}

impl From<SeekError> for Problem {
    fn from(error: SeekError) -> Self {
        match error {
            SeekError::Store(error) => error.into(),
            SeekError::NotOrdered(kind) => Self::not_ordered(kind),
            SeekError::Ahead { .. } => {
                Self::new(StatusCode::NOT_FOUND, "change_not_found", error.to_string())
            }
            SeekError::Unbuildable => Self::internal(),
        }
    }
}
