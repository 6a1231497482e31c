//! What a client says: which document it is for, and what is asked of that.

use std::ops::ControlFlow;

use aws_lc_rs::rand;
use bytes::Bytes;
use engine::ordered::{Deed, OperationName, Request, RequestTag};
use engine::{CloseReason, ConnectionId, Limit};
use protocol::sharedb::{self, Address, Asked, Bulk, Code, Fault, Named, Submission};
use storage::Failpoint;

use super::super::{End, flooding};
use super::Stop;
use super::past::When;
use super::query::Question;
use super::requests::{Gathering, Number, Outcome, What, refused};
use super::seat::Seats;
use super::seen::NOT_SEEN;
use crate::receiving::Held;
use crate::socket::Incoming;
use crate::telemetry::metrics;

/// A message, for what answers it and for how long it counts as received.
pub(super) struct Message {
    pub(super) text: Bytes,
    pub(super) held: Held,
}

impl Seats {
    /// The server speaks first: it gives the client a name.
    pub(super) fn greet(&mut self) {
        let mut name = [0; 16];
        if rand::fill(&mut name).is_err() {
            self.ending = Some(End::Close(CloseReason::NotReady));
        }
        self.source = format!("{:032x}", u128::from_be_bytes(name)).into();
        self.say(sharedb::greeting("init", &self.source));
    }

    pub(super) fn take(&mut self, incoming: Incoming) -> ControlFlow<Stop> {
        let reason = match incoming {
            Incoming::Text(text, held) => return self.take_text(Message { text, held }),
            Incoming::Alive => return ControlFlow::Continue(()),
            Incoming::Withheld => return self.withhold(),
            Incoming::Closed => return ControlFlow::Break(Stop::End(End::ByPeer)),
            Incoming::Binary(..) | Incoming::Abridged(..) | Incoming::Malformed => {
                CloseReason::BadFrame
            }
            Incoming::NotUtf8 => CloseReason::BadText,
            Incoming::Overloaded => CloseReason::Overloaded,
            Incoming::TooFast(limit) => CloseReason::Flooding(limit),
            Incoming::TooLarge => CloseReason::TooLarge,
        };
        ControlFlow::Break(Stop::End(End::Close(reason)))
    }

    /// The client begins a message that is longer than may wait. It is taken once the client is known.
    fn withhold(&mut self) -> ControlFlow<Stop> {
        self.is_withheld = true;
        match !self.entering.is_empty() || self.is_known {
            true => ControlFlow::Break(Stop::Settle),
            false => ControlFlow::Break(Stop::Look),
        }
    }

    /// Has it decided whether the client may have the document that a message is about which is withheld. It is not asked twice
    /// for one message.
    pub(super) fn enter_for(&mut self, address: Address) -> Option<End> {
        let is_asked = !std::mem::replace(&mut self.has_looked, true) && self.seat(address).is_ok();
        (!is_asked).then(|| self.too_long())
    }

    /// How the connection ends of a client that is not known, and sends more than may wait.
    pub(super) fn too_long(&self) -> End {
        End::Close(match self.was_denied {
            true => CloseReason::Unauthorized,
            false => flooding(Limit::PreAuthBytes),
        })
    }

    fn take_text(&mut self, message: Message) -> ControlFlow<Stop> {
        metrics::frame_received(message.text.len());
        Failpoint::FrameReceived.reach();
        let text = std::str::from_utf8(&message.text).unwrap_or_default();
        match sharedb::read(text) {
            Ok(asked) => {
                Failpoint::FrameChecked.reach();
                self.hear(asked, message);
            }
            Err(Fault::NotAnObject) => {
                let end = End::Close(CloseReason::BadFrame);
                return ControlFlow::Break(Stop::End(end));
            }
            Err(fault) => self.refuse(&message, Code::from(&fault), &fault.to_string()),
        }
        match self.has_enough() || !self.is_known {
            true => ControlFlow::Break(Stop::Settle),
            false => ControlFlow::Continue(()),
        }
    }

    fn hear(&mut self, asked: Asked, message: Message) {
        match asked {
            Asked::Handshake { id, minor } => {
                self.skips_noops = minor >= KNOWS_NOOPS && !self.hub.world().commits_noops;
                self.shake_hands(id, &message);
            }
            Asked::Fetch(named) => self.fetch(named, message),
            Asked::Subscribe(named) => self.subscribe(named, message),
            Asked::Unsubscribe(named) => self.unsubscribe(named, message),
            Asked::BulkFetch(collection, bulk) => self.bulk("bf", &collection, bulk, message),
            Asked::BulkSubscribe(collection, bulk) => self.bulk("bs", &collection, bulk, message),
            Asked::BulkUnsubscribe(collection, bulk) => self.bulk("bu", &collection, bulk, message),
            Asked::Submit(named, submission) => self.submit(named, submission, message),
            Asked::Ping => self.say(sharedb::bare("pp")),
            Asked::SubscribePresence { channel, number } => {
                self.subscribe_presence(channel, number, &message);
            }
            Asked::UnsubscribePresence { channel, number } => {
                self.unsubscribe_presence(channel, number);
            }
            Asked::ShowPresence(shown) => self.show_presence(shown, message),
            Asked::QueryPresence { channel } => self.query_presence(&channel),
            Asked::EndQuery { id } => self.end_query(id),
            Asked::AtVersion { id, named } => {
                let when = named.version.map_or(When::Now, When::Version);
                self.look_back("nf", id, named, when, message);
            }
            Asked::AtTime { id, named, time_ms } => {
                let when = time_ms.map_or(When::Now, When::TimeMs);
                self.look_back("nt", id, named, when, message);
            }
            Asked::Query {
                id,
                collection,
                query,
                is_subscribed,
                results,
            } => {
                let question = Question {
                    id,
                    collection,
                    query,
                    message,
                };
                match is_subscribed {
                    true => self.subscribe_query(question, results),
                    false => self.fetch_query(question),
                }
            }
        }
    }

    /// A client that was called something before is called so again. That gives it no rights: whose an operation is depends on
    /// what its connection was let in with.
    fn shake_hands(&mut self, id: Option<String>, message: &Message) {
        match id {
            Some(id) if id.len() > SOURCE_BYTES_MAX => {
                return self.refuse(message, Code::MessageBadlyFormed, TOO_LONG);
            }
            Some(id) if !id.is_empty() => self.source = id.into(),
            _ => {}
        }
        self.say(sharedb::greeting("hs", &self.source));
    }

    fn fetch(&mut self, named: Named, message: Message) {
        let (address, from) = parts(named);
        let request = |tag| Request::Fetch { tag, from };
        if let Some(number) = self.ask_one("f", address, message, request) {
            self.expect(number, from, None);
        }
    }

    fn subscribe(&mut self, named: Named, message: Message) {
        let (address, from) = parts(named);
        let request = |tag| Request::Subscribe { tag, from };
        if let Some(number) = self.ask_one("s", address, message, request) {
            self.expect(number, from, Some(true));
        }
    }

    fn unsubscribe(&mut self, named: Named, message: Message) {
        let (address, _) = parts(named);
        if self.number_of(&address).is_none() {
            return self.say(sharedb::answered("u", &address, None));
        }
        let request = |tag| Request::Unsubscribe { tag };
        if let Some(number) = self.ask_one("u", address, message, request) {
            self.expect(number, None, Some(false));
        }
    }

    /// The client has a version, and does or does not want to be told what comes.
    fn expect(&mut self, number: ConnectionId, from: Option<u64>, is_subscribed: Option<bool>) {
        if let Some(seat) = self.seats.get_mut(&number) {
            seat.filling.expect(from);
            seat.is_subscribed = is_subscribed.unwrap_or(seat.is_subscribed);
            if from.is_none() && is_subscribed != Some(false) {
                // It has nothing any more, so it knows that it begins anew.
                seat.forgotten = None;
            }
        }
    }

    fn ask_one(
        &mut self,
        action: &'static str,
        address: Address,
        message: Message,
        request: impl FnOnce(RequestTag) -> Request,
    ) -> Option<ConnectionId> {
        let text = message.text.clone();
        self.ask_about(address, What::One { action, text }, message, request)
    }

    /// Asks a document something. None if that cannot be; then the client is told.
    pub(super) fn ask_about(
        &mut self,
        address: Address,
        what: What,
        message: Message,
        request: impl FnOnce(RequestTag) -> Request,
    ) -> Option<ConnectionId> {
        match self.seat(address) {
            Ok(number) => {
                let tag = self.requests.add(number, what);
                self.ask(number, request(tag), Some(message.held));
                Some(number)
            }
            Err((code, why)) => {
                self.refuse(&message, code, &why);
                None
            }
        }
    }

    fn submit(&mut self, named: Named, submission: Submission, message: Message) {
        let (address, made_on) = parts(named);
        let seat = self.number_of(&address);
        let seat = seat.and_then(|number| self.seats.get(&number));
        if seat.is_some_and(|seat| seat.has_forgotten(made_on, &submission.deed)) {
            return;
        }
        let source = submission
            .source
            .map_or_else(|| self.source.clone(), Box::from);
        if source.len() > SOURCE_BYTES_MAX {
            return self.refuse(&message, Code::MessageBadlyFormed, TOO_LONG);
        }
        let (number, deed) = (submission.number, submission.deed);
        if !self.shows_all_of(&address, &deed) {
            return self.refuse(&message, Code::NotInProjection, NOT_SEEN);
        }
        let name = OperationName { source, number };
        let skips_noop = self.skips_noops;
        let what = What::Operation {
            name: name.clone(),
            made_on: made_on.filter(|_| deed != Deed::Delete),
            text: message.text.clone(),
        };
        let request = |tag| Request::Submit {
            tag,
            name,
            made_on,
            deed,
            skips_noop,
        };
        if let Some(number) = self.ask_about(address, what, message, request)
            && let Some(seat) = self.seats.get_mut(&number)
            && !seat.is_subscribed
        {
            seat.filling.expect(made_on);
        }
    }

    fn bulk(&mut self, action: &'static str, collection: &str, bulk: Bulk, message: Message) {
        let documents: Vec<_> = match bulk {
            Bulk::Whole(ids) => ids.into_iter().map(|id| (id, None)).collect(),
            Bulk::Since(versions) => versions.into_iter().collect(),
        };
        if documents.len() > BULK_MAX {
            return self.refuse(&message, Code::TooMany, TOO_MANY_IDS);
        }
        if documents.is_empty() {
            return self.say(sharedb::bulk_answered(action, collection, [].into_iter()));
        }
        let gathering = Gathering::bulk(action, collection.to_owned(), documents.len());
        let gathering = self.requests.gather(gathering);
        let mut held = Some(message.held);
        for (id, from) in documents {
            let address = Address {
                collection: collection.to_owned(),
                id,
            };
            self.ask_part(action, address, from, gathering, &mut held);
        }
    }

    fn ask_part(
        &mut self,
        action: &str,
        address: Address,
        from: Option<u64>,
        gathering: Number,
        held: &mut Option<Held>,
    ) {
        let is_known = self.number_of(&address).is_some();
        let id = address.id.clone();
        let outcome = match self.seat_unless(address, action == "bu" && !is_known) {
            Ok(Some(number)) => {
                let tag = self.requests.add(number, What::Part(gathering));
                self.ask(number, part(action, tag, from), held.take());
                let subscribed = (action != "bf").then_some(action == "bs");
                return self.expect(number, from, subscribed);
            }
            Ok(None) => Outcome::Done,
            Err((code, why)) => Outcome::Failed(code, why),
        };
        for text in self.requests.answer_part(gathering, &id, outcome) {
            self.say(text);
        }
    }

    fn seat_unless(
        &mut self,
        address: Address,
        needs_none: bool,
    ) -> Result<Option<ConnectionId>, (Code, String)> {
        match needs_none {
            true => Ok(None),
            false => self.seat(address).map(Some),
        }
    }

    /// Refuses a message without asking any document.
    pub(super) fn refuse(&mut self, message: &Message, code: Code, why: &str) {
        self.say(refused(&message.text, code, why));
    }
}

fn part(action: &str, tag: RequestTag, from: Option<u64>) -> Request {
    match action {
        "bf" => Request::Fetch { tag, from },
        "bs" => Request::Subscribe { tag, from },
        _ => Request::Unsubscribe { tag },
    }
}

pub(super) fn parts(named: Named) -> (Address, Option<u64>) {
    let Named {
        collection,
        id,
        version,
    } = named;
    (Address { collection, id }, version)
}

/// From this minor protocol on, a client can be told that what it did changes nothing.
const KNOWS_NOOPS: u64 = 2;
/// The longest name that a client may have. Those that ShareDB's client gives itself have 32 bytes.
const SOURCE_BYTES_MAX: usize = 256;
const TOO_LONG: &str = "The client's id is longer than 256 bytes.";
/// How many documents one question may be about.
const BULK_MAX: usize = 10_000;
const TOO_MANY_IDS: &str = "One message asks for more than 10000 documents; ask in several.";
