//! Why somebody is not let in. The texts are for whoever shows the token: they say what is wrong with it, and nothing else.

use engine::{Capability, CloseReason};
use thiserror::Error;

use super::token::Fault;

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// They show nothing.
    #[error("a token is needed")]
    Missing,
    /// What they show is no token, or none that is good here.
    #[error(transparent)]
    Bad(Box<Fault>),
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// The ticket was used, has expired, or never was one.
    #[error("the ticket was used already, has expired or is none; ask for another")]
    BadTicket,
    /// It was taken away.
    #[error("the token was revoked")]
    Revoked,
    /// Whoever decides says no, in their words.
    #[error("whoever decides who is let in says no: {0}")]
    Denied(Box<str>),
    /// Whoever decides does not answer, or what is needed to decide cannot be had just now.
    #[error("whoever decides who is let in does not answer; try again later")]
    Unavailable,
    /// It does not allow this.
    #[error("the token does not allow this: it lacks {0}")]
    Forbidden(Capability),
}

impl Refusal {
    /// The reason for which a connection is closed.
    pub fn close_reason(&self) -> CloseReason {
        match self {
            Self::Expired => CloseReason::Expired,
            Self::Missing | Self::Bad(_) | Self::BadTicket | Self::Denied(_) => {
                CloseReason::Unauthorized
            }
            Self::Unavailable => CloseReason::NotReady,
            Self::Revoked => CloseReason::Revoked,
            Self::Forbidden(_) => CloseReason::Forbidden,
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Expired => Self::Expired,
            fault => Self::Bad(Box::new(fault)),
        }
    }
}
