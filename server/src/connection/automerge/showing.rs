//! What the client of a connection shows of itself in a document by the `Presence` class of automerge-repo, which is kept for
//! those who come.
//!
//! It is passed on as it comes, and what it comes to is held as presence: so it goes with the connection, and people at other
//! nodes have it too. Whoever begins to show itself is told what the others show. That is said in a run of its own, because the
//! numbers of the others' runs are their own, and what they say next is not to be taken for old.

use std::ops::ControlFlow;

use bytes::Bytes;
use engine::{ConnectionId, Intent, PresenceEntry, PresenceId, ReplicaId};
use protocol::automerge::{
    Channels, DocumentId, Envelope, Message, PeerId, Said, SessionId, Showing, decode, encode,
};
use protocol::websocket::Frame;

use super::Stop;
use super::seat::Seats;
use crate::receiving::Held;

/// What a client shows of itself in one document.
#[derive(Debug)]
pub(super) struct Shows {
    id: PresenceId,
    version: u32,
    /// All of it as a snapshot; none if it is nothing, or too much, or if it is not known.
    all: Option<Bytes>,
    /// Whether the client shows itself, so that others are to hear when it does no longer.
    is_present: bool,
    /// Whether it waits to be told who else is here.
    is_asking: bool,
    /// Whether it was asked to show all of itself: if that is too much to be kept, it is not asked again.
    was_asked: bool,
    /// How often it was told what somebody shows.
    told: u64,
}

impl Shows {
    /// Nothing yet. `connection` is the connection's number in the document.
    pub(super) fn new(replica: ReplicaId, connection: ConnectionId) -> Self {
        let of_replica = u64::from(replica.0) << u32::BITS;
        Self {
            id: PresenceId(of_replica | connection.0 & u64::from(u32::MAX)),
            version: 0,
            all: None,
            is_present: false,
            is_asking: false,
            was_asked: false,
            told: 0,
        }
    }

    /// Takes in what the client shows, of which at most so many bytes are kept.
    fn take_in(&mut self, showing: Showing, bytes_max: usize) {
        self.is_present = showing != Showing::Goodbye;
        let channels = match showing {
            Showing::Heartbeat => return,
            Showing::Goodbye => None,
            Showing::Snapshot(channels) => Some(channels),
            Showing::Update { channel, value } => {
                let mut channels = self.channels();
                channels.set(channel, value);
                Some(channels)
            }
        };
        let channels = channels.filter(|channels| channels.length() <= bytes_max);
        self.all = channels.map(|channels| Showing::Snapshot(channels).write());
    }

    fn channels(&self) -> Channels {
        match self.all.as_ref().and_then(Showing::read) {
            Some(Showing::Snapshot(channels)) => channels,
            _ => Channels::default(),
        }
    }

    /// What is held of it.
    fn entry(&mut self, peer: &PeerId, document: &DocumentId) -> PresenceEntry {
        self.version = self.version.saturating_add(1);
        let state = self.all.clone().map(|data| {
            let run = SessionId("".into());
            encode(&shown(peer.clone(), document.clone(), run, 0, data))
        });
        PresenceEntry {
            id: self.id,
            version: self.version,
            state,
        }
    }

    /// What is to be said when the client shows itself no more, if it did.
    pub(super) fn end(
        &mut self,
        peer: &PeerId,
        document: &DocumentId,
        run: SessionId,
    ) -> Option<Intent> {
        let was_present = std::mem::take(&mut self.is_present);
        self.all = None;
        was_present.then(|| {
            let data = Showing::Goodbye.write();
            Intent::Announce {
                entry: self.entry(peer, document),
                signal: encode(&shown(peer.clone(), document.clone(), run, 1, data)),
            }
        })
    }
}

impl Seats {
    /// The client says something for all who have a document open, or passes on what another has said.
    pub(super) fn show(
        &mut self,
        number: ConnectionId,
        author: &PeerId,
        said: Said,
        held: Held,
    ) -> ControlFlow<Stop> {
        let Some(seat) = self.seats.get_mut(&number) else {
            return ControlFlow::Continue(());
        };
        let document = seat.document.clone();
        let showing = match &said {
            Said::Ephemeral { data, .. } if self.peer.as_ref() == Some(author) => {
                Showing::read(data)
            }
            _ => None,
        };
        let signal = encode(&Message::Document {
            envelope: to_others(author.clone()),
            document: document.clone(),
            said,
        });
        let Some(showing) = showing else {
            return self.post(number, Intent::Signal(signal), Some(held));
        };
        let bytes_max = self.hub.world().limits.presence.state_bytes_max;
        let knew_all = seat.shows.all.is_some();
        let may_be_part = matches!(showing, Showing::Update { .. } | Showing::Heartbeat);
        seat.shows.take_in(showing, bytes_max);
        let begins = !knew_all && seat.shows.all.is_some();
        let entry = seat.shows.entry(author, &document);
        let mut intents = vec![Intent::Announce { signal, entry }];
        if begins {
            seat.shows.is_asking = true;
            intents.push(Intent::QueryPresence);
        }
        if !knew_all && may_be_part && !std::mem::replace(&mut seat.shows.was_asked, true) {
            self.ask_to_show_all(number, document);
        }
        self.post_all(number, intents, Some(held))
    }

    /// Has the client show all of itself, as it does half a second after it has met somebody new. It takes no one for present
    /// who does not say more than this.
    fn ask_to_show_all(&mut self, number: ConnectionId, document: DocumentId) {
        let stranger = self.own.clone();
        self.tell_shown(number, stranger, document, Showing::Heartbeat.write());
    }

    /// The document says who is here: all of them, if the client itself is among them and has asked.
    pub(super) fn introduce(&mut self, to: ConnectionId, entries: &[PresenceEntry]) {
        let Some(seat) = self.seats.get_mut(&to) else {
            return;
        };
        let shows = &mut seat.shows;
        if !shows.is_asking || !entries.iter().any(|entry| entry.id == shows.id) {
            return;
        }
        shows.is_asking = false;
        for state in entries.iter().filter_map(|entry| entry.state.as_ref()) {
            if let Ok(Message::Document {
                envelope,
                document,
                said: Said::Ephemeral { data, .. },
            }) = decode(state)
                && self.peer.as_ref() != Some(&envelope.sender)
            {
                self.tell_shown(to, envelope.sender, document, data);
            }
        }
    }

    /// Tells the client what somebody shows, in a run of its own.
    fn tell_shown(&mut self, to: ConnectionId, author: PeerId, document: DocumentId, data: Bytes) {
        let Some(seat) = self.seats.get_mut(&to) else {
            return;
        };
        seat.shows.told += 1;
        let run = SessionId(format!("{}-{to}-shown", self.own.0).into());
        // Clients pass it back, and then it is not new.
        self.shown.is_new(&author, &run, seat.shows.told);
        let mut message = shown(author, document, run, seat.shows.told, data);
        if let Message::Document { envelope, .. } = &mut message {
            envelope.target.clone_from(&self.peer);
        }
        self.frames.push_back(Frame::binary(encode(&message)));
    }
}

/// That somebody shows something.
fn shown(
    author: PeerId,
    document: DocumentId,
    session: SessionId,
    count: u64,
    data: Bytes,
) -> Message {
    Message::Document {
        envelope: to_others(author),
        document,
        said: Said::Ephemeral {
            session,
            count,
            data,
        },
    }
}

/// Who each of them is is filled in where they are told.
fn to_others(author: PeerId) -> Envelope {
    Envelope {
        sender: author,
        target: Some(PeerId("".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 64;

    fn shows() -> Shows {
        Shows::new(ReplicaId(3), ConnectionId(7))
    }

    fn update(channel: &str, value: &[u8]) -> Showing {
        Showing::Update {
            channel: channel.into(),
            value: Bytes::copy_from_slice(value),
        }
    }

    fn held(shows: &mut Shows) -> PresenceEntry {
        let document = DocumentId::new(&[1; 16]).unwrap();
        shows.entry(&PeerId("ann".into()), &document)
    }

    #[test]
    fn what_is_held_is_all_that_is_shown() {
        let mut shows = shows();
        assert_eq!(held(&mut shows).state, None);
        shows.take_in(Showing::Snapshot(Channels::default()), BYTES_MAX);
        for value in [b"\x01", b"\x02"] {
            shows.take_in(update("cursor", value), BYTES_MAX);
        }
        shows.take_in(update("name", b"\x61a"), BYTES_MAX);
        shows.take_in(Showing::Heartbeat, BYTES_MAX);
        let mut all = Channels::default();
        all.set("cursor".into(), Bytes::from_static(b"\x02"));
        all.set("name".into(), Bytes::from_static(b"\x61a"));
        assert_eq!(shows.channels(), all);
        let (first, next) = (held(&mut shows), held(&mut shows));
        assert!(next.version > first.version && first.state.is_some());
        shows.take_in(Showing::Goodbye, BYTES_MAX);
        assert_eq!(held(&mut shows).state, None);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let mut shows = shows();
        shows.take_in(update("a", &[0xf6; 1]), BYTES_MAX);
        assert!(held(&mut shows).state.is_some());
        shows.take_in(update("b", &[0xf6; BYTES_MAX]), BYTES_MAX);
        assert_eq!(
            held(&mut shows).state,
            None,
            "nothing that is not so any more"
        );
    }

    #[test]
    fn who_has_shown_itself_says_goodbye_once() {
        let mut shows = shows();
        let document = DocumentId::new(&[1; 16]).unwrap();
        let end = |shows: &mut Shows| {
            let run = SessionId("quire-3-7".into());
            shows.end(&PeerId("ann".into()), &document, run)
        };
        assert_eq!(end(&mut shows), None);
        shows.take_in(Showing::Heartbeat, BYTES_MAX);
        let Some(Intent::Announce { signal, entry }) = end(&mut shows) else {
            panic!("nothing is said");
        };
        assert_eq!(entry.state, None);
        match decode(&signal) {
            Ok(Message::Document {
                said: Said::Ephemeral { data, .. },
                ..
            }) => assert_eq!(Showing::read(&data), Some(Showing::Goodbye)),
            other => panic!("{other:?}"),
        }
        assert_eq!(end(&mut shows), None);
    }
}
