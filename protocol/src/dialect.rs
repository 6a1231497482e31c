//! The wire protocols that are served, as a closed list: whoever adds one is led by the compiler to all that it needs.

use bytes::Bytes;
use engine::{CloseReason, Event, Intent, Kind};

use crate::preflight::Bounds;
use crate::{FrameError, hocuspocus, yjs, ywebsocket};

/// A wire protocol that clients may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// What the npm package `y-websocket` speaks.
    YWebsocket,
    /// What the npm package `@hocuspocus/provider` speaks.
    Hocuspocus,
    /// What the npm package `sharedb` speaks. Its connections read and write it themselves ([`crate::sharedb`]), as its
    /// documents are ordered and neither take intents nor tell events.
    ShareDb,
    /// What the npm package `@automerge/automerge-repo` speaks. Its connections read and write it themselves
    /// ([`crate::automerge`]), because what a client is told depends on what it was told before.
    Automerge,
}

impl Dialect {
    /// The dialect's word, as it stands in addresses and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::YWebsocket => "yjs",
            Self::Hocuspocus => "hocuspocus",
            Self::ShareDb => "sharedb",
            Self::Automerge => "automerge",
        }
    }

    /// The kind of document that the dialect's clients expect; none if they say it when they create one.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::YWebsocket | Self::Hocuspocus => Some(yjs::KIND),
            Self::ShareDb => None,
            Self::Automerge => Some(Kind::Automerge),
        }
    }

    /// Whether its clients count what they sent and is not stored (`engine::Joining::counts`).
    pub fn counts(self) -> bool {
        match self {
            Self::YWebsocket | Self::ShareDb => false,
            Self::Hocuspocus | Self::Automerge => true,
        }
    }

    /// Checks what an intent carries before any library takes it apart ([`crate::preflight`]).
    ///
    /// # Errors
    /// It is malformed or beyond the bounds, with the reason for which its sender is to be closed.
    pub fn check(self, intent: &Intent, bounds: &Bounds) -> Result<(), (CloseReason, FrameError)> {
        match self {
            Self::YWebsocket | Self::Hocuspocus => yjs::check(intent, bounds),
            Self::ShareDb | Self::Automerge => Ok(()),
        }
    }

    /// Whether a client's own push is stored, if an event says no more than that to clients of this dialect. Such answers
    /// are counted where they wait, so that none is ever lost.
    pub fn answer(self, event: &Event) -> Option<bool> {
        match self {
            Self::YWebsocket | Self::ShareDb | Self::Automerge => None,
            Self::Hocuspocus => hocuspocus::answer(event),
        }
    }

    /// Writes an event as one frame, or nothing if clients of this dialect need not hear of it. The address is the one by
    /// which the client has the document on its connection, where it may have several.
    pub fn encode(self, address: &str, event: &Event) -> Option<Bytes> {
        match self {
            Self::YWebsocket => ywebsocket::encode(event),
            Self::Hocuspocus => hocuspocus::encode(address, event),
            Self::ShareDb | Self::Automerge => None,
        }
    }
}
