//! Presence. Clients show themselves in a channel. That of a document is called by its collection, a dot and its id, and who
//! shows himself there says of which document; the document itself has it and moves it along.
//!
//! A collection or an id may have dots, so a channel's name may be that of several documents. It stands for those of them
//! that have a seat, and for one that gets a seat later; a name with a single dot is that of one document. Any other name is
//! that of a channel besides, which has a seat of its own: nothing of it is stored, and nothing moves in it.
//!
//! A projected document has no presence, as with ShareDB: where people are would tell of what is not shown.

use std::collections::BTreeSet;

use engine::ordered::{PresenceName, Request, ShownPresence};
use engine::{ConnectionId, NAME_BYTES_MAX};
use protocol::sharedb::{self, Address, Code, Shown};

use super::hearing::Message;
use super::requests::{Gathering, What};
use super::seat::Seats;

/// The channels whose presence a client wants.
#[derive(Debug, Default)]
pub(super) struct Channels(BTreeSet<String>);

impl Seats {
    pub(super) fn subscribe_presence(
        &mut self,
        channel: String,
        number: Option<u64>,
        message: &Message,
    ) {
        if channel.len() > CHANNEL_BYTES_MAX {
            return self.refuse(message, Code::MessageBadlyFormed, LONG_CHANNEL);
        }
        let is_new = !self.channels.0.contains(&channel);
        if is_new && self.channels.0.len() >= CHANNELS_MAX {
            return self.refuse(message, Code::TooMany, TOO_MANY_CHANNELS);
        }
        let documents = self.documents_of(&channel, true);
        self.channels.0.insert(channel.clone());
        self.ask_all("ps", channel, number, &documents);
    }

    pub(super) fn unsubscribe_presence(&mut self, channel: String, number: Option<u64>) {
        let documents = self.documents_of(&channel, false);
        self.channels.0.remove(&channel);
        self.ask_all("pu", channel, number, &documents);
    }

    /// Has all documents of a channel tell, or tell no more, where people are; and answers when they do.
    fn ask_all(
        &mut self,
        action: &'static str,
        channel: String,
        number: Option<u64>,
        documents: &[ConnectionId],
    ) {
        if documents.is_empty() {
            return self.say(sharedb::presence_subscribed(action, &channel, number));
        }
        let gathering = Gathering::channel(action, channel, number, documents.len());
        let gathering = self.requests.gather(gathering);
        for document in documents {
            self.tell_presence(*document, action == "ps", What::Part(gathering));
        }
    }

    fn tell_presence(&mut self, document: ConnectionId, is_wanted: bool, what: What) {
        let tag = self.requests.add(document, what);
        if let Some(seat) = self.seats.get_mut(&document) {
            seat.filling.tell_presence(is_wanted);
        }
        let request = match is_wanted {
            true => Request::SubscribePresence { tag },
            false => Request::UnsubscribePresence { tag },
        };
        self.ask(document, request, None);
    }

    /// A document has got a seat, and may be one whose channel the client wants.
    pub(super) fn listen_if_wanted(&mut self, document: ConnectionId, address: &Address) {
        if !self.channels.0.is_empty() && self.channels.0.contains(&address.channel_name()) {
            self.tell_presence(document, true, What::Own);
        }
    }

    pub(super) fn show_presence(&mut self, shown: Shown, message: Message) {
        let address = match &shown.document {
            Some(named) => Address {
                collection: named.collection.clone(),
                id: named.id.clone(),
            },
            None => alone_in(&shown.channel),
        };
        if address.channel_name() != shown.channel {
            return self.refuse(&message, Code::MessageBadlyFormed, OTHER_CHANNEL);
        }
        if self.projection(&address).is_some() {
            return self.refuse(&message, Code::NoPresence, NOT_SHOWN);
        }
        let presence = ShownPresence {
            name: PresenceName {
                source: self.source.clone(),
                id: shown.id.as_str().into(),
            },
            number: shown.number,
            made_on: shown.document.as_ref().and_then(|named| named.version),
            value: shown.value.clone(),
        };
        let what = What::Presence {
            source: self.source.clone(),
            shown: Box::new(shown),
            text: message.text.clone(),
        };
        let request = |tag| Request::ShowPresence {
            tag,
            shown: presence,
        };
        if let Some(number) = self.ask_about(address, what, message, request)
            && let Some(seat) = self.seats.get_mut(&number)
        {
            seat.is_shown = true;
        }
    }

    /// Tells once more where people are.
    pub(super) fn query_presence(&mut self, channel: &str) {
        if self.channels.0.contains(channel) {
            for document in self.documents_of(channel, false) {
                let tag = self.requests.add(document, What::Own);
                self.ask(document, Request::SubscribePresence { tag }, None);
            }
        }
        self.say(sharedb::bare("pr"));
    }

    /// The documents with seats that a channel is of. One that is the only one to have that name may get a seat for it.
    /// All other names have a channel of their own.
    fn documents_of(&mut self, channel: &str, may_enter: bool) -> Vec<ConnectionId> {
        let dots = channel.match_indices('.').take(DOTS_MAX);
        let mut addresses: Vec<_> = dots.map(|(at, _)| address_at(channel, at)).collect();
        let is_of_one = addresses.len() == 1;
        addresses.retain(|address| self.projection(address).is_none());
        let seats = addresses
            .iter()
            .filter_map(|address| self.number_of(address));
        let mut seats: Vec<_> = seats.collect();
        if is_of_one && seats.is_empty() && may_enter {
            // A document that may not be entered tells nothing.
            let seat = addresses.pop().and_then(|address| self.seat(address).ok());
            seats.extend(seat);
        } else if !is_of_one {
            let address = Address::channel(channel);
            let seat = self.number_of(&address);
            let seat = seat.or_else(|| may_enter.then(|| self.seat(address).ok()).flatten());
            seats.extend(seat);
        }
        seats
    }
}

/// What a client that names no document shows itself in: the only document of that name, or the channel.
fn alone_in(channel: &str) -> Address {
    let mut dots = channel.match_indices('.');
    match (dots.next(), dots.next()) {
        (Some((at, _)), None) => address_at(channel, at),
        _ => Address::channel(channel),
    }
}

fn address_at(channel: &str, dot: usize) -> Address {
    Address {
        collection: channel[..dot].to_owned(),
        id: channel[dot + 1..].to_owned(),
    }
}

/// Channels whose presence one client may want.
const CHANNELS_MAX: usize = 1_024;
const TOO_MANY_CHANNELS: &str =
    "The presence of more than 1024 channels is wanted on one connection.";
/// As long as the name of a document can be, in which the dot is a slash.
const CHANNEL_BYTES_MAX: usize = NAME_BYTES_MAX;
const LONG_CHANNEL: &str = "The channel's name is longer than 512 bytes.";
/// How many dots of a channel's name are tried as the one between collection and id.
const DOTS_MAX: usize = 8;
const NOT_SHOWN: &str = "Type does not support presence: http://sharejs.org/types/JSONv0";
const OTHER_CHANNEL: &str = "The channel is not that of the document.";
