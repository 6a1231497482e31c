//! What the writer can be asked, and how it answers.

use std::time::Duration;

use bytes::Bytes;
use engine::{Change, DocumentKey, Gist, Kind, PayloadHash, Quarantined, ReplicaId, Snapshot};
use tokio::sync::oneshot;

use crate::lease::Holder;
use crate::news::Told;
use crate::revocation::{Revocation, RevocationEntry};
use crate::store::{AppendRefused, Description, StoreError};
use crate::ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};

/// Where an answer goes. A caller that no longer waits is no reason to stop.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// An answer that is held back until the commit, and is replaced by its failure.
pub(super) type HeldAnswer = Box<dyn FnOnce(Option<&StoreError>) + Send>;

/// What the writer can be asked.
#[derive(Debug)]
pub(super) enum Request {
    /// Store changes of one document.
    Append(DocumentKey, Kind, Vec<Change>, Reply<()>),
    /// Store changes of several documents, all or none.
    AppendAll(
        Vec<(DocumentKey, Kind, Vec<Change>)>,
        Reply<Result<(), AppendRefused>>,
    ),
    /// Create a document.
    Create(DocumentKey, Kind, Reply<Description>),
    /// Create a document with its first changes.
    CreateWith(DocumentKey, Kind, Vec<Change>, Reply<()>),
    /// Delete a document.
    Delete(DocumentKey, Reply<bool>),
    /// Hand out a replica id.
    NewReplica(Reply<ReplicaId>),
    /// Hold a replica id for a while.
    Hold(ReplicaId, Holder, Duration, Reply<()>),
    /// Prove that a commit is possible.
    Check(Reply<()>),
    /// Write a snapshot, and answer with its number.
    PutSnapshot(Snapshot, Reply<i64>),
    /// Remove a snapshot that did not read back.
    RemoveSnapshot(i64, Reply<()>),
    /// Remove the snapshots of a document that newer ones make superfluous.
    ThinSnapshots(DocumentKey, Reply<()>),
    /// Keep a document's gist.
    KeepGist(Gist, Reply<bool>),
    /// Keep a payload out of its document.
    Quarantine(Quarantined, Reply<()>),
    /// Let a payload into its document again.
    ForgetQuarantined(DocumentKey, PayloadHash, Reply<bool>),
    /// Take out news that was told.
    Told(DocumentKey, Told, Reply<()>),
    /// Tell news later.
    PutOff(DocumentKey, Duration, Reply<()>),
    /// Take something away before it expires.
    Revoke(Revocation, Reply<RevocationEntry>),
    /// Lift a revocation.
    LiftRevocation(u64, Reply<bool>),
    /// Keep a ticket.
    KeepTicket(NewTicket, TicketBounds, Reply<TicketKept>),
    /// Use a ticket up.
    UseTicket(TicketHash, Reply<Option<Bytes>>),
    /// Take a duty, or go on with it.
    TakeDuty(String, Holder, Duration, Reply<bool>),
}

impl Request {
    /// Answers with an error.
    pub(super) fn fail(self, error: &StoreError) {
        match self {
            Self::Append(.., reply)
            | Self::CreateWith(.., reply)
            | Self::Told(.., reply)
            | Self::PutOff(.., reply)
            | Self::Hold(.., reply)
            | Self::Check(reply)
            | Self::RemoveSnapshot(_, reply)
            | Self::ThinSnapshots(_, reply)
            | Self::Quarantine(_, reply) => fail(reply, error),
            Self::AppendAll(_, reply) => fail(reply, error),
            Self::Create(.., reply) => fail(reply, error),
            Self::Delete(_, reply)
            | Self::KeepGist(_, reply)
            | Self::ForgetQuarantined(.., reply)
            | Self::LiftRevocation(_, reply)
            | Self::TakeDuty(.., reply) => fail(reply, error),
            Self::KeepTicket(.., reply) => fail(reply, error),
            Self::UseTicket(_, reply) => fail(reply, error),
            Self::Revoke(_, reply) => fail(reply, error),
            Self::NewReplica(reply) => fail(reply, error),
            Self::PutSnapshot(_, reply) => fail(reply, error),
        }
    }
}

fn fail<T>(reply: Reply<T>, error: &StoreError) {
    // The caller may have stopped waiting.
    let _ = reply.send(Err(error.clone()));
}
