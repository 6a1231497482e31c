//! The connections of a session: where each event goes, encoded once for each dialect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use engine::{Audience, Author, CloseReason, ConnectionId, Event};
use protocol::Dialect;

use crate::outbox::Outbox;
use crate::telemetry::metrics;

/// The members of a document, within the watchdog's reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedMembers(Arc<Mutex<Members>>);

impl SharedMembers {
    /// The members. A panic elsewhere can not leave them half changed, so a poisoned lock is as good as any.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outboxes of a document's connections.
#[derive(Debug, Default)]
pub(crate) struct Members {
    members: HashMap<ConnectionId, Member>,
}

#[derive(Debug)]
struct Member {
    author: Option<Author>,
    dialect: Dialect,
    outbox: Outbox,
}

impl Members {
    pub(super) fn add(
        &mut self,
        connection: ConnectionId,
        author: Option<Author>,
        dialect: Dialect,
        outbox: Outbox,
    ) {
        let member = Member {
            author,
            dialect,
            outbox,
        };
        self.members.insert(connection, member);
    }

    /// Who is behind a connection; none if anonymous.
    pub(super) fn author(&self, connection: ConnectionId) -> Option<Author> {
        self.members.get(&connection)?.author.clone()
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.members.remove(&connection);
    }

    /// Closes a connection once all that waits for it is written.
    pub(super) fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(member) = self.members.remove(&connection) {
            member.outbox.close(reason);
        }
    }

    /// Closes every connection.
    pub(crate) fn close_all(&mut self, reason: CloseReason) {
        self.members
            .drain()
            .for_each(|(_, member)| member.outbox.close(reason));
    }

    /// Lets a connection whose queue was dropped have frames again.
    pub(super) fn resume(&self, connection: ConnectionId) {
        if let Some(member) = self.members.get(&connection) {
            member.outbox.resume();
        }
    }

    /// Puts an event into the outboxes of all whom it is for.
    pub(super) fn send(&self, to: &Audience, event: &Event, shows: Option<u64>) {
        let mut frames = Frames {
            event,
            encoded: Vec::new(),
        };
        match to {
            Audience::One(connection) => self.push(*connection, &mut frames, shows),
            Audience::Among { members, but } => {
                let others = members
                    .iter()
                    .filter(|connection| Some(**connection) != *but);
                others.for_each(|connection| self.push(*connection, &mut frames, shows));
            }
            Audience::AllBut(few) => {
                let others = self
                    .members
                    .keys()
                    .filter(|connection| !few.contains(connection));
                others.for_each(|connection| self.push(*connection, &mut frames, shows));
            }
        }
    }

    fn push(&self, connection: ConnectionId, frames: &mut Frames<'_>, shows: Option<u64>) {
        let Some(member) = self.members.get(&connection) else {
            return;
        };
        let Some(frame) = frames.of(member.dialect) else {
            return;
        };
        if !member.outbox.push(frame, shows) {
            metrics::slow_reader();
        }
    }
}

/// An event in each dialect that was asked for; few enough that a list is the fastest map.
struct Frames<'a> {
    event: &'a Event,
    encoded: Vec<(Dialect, Option<Bytes>)>,
}

impl Frames<'_> {
    fn of(&mut self, dialect: Dialect) -> Option<Bytes> {
        if let Some((_, frame)) = self.encoded.iter().find(|(known, _)| *known == dialect) {
            return frame.clone();
        }
        let frame = dialect.encode(self.event);
        self.encoded.push((dialect, frame.clone()));
        frame
    }
}
