//! The seats of a connection: one for each document that its client has asked something of, and what each is at.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;

use engine::ordered::{Deed, OrderedEvent, Request};
use engine::{CloseReason, ConnectionId, DocumentKey, Limit};
use protocol::sharedb::{Address, Code, Projection};
use protocol::websocket::Frame;

use super::super::entering::{Entrant, Guest, NotIn, Users, enter};
use super::super::mailing::{self, Mailing};
use super::super::{ConnectionLimits, End};
use super::DIALECT;
use super::channels::Channels;
use super::filling::Filling;
use super::live::Live;
use super::past::Past;
use super::requests::Requests;
use crate::auth::Pass;
use crate::hub::Hub;
use crate::mail::{Mailbox, Way};
use crate::ordered::{Letter, Letters};
use crate::receiving::Held;
use crate::telemetry::metrics;

/// All documents of a connection, and what its client asks of them and is told.
pub(super) struct Seats {
    pub(super) hub: Hub,
    pub(super) guest: Guest,
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) seats: BTreeMap<ConnectionId, Seat>,
    numbers: BTreeMap<Arc<Address>, ConnectionId>,
    pub(super) channels: Channels,
    pub(super) requests: Requests,
    pub(super) past: Past,
    pub(super) live: Live,
    /// What the documents tell.
    pub(super) letters: Letters,
    /// What was taken of it and not passed on.
    pub(super) taken: VecDeque<Letter>,
    /// What the client is told next.
    pub(super) frames: VecDeque<Frame>,
    /// The seats that may have something to send.
    pub(super) ready: VecDeque<ConnectionId>,
    /// The seats whose documents have yet to let the client in.
    pub(super) entering: BTreeSet<ConnectionId>,
    /// The seats that have a gap to be filled.
    pub(super) behind: BTreeSet<ConnectionId>,
    /// The documents that are to hear that the client has left them.
    pub(super) leaving: VecDeque<(Mailbox, ConnectionId)>,
    /// A mail that waits for room in its mailbox; nothing more is read meanwhile.
    pub(super) mailing: Mailing,
    /// What the client is called.
    pub(super) source: Box<str>,
    /// Whether its operations are not stored if they change nothing.
    pub(super) skips_noops: bool,
    pub(super) users: Users,
    /// How many operations the connection has made up so that its client begins anew.
    pub(super) made_up: u64,
    /// Whether the client has begun a message that is longer than may wait.
    pub(super) is_withheld: bool,
    /// Whether it was looked which document that is about.
    pub(super) has_looked: bool,
    /// Whether the client was let into a document, or need not be.
    pub(super) is_known: bool,
    /// Whether it was refused one.
    pub(super) was_denied: bool,
    /// Whether the server stops: the connection ends once all that waits is answered.
    pub(super) is_stopping: bool,
    /// How the connection ends once all that was taken is written.
    pub(super) ending: Option<End>,
}

/// A document on a connection.
pub(super) struct Seat {
    pub(super) address: Arc<Address>,
    /// What the client sees of the document; none if it is all.
    pub(super) projection: Option<Arc<Projection>>,
    pub(super) state: State,
    /// What is to be asked of the document, with the messages that it came in.
    pub(super) waiting: Vec<(Request, Option<Held>)>,
    /// How many questions it has not answered.
    pub(super) asked: usize,
    /// Whether the client wants to be told what comes.
    pub(super) is_subscribed: bool,
    /// Whether the client shows itself in the document.
    pub(super) is_shown: bool,
    pub(super) filling: Filling,
    /// The versions that the client may have had when it began anew last, and forgot what it had on its way.
    pub(super) forgotten: Option<RangeInclusive<u64>>,
    /// Answers that wait until a gap before them is filled.
    pub(super) held: VecDeque<OrderedEvent>,
    /// Whether it was asked anything since somebody last looked.
    is_used: bool,
}

/// Somebody on the way into a document.
pub(super) type Entering =
    Pin<Box<dyn Future<Output = Result<(Arc<Pass>, Mailbox), NotIn>> + Send>>;

/// What a seat is at.
pub(super) enum State {
    /// The client is being let in, or not.
    Entering(Entering),
    /// It is in.
    Joined(Mailbox),
}

impl Seats {
    pub(super) fn new(hub: Hub, guest: Guest, limits: Arc<ConnectionLimits>) -> Self {
        Self {
            is_known: guest.is_known,
            letters: Letters::new(limits.outbox.bytes_max),
            hub,
            guest,
            limits,
            seats: BTreeMap::new(),
            numbers: BTreeMap::new(),
            channels: Channels::default(),
            requests: Requests::default(),
            past: Past::default(),
            live: Live::default(),
            taken: VecDeque::new(),
            frames: VecDeque::new(),
            ready: VecDeque::new(),
            entering: BTreeSet::new(),
            behind: BTreeSet::new(),
            leaving: VecDeque::new(),
            mailing: Mailing::Idle,
            source: "".into(),
            skips_noops: false,
            users: Users::default(),
            made_up: 0,
            is_withheld: false,
            has_looked: false,
            was_denied: false,
            is_stopping: false,
            ending: None,
        }
    }

    /// How the connection ends, if it does and has nothing more to say.
    pub(super) fn end(&self) -> Option<End> {
        self.ending.filter(|_| self.frames.is_empty())
    }

    /// Whether the client is in a document, or on its way into one.
    pub(super) fn is_anywhere(&self) -> bool {
        !self.seats.is_empty()
    }

    /// The seat of a document, if it has one.
    pub(super) fn number_of(&self, address: &Address) -> Option<ConnectionId> {
        self.numbers.get(address).copied()
    }

    /// The seat of a document, which gets one if it has none.
    ///
    /// # Errors
    /// It cannot get one; with what the client is to be told.
    pub(super) fn seat(&mut self, address: Address) -> Result<ConnectionId, (Code, String)> {
        if let Some(number) = self.number_of(&address) {
            return Ok(number);
        }
        let (document, projection) = (self.document(&address)?, self.projection(&address));
        let max = self.limits.sharedb_documents_max;
        if self.seats.len() >= max && !self.clear_a_seat() {
            metrics::limit_hit(Limit::DocumentsPerConnection.as_str());
            return Err((Code::TooMany, TOO_MANY_DOCUMENTS.to_owned()));
        }
        let number = self.hub.next_connection();
        let entrant = Entrant {
            connection: number,
            document,
            dialect: DIALECT,
            address: None,
            own: self.guest.own.clone(),
            way: Way::Letters(self.letters.clone()),
        };
        let entering = Box::pin(enter(self.hub.clone(), entrant));
        let (address, is_whole) = (Arc::new(address), projection.is_none());
        self.numbers.insert(address.clone(), number);
        let seat = Seat::new(address.clone(), projection, entering);
        self.seats.insert(number, seat);
        self.entering.insert(number);
        if is_whole {
            self.listen_if_wanted(number, &address);
        }
        Ok(number)
    }

    /// The document that a client means.
    ///
    /// # Errors
    /// No document can have that name; with what the client is to be told.
    pub(super) fn document(&self, address: &Address) -> Result<DocumentKey, (Code, String)> {
        let document = match self.projection(address) {
            Some(projection) => projection.behind(address).document(&self.guest.workspace),
            None => address.document(&self.guest.workspace),
        };
        document.map_err(|fault| (Code::MessageBadlyFormed, fault.to_string()))
    }

    /// What a client sees of the documents of a collection; none if it is all.
    pub(super) fn projection(&self, address: &Address) -> Option<Arc<Projection>> {
        self.hub
            .world()
            .projections
            .get(&address.collection)
            .cloned()
    }

    /// Asks a document for something, in the message that it came in if it came in one.
    pub(super) fn ask(&mut self, number: ConnectionId, request: Request, held: Option<Held>) {
        if let Some(seat) = self.seats.get_mut(&number) {
            seat.waiting.push((request, held));
            seat.asked += 1;
            seat.is_used = true;
            self.ready.push_back(number);
        }
    }

    /// Takes a seat away.
    pub(super) fn remove(&mut self, number: ConnectionId) -> Option<Seat> {
        let seat = self.seats.remove(&number)?;
        self.numbers.remove(&seat.address);
        Some(seat)
    }

    /// Leaves documents of which nothing was wanted for a while, and takes note of sessions that have gone without a word.
    pub(super) fn tidy_up(&mut self) {
        let mut unused = Vec::new();
        for (number, seat) in &mut self.seats {
            match &seat.state {
                State::Joined(mailbox) if mailbox.is_gone() => {
                    self.letters.close(*number, CloseReason::NotReady);
                }
                _ if std::mem::take(&mut seat.is_used) => {}
                _ if seat.is_idle() => unused.push(*number),
                _ => {}
            }
        }
        unused.into_iter().for_each(|number| self.vacate(number));
    }

    /// Leaves a document of which nothing is wanted just now. False if there is none.
    fn clear_a_seat(&mut self) -> bool {
        let mut seats = self.seats.iter();
        let idle = seats.find(|(_, seat)| seat.is_idle());
        let idle = idle.map(|(number, _)| *number);
        if let Some(number) = idle {
            self.vacate(number);
        }
        idle.is_some()
    }

    fn vacate(&mut self, number: ConnectionId) {
        let seat = self.remove(number);
        if let Some(State::Joined(mailbox)) = seat.map(|seat| seat.state) {
            self.leaving.push_back((mailbox, number));
        }
    }

    /// Tells every document that the client is gone.
    pub(super) async fn leave(&mut self) {
        for (mailbox, number) in std::mem::take(&mut self.leaving) {
            mailing::leave(&mailbox, number).await;
        }
        for (number, seat) in std::mem::take(&mut self.seats) {
            if let State::Joined(mailbox) = seat.state {
                mailing::leave(&mailbox, number).await;
            }
        }
    }
}

impl Seat {
    fn new(address: Arc<Address>, projection: Option<Arc<Projection>>, entering: Entering) -> Self {
        Self {
            address,
            projection,
            state: State::Entering(entering),
            waiting: Vec::new(),
            asked: 0,
            is_subscribed: false,
            is_shown: false,
            filling: Filling::default(),
            forgotten: None,
            held: VecDeque::new(),
            is_used: true,
        }
    }

    /// Whether the client does not know of an operation any more, which it sent before it read that it begins anew. It would take
    /// the answer for that to its next one. A deletion of its own it does not forget.
    pub(super) fn has_forgotten(&self, made_on: Option<u64>, deed: &Deed) -> bool {
        let forgotten = self.forgotten.as_ref().zip(made_on);
        *deed != Deed::Delete && forgotten.is_some_and(|(had, made_on)| had.contains(&made_on))
    }

    /// Whether nothing is wanted of the document just now.
    fn is_idle(&self) -> bool {
        let wants_nothing = self.asked == 0 && !self.is_subscribed && !self.is_shown;
        wants_nothing && !self.filling.tells_presence() && matches!(self.state, State::Joined(_))
    }
}

const TOO_MANY_DOCUMENTS: &str =
    "Too many documents on one connection (limits.sharedb_documents_per_connection).";
