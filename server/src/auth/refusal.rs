//! Why somebody is not let in. The texts are for whoever shows the token: they say what is wrong with it, and nothing else.

use engine::{Capability, CloseReason};
use thiserror::Error;

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It does not allow this.
    #[error("the token does not allow this: it lacks {0}")]
    Forbidden(Capability),
}

impl Refusal {
    /// The reason for which a connection is closed.
    pub fn close_reason(&self) -> CloseReason {
        match self {
            Self::Forbidden(_) => CloseReason::Forbidden,
        }
    }
}
