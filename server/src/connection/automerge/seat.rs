//! The seats of a connection: one for each document that its client has named, and what each is at.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use engine::{ConnectionId, DocumentKey, Intent, Limit};
use protocol::automerge::{
    Conversation, DocumentId, Envelope, Message, PeerId, Said, SessionId, SyncMessage, encode,
};
use protocol::websocket::Frame;
use tokio::time::Instant;
use tracing::info;

use super::super::entering::{Entrant, Guest, NotIn, Users, enter};
use super::super::mailing::{self, Mailing};
use super::super::{ConnectionLimits, End};
use super::showing::Shows;
use super::shown::Shown;
use super::{DIALECT, SERVER};
use crate::auth::Pass;
use crate::events::Events;
use crate::hub::Hub;
use crate::joins::Joined;
use crate::mail::{Mail, Mailbox, Way};
use crate::receiving::Held;
use crate::telemetry::metrics;

/// All documents of a connection, and what its client says and is told of them.
pub(super) struct Seats {
    pub(super) hub: Hub,
    pub(super) guest: Guest,
    pub(super) limits: Arc<ConnectionLimits>,
    /// What this server calls itself.
    pub(super) own: PeerId,
    /// What the client calls itself, once it has joined.
    pub(super) peer: Option<PeerId>,
    /// Whether it stays when it is told that something was refused.
    pub(super) reads_errors: bool,
    /// Its place among those who have joined.
    pub(super) place: Option<Joined>,
    pub(super) seats: BTreeMap<ConnectionId, Seat>,
    pub(super) numbers: BTreeMap<DocumentId, ConnectionId>,
    /// What the documents tell.
    pub(super) events: Events,
    pub(super) shown: Shown,
    /// Whether the client wants to hear by name what heads this store has.
    pub(super) is_subscribed: bool,
    /// What the client is told next.
    pub(super) frames: VecDeque<Frame>,
    /// What is to be asked of documents.
    pub(super) pulls: VecDeque<(ConnectionId, Intent)>,
    /// The documents that were asked and have not answered.
    pub(super) pulling: Vec<ConnectionId>,
    /// A mail that waits for room in its mailbox; nothing more is read meanwhile.
    pub(super) mailing: Mailing,
    /// Changes that are taken out of a saved document; nothing more is read meanwhile.
    pub(super) unpacking: Option<Unpacking>,
    /// Messages that wait until their documents have let the client in, and their bytes.
    pub(super) waiting: (usize, usize),
    pub(super) users: Users,
    /// Whether the client has begun a message that is longer than may wait.
    pub(super) is_withheld: bool,
    /// How many such messages were read without their middle.
    pub(super) abridged: usize,
    /// Whether the client was let into a document, or need not be.
    pub(super) is_known: bool,
    /// Whether it was refused one.
    pub(super) was_denied: bool,
    /// How the connection ends once all that is to be told is written.
    pub(super) ending: Option<End>,
}

/// A document on a connection.
pub(super) struct Seat {
    pub(super) document: DocumentId,
    pub(super) state: State,
    /// What came before the client was in, in order.
    pub(super) waiting: VecDeque<Heard>,
    pub(super) conversation: Conversation,
    pub(super) shows: Shows,
    /// When the client is to hear that nobody has the document, if it waits for that.
    pub(super) missing_at: Option<Instant>,
}

/// Something that the client said of a document.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) said: Said,
    /// Who said it first.
    pub(super) author: PeerId,
    pub(super) held: Held,
    pub(super) bytes: usize,
}

/// Somebody on the way into a document.
pub(super) type Entering =
    Pin<Box<dyn Future<Output = Result<(Arc<Pass>, Mailbox), NotIn>> + Send>>;

/// A message whose saved documents are taken apart elsewhere.
pub(super) type Unpacking = Pin<Box<dyn Future<Output = Unpacked> + Send>>;

/// What came of that.
pub(super) struct Unpacked {
    pub(super) to: ConnectionId,
    pub(super) is_request: bool,
    pub(super) message: SyncMessage,
    /// The changes, or that the documents are none.
    pub(super) payload: Result<Bytes, engine::ContentError>,
    pub(super) held: Held,
}

/// What a seat is at.
pub(super) enum State {
    /// The client is being let in, or not.
    Entering(Entering),
    /// It is in.
    Joined(Mailbox),
    /// It was not let in, or let go.
    Denied,
}

impl Seats {
    pub(super) fn new(hub: Hub, guest: Guest, limits: Arc<ConnectionLimits>) -> Self {
        let own = format!("{SERVER}-{}", hub.world().replica());
        Self {
            own: PeerId(own.into()),
            is_known: guest.is_known,
            events: Events::new(limits.outbox.bytes_max),
            hub,
            guest,
            limits,
            peer: None,
            reads_errors: false,
            place: None,
            seats: BTreeMap::new(),
            numbers: BTreeMap::new(),
            shown: Shown::default(),
            is_subscribed: false,
            frames: VecDeque::new(),
            pulls: VecDeque::new(),
            pulling: Vec::new(),
            mailing: Mailing::Idle,
            unpacking: None,
            waiting: (0, 0),
            users: Users::default(),
            is_withheld: false,
            abridged: 0,
            was_denied: false,
            ending: None,
        }
    }

    /// How the connection ends, if it does and has nothing more to say.
    pub(super) fn end(&self) -> Option<End> {
        self.ending.filter(|_| self.frames.is_empty())
    }

    /// Whether the client is in a document, or on its way into one.
    pub(super) fn is_anywhere(&self) -> bool {
        let mut seats = self.seats.values();
        seats.any(|seat| !matches!(seat.state, State::Denied))
    }

    /// Whether somebody is being let in.
    pub(super) fn is_deciding(&self) -> bool {
        let mut seats = self.seats.values();
        seats.any(|seat| matches!(seat.state, State::Entering(_)))
    }

    /// How many bytes more may wait until it is known who the client is.
    pub(super) fn room(&self) -> usize {
        let (_, bytes) = self.waiting;
        self.limits.pre_auth.bytes_max.saturating_sub(bytes)
    }

    /// The seat of a document, which gets one if it has none. None if there is none for it.
    pub(super) fn seat(&mut self, document: &DocumentId) -> Option<ConnectionId> {
        if let Some(number) = self.numbers.get(document) {
            return Some(*number);
        }
        if self.seats.len() >= self.limits.automerge_documents_max && !self.clear_a_seat() {
            let limit = Limit::DocumentsPerConnection;
            metrics::limit_hit(limit.as_str());
            self.say_why(TOO_MANY_DOCUMENTS);
            self.say(document, Said::Unavailable);
            return None;
        }
        let key = DocumentKey::new(&self.guest.workspace, &document.to_string()).ok()?;
        let number = self.hub.next_connection();
        let entrant = Entrant {
            connection: number,
            document: key,
            dialect: DIALECT,
            address: None,
            own: self.guest.own.clone(),
            way: Way::Events(self.events.clone()),
        };
        let seat = Seat {
            document: document.clone(),
            state: State::Entering(Box::pin(enter(self.hub.clone(), entrant))),
            waiting: VecDeque::new(),
            conversation: Conversation::default(),
            shows: Shows::new(self.hub.world().replica(), number),
            missing_at: None,
        };
        self.numbers.insert(document.clone(), number);
        self.seats.insert(number, seat);
        Some(number)
    }

    /// Forgets a document that was denied. False if none was.
    fn clear_a_seat(&mut self) -> bool {
        let mut seats = self.seats.iter();
        let denied = seats.find(|(_, seat)| matches!(seat.state, State::Denied));
        let Some(number) = denied.map(|(number, _)| *number) else {
            return false;
        };
        if let Some(seat) = self.seats.remove(&number) {
            self.numbers.remove(&seat.document);
        }
        true
    }

    /// The document is not for the client, which is told so, and of what else it says of it nothing becomes.
    pub(super) fn deny(&mut self, number: ConnectionId, why: &str) {
        let Some(seat) = self.seats.get_mut(&number) else {
            return;
        };
        seat.state = State::Denied;
        seat.missing_at = None;
        seat.conversation = Conversation::default();
        let document = seat.document.clone();
        for heard in std::mem::take(&mut seat.waiting) {
            self.waited(&heard);
        }
        self.pulls.retain(|(of, _)| *of != number);
        self.pulling.retain(|of| *of != number);
        info!(%document, "document refused to its client: {why}");
        self.say_why(why);
        self.say(&document, Said::Unavailable);
    }

    /// Something does not wait any more.
    pub(super) fn waited(&mut self, heard: &Heard) {
        let (messages, bytes) = &mut self.waiting;
        *messages -= 1;
        *bytes -= heard.bytes;
    }

    /// Tells the client something of a document.
    pub(super) fn say(&mut self, document: &DocumentId, said: Said) {
        let message = Message::Document {
            envelope: self.envelope(),
            document: document.clone(),
            said,
        };
        self.frames.push_back(Frame::binary(encode(&message)));
    }

    /// Tells the client why something is refused, if it reads that.
    pub(super) fn say_why(&mut self, why: &str) {
        if self.reads_errors {
            self.say_error(why);
        }
    }

    /// Tells the client what is wrong. Some write it to their log, others close the connection.
    pub(super) fn say_error(&mut self, text: &str) {
        let message = Message::Error {
            envelope: self.envelope(),
            message: text.into(),
        };
        self.frames.push_back(Frame::binary(encode(&message)));
    }

    /// What this server says to the client.
    pub(super) fn envelope(&self) -> Envelope {
        Envelope {
            sender: self.own.clone(),
            target: self.peer.clone(),
        }
    }

    /// Tells every document that the client is gone, and the others where it has shown itself. One that has joined anew shows
    /// itself there.
    pub(super) async fn leave(&mut self) {
        let is_replaced = |place: &Joined| place.replaced().is_cancelled();
        let stays = self.place.as_ref().is_some_and(is_replaced);
        let peer = self.peer.take().filter(|_| !stays);
        for (number, mut seat) in std::mem::take(&mut self.seats) {
            let State::Joined(mailbox) = seat.state else {
                continue;
            };
            let run = SessionId(format!("{}-{number}", self.own.0).into());
            let peer = peer.as_ref();
            if let Some(intent) = peer.and_then(|peer| seat.shows.end(peer, &seat.document, run)) {
                // A session that is gone has nobody to tell.
                let _ = mailbox.send(self.mail(number, vec![intent], None)).await;
            }
            mailing::leave(&mailbox, number).await;
        }
    }

    /// What a document is asked for, in the message that it came in if it came in one.
    pub(super) fn mail(
        &self,
        connection: ConnectionId,
        intents: Vec<Intent>,
        held: Option<Held>,
    ) -> Mail {
        Mail::Intents {
            connection,
            intents,
            seen: None,
            held: held.unwrap_or_else(|| self.hub.world().receiving.meter().take_all_but(0)),
        }
    }
}

const TOO_MANY_DOCUMENTS: &str =
    "Too many documents on one connection (limits.automerge_documents_per_connection).";
