//! The connections of a session: where each event goes, encoded once for each dialect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Audience, Author, CloseReason, ConnectionId, Event};
use protocol::Dialect;
use protocol::websocket::Frame;

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
pub struct Members {
    members: HashMap<ConnectionId, Member>,
    /// A large frame that some still wait for: whoever asks for the same is given the same.
    large: Option<Large>,
}

/// The frame of an event that carries much.
#[derive(Debug)]
struct Large {
    event: Event,
    dialect: Dialect,
    frame: Frame,
}

#[derive(Debug)]
struct Member {
    author: Option<Author>,
    dialect: Dialect,
    outbox: Outbox,
}

impl Members {
    /// Takes a connection in.
    pub fn add(
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
    pub fn send(&mut self, to: &Audience, event: &Event, shows: Option<u64>) {
        // What nobody waits for any more is not kept.
        self.large.take_if(|large| large.frame.is_unique());
        let mut frames = Frames {
            event,
            encoded: self.known(event).into_iter().collect(),
        };
        self.send_to(to, &mut frames, shows);
        if let Some((dialect, Some(frame))) = frames.encoded.pop()
            && frame.length() >= LARGE_BYTES
        {
            let event = event.clone();
            self.large = Some(Large {
                event,
                dialect,
                frame,
            });
        }
    }

    /// The frame of an event, if it is the large one.
    fn known(&self, event: &Event) -> Option<(Dialect, Option<Frame>)> {
        let large = self.large.as_ref()?;
        let same = is_same(&large.event, event);
        same.then(|| (large.dialect, Some(large.frame.clone())))
    }

    fn send_to(&self, to: &Audience, frames: &mut Frames<'_>, shows: Option<u64>) {
        match to {
            Audience::One(connection) => self.push(*connection, frames, shows),
            Audience::Among(members) => {
                let members = members.iter();
                members.for_each(|connection| self.push(*connection, frames, shows));
            }
            Audience::AllBut(few) => {
                let others = self
                    .members
                    .keys()
                    .filter(|connection| !few.contains(connection));
                others.for_each(|connection| self.push(*connection, frames, shows));
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

/// Whether two events are of one kind and carry the very same bytes, without looking at those.
fn is_same(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::Missing { payload: a }, Event::Missing { payload: b })
        | (Event::Change { payload: a }, Event::Change { payload: b }) => {
            a.as_ptr() == b.as_ptr() && a.len() == b.len()
        }
        _ => false,
    }
}

/// An event in each dialect that was asked for; few enough that a list is the fastest map.
struct Frames<'a> {
    event: &'a Event,
    encoded: Vec<(Dialect, Option<Frame>)>,
}

impl Frames<'_> {
    fn of(&mut self, dialect: Dialect) -> Option<Frame> {
        if let Some((_, frame)) = self.encoded.iter().find(|(known, _)| *known == dialect) {
            return frame.clone();
        }
        let frame = dialect.encode(self.event).map(Frame::binary);
        self.encoded.push((dialect, frame.clone()));
        frame
    }
}

/// A frame that is worth keeping for others.
const LARGE_BYTES: usize = 64 * 1024;
