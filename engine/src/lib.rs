//! The pure core of Quire: what a document *is*, without a socket, disk, clock, task or random number in sight.
//!
//! A [`Document`] is a machine with two verbs. It is given an [`Input`] and appends to [`Effects`]; whoever drives it
//! performs the effects and answers with further inputs. Time ([`Now`]) and every fresh identity are arguments, so the
//! same inputs always give the same bytes, and whole clusters can be simulated from a seed.
//!
//! Read in this order: [`Change`] (the durable unit) with its [`Dot`] and [`VectorClock`]; [`Content`] (the engine of
//! each kind of document that merges: Yjs, Automerge); [`Presence`] (who is here); then [`Document`], which holds them together
//! and decides when an edit may be shown, when it may be acknowledged, and when the document may be put away.
//! [`history`] turns a log of changes back into content at any point. [`ot`] has the types of operational transform, of which
//! no document is made yet.

#![forbid(unsafe_code)]

mod change;
pub use change::{Change, ChangeKind, MalformedPayload, StoredChange, UpdateList};

mod checksum;

mod clock;
pub use clock::{ClockOrder, MalformedClock, VectorClock};

mod content;
pub use content::{
    AutomergeChange, AutomergeContent, Brings, Content, ContentError, GoingOn, Writer, YjsContent,
};

mod document;
pub use document::{
    Audience, CloseReason, Document, Effect, Effects, Event, Input, Intent, Joining, Limits,
    Loaded, Phase, PushTag, WriterPolicy,
};

mod dot;
pub use dot::{Dot, Order, ReplicaId};

mod gist;
pub use gist::Gist;

mod grant;
pub use grant::{
    Access, Capabilities, Capability, Grant, Pattern, Rights, Rule, UnknownCapability,
};

pub mod history;

mod limit;
pub use limit::Limit;

mod names;
pub use names::{
    Author, ConnectionId, DocumentKey, Kind, NAME_BYTES_MAX, NameError, UnknownKind, check_name,
};

mod number;

pub mod ordered;

pub mod ot;

mod presence;
pub use presence::{
    Presence, PresenceDropped, PresenceEntry, PresenceId, PresenceLimits, PresenceNotice,
    PresenceRoll, RollHeard,
};

mod quarantine;
pub use quarantine::{MalformedHash, PayloadHash, Quarantined};

mod replay;
pub use replay::Piece;

mod roll_call;

mod roster;
pub use roster::{PresenceName, RosterLimits, RosterNotice, RosterWord};

mod sabotage;
#[cfg(feature = "sabotage")]
pub use sabotage::Bug;

mod snapshot;
pub use snapshot::{Snapshot, SnapshotMismatch};

mod time;
pub use time::{Hlc, HlcClock, Now};
