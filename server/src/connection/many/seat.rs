//! The seats of a connection: one for each document that its client has named, and what each is at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use protocol::hocuspocus::{Address, Notice, ping};
use protocol::websocket::Frame;
use tokio::time::Instant;

use super::super::entering::{Guest, Users};
use super::super::mailing::{self, Mailing};
use super::super::{ConnectionLimits, End};
use super::joined::{Entering, Joined};
use super::waiting::{Heard, Waiting};
use crate::hub::Hub;
use crate::outbox::Answers;

/// All documents of a connection.
pub(super) struct Seats {
    pub(super) hub: Hub,
    pub(super) guest: Guest,
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) seats: BTreeMap<Address, Seat>,
    /// What the client is told that comes from no document's outbox.
    pub(super) notices: VecDeque<Frame>,
    /// A mail that waits for room in its mailbox; nothing more is read meanwhile.
    pub(super) mailing: Mailing,
    /// How much waits, at all seats together.
    pub(super) waiting: Waiting,
    pub(super) users: Users,
    /// Whether the client has begun a message that is longer than may wait.
    pub(super) is_withheld: bool,
    /// Whether the client was let into a document, or need not be.
    pub(super) is_known: bool,
    /// Whether it was refused one.
    pub(super) was_denied: bool,
    /// Whether the client is of a version that says so, and that knows of signs of life.
    pub(super) says_version: bool,
    /// How the connection ends once all that was taken is written.
    pub(super) ending: Option<End>,
}

/// A document on a connection.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) state: State,
    /// What came before the client was in, in order.
    pub(super) waiting: VecDeque<Heard>,
    /// What is to be said of edits that no document has seen.
    pub(super) answers: Answers,
}

/// What a seat is at.
#[derive(Default)]
pub(super) enum State {
    /// The client has not said who it is.
    #[default]
    Unknown,
    /// It is being let in, or not.
    Entering(Entering),
    /// It is in.
    Joined(Box<Joined>),
    /// It was not let in, or let go. It may try again.
    Denied,
}

impl Seats {
    pub(super) fn new(hub: Hub, guest: Guest, limits: Arc<ConnectionLimits>) -> Self {
        Self {
            is_known: guest.is_known,
            hub,
            guest,
            limits,
            seats: BTreeMap::new(),
            notices: VecDeque::new(),
            mailing: Mailing::Idle,
            waiting: Waiting::default(),
            users: Users::default(),
            is_withheld: false,
            was_denied: false,
            says_version: false,
            ending: None,
        }
    }

    /// Whether the client may stay for as long as it likes.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// How many bytes more may wait until it is known who the client is.
    pub(super) fn room(&self) -> usize {
        self.waiting.room(&self.limits.pre_auth)
    }

    /// How the connection ends, if it does.
    pub(super) fn end(&self) -> Option<End> {
        self.ending
    }

    /// Whether the client is in a document, or on its way into one.
    pub(super) fn is_anywhere(&self) -> bool {
        let mut seats = self.seats.values();
        seats.any(|seat| matches!(seat.state, State::Joined(_) | State::Entering(_)))
    }

    /// The places in documents.
    pub(super) fn joined(&mut self) -> impl Iterator<Item = (&Address, &mut Joined)> {
        let seats = self.seats.iter_mut();
        seats.filter_map(|(address, seat)| match &mut seat.state {
            State::Joined(joined) => Some((address, &mut **joined)),
            _ => None,
        })
    }

    /// When a client is to be asked for a newer token next.
    pub(super) fn next_token_at(&self) -> Option<Instant> {
        let places = self.seats.values().filter_map(|seat| match &seat.state {
            State::Joined(joined) => joined.token_at,
            _ => None,
        });
        places.min()
    }

    /// Asks for newer tokens where it is time.
    pub(super) fn ask_for_tokens(&mut self, now: Instant) {
        let mut notices = Vec::new();
        for (address, joined) in self.joined() {
            if joined.token_at.take_if(|at| *at <= now).is_some() {
                notices.push(Notice::SendToken.encode(address.as_str()));
            }
        }
        self.notices.extend(notices.into_iter().map(Frame::binary));
    }

    /// A frame that says nothing. Older clients know none that is of no document.
    pub(super) fn keepalive(&self) -> bytes::Bytes {
        if self.says_version {
            return ping();
        }
        let first = self.seats.keys().next();
        Notice::KeepAlive.encode(first.map_or("", Address::as_str))
    }

    /// Gives back memory, where nothing has happened for a while.
    pub(super) fn rest(&mut self) {
        self.joined().for_each(|(_, joined)| joined.outbox.rest());
    }

    /// All that was taken is written.
    pub(super) fn all_written(&mut self) {
        for (_, joined) in self.joined() {
            joined.seen = joined.seen.max(joined.taken);
        }
    }

    /// Tells every document that the client is gone.
    pub(super) async fn leave(&mut self) {
        let seats = std::mem::take(&mut self.seats);
        for seat in seats.into_values() {
            if let State::Joined(joined) = seat.state {
                mailing::leave(&joined.mailbox, joined.connection).await;
            }
        }
    }
}
