//! What a client is told: what comes of its questions, what others do, and what the connection itself has to say.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;
use engine::{CloseReason, ConnectionId, Event};
use protocol::automerge::{
    ChangeHash, DocumentId, Message, PeerId, Said, SharedEvent, Step, StoredHeads, decode, encode,
};
use protocol::close;
use protocol::websocket::Frame;
use tokio::time::Instant;

use super::super::End;
use super::seat::{Seat, Seats};
use crate::events::Told;
use crate::telemetry::metrics;

impl Seats {
    /// Puts what is to be told into a queue, which is empty; only so much that it is worth writing. What closes the connection
    /// comes after what was told before.
    pub(super) fn poll_telling(&mut self, context: &mut Context<'_>, queue: &mut VecDeque<Frame>) {
        let mut bytes = 0;
        while bytes < WRITTEN_BYTES && self.ending.is_none() {
            bytes += self.frames.iter().map(Frame::length).sum::<usize>();
            queue.append(&mut self.frames);
            match self.events.poll_next(context) {
                Poll::Ready(Ok(Told::Event { to, shared })) => self.told(to, &shared),
                Poll::Ready(Ok(Told::Closed { to, reason })) => self.closed(to, reason),
                Poll::Ready(Err(_)) => self.ending = Some(End::Close(CloseReason::Overloaded)),
                Poll::Pending => break,
            }
        }
        queue.append(&mut self.frames);
    }

    fn told(&mut self, to: ConnectionId, shared: &SharedEvent) {
        if matches!(shared.event, Event::Missing { .. }) {
            self.pulling.retain(|of| *of != to);
        }
        match &shared.event {
            Event::Signal(bytes) => return self.pass_on(to, bytes),
            Event::Presence(entries) => return self.introduce(to, entries),
            _ => {}
        }
        let mut steps = Vec::new();
        if let Some(seat) = self.seats.get_mut(&to) {
            seat.conversation.told(shared, &mut steps);
        }
        self.go(to, steps);
    }

    /// Does what a conversation comes to.
    pub(super) fn go(&mut self, number: ConnectionId, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Ask(intent) => self.pulls.push_back((number, intent)),
                Step::Say(message) => {
                    if let Some(seat) = self.seats.get(&number) {
                        let document = seat.document.clone();
                        self.say(&document, Said::Sync(message.write()));
                        self.say_heads(&document, message.heads);
                    }
                }
                Step::Refuse(reason) => self.say_why(close::text(reason)),
            }
        }
    }

    /// Tells a client that wants to hear it by name what is stored here.
    fn say_heads(&mut self, document: &DocumentId, heads: Vec<ChangeHash>) {
        let world = self.hub.world();
        let Some(storage) = world.storage_id.clone().filter(|_| self.is_subscribed) else {
            return;
        };
        let message = Message::Heads {
            envelope: self.envelope(),
            document: document.clone(),
            stores: vec![StoredHeads {
                storage,
                heads,
                timestamp_ms: world.clock.now().wall_ms,
            }],
        };
        self.frames.push_back(Frame::binary(encode(&message)));
    }

    /// Passes on what somebody shows of himself. It may come from others than clients, who mean other clients.
    fn pass_on(&mut self, to: ConnectionId, bytes: &Bytes) {
        let Ok(Message::Document {
            mut envelope,
            document,
            said: said @ Said::Ephemeral { .. },
        }) = decode(bytes)
        else {
            return;
        };
        let is_of_document = |seat: &Seat| seat.document == document;
        if self.seats.get(&to).is_some_and(is_of_document) && self.is_new(&envelope.sender, &said) {
            envelope.target.clone_from(&self.peer);
            let message = Message::Document {
                envelope,
                document,
                said,
            };
            self.frames.push_back(Frame::binary(encode(&message)));
        }
    }

    /// Whether the client neither was told before what somebody shows, nor has shown it.
    pub(super) fn is_new(&mut self, author: &PeerId, said: &Said) -> bool {
        match said {
            Said::Ephemeral { session, count, .. } => self.shown.is_new(author, session, *count),
            _ => true,
        }
    }

    /// The document has closed the client's place in it.
    fn closed(&mut self, to: ConnectionId, reason: CloseReason) {
        metrics::closed(reason);
        if reason.is_about_the_document() {
            self.deny(to, close::text(reason));
        } else {
            self.ending = self.ending.or(Some(End::Close(reason)));
        }
    }

    /// When somebody is to hear next that nobody has a document.
    pub(super) fn next_missing_at(&self) -> Option<Instant> {
        let seats = self.seats.values();
        let waiting = seats.filter(|seat| seat.conversation.is_missing());
        waiting.filter_map(|seat| seat.missing_at).min()
    }

    /// Tells the client which documents nobody has, of which it is told when they come. False if there are none.
    pub(super) fn tell_missing(&mut self, now: Instant) -> bool {
        let mut missing = Vec::new();
        for seat in self.seats.values_mut() {
            if seat.conversation.is_missing() && seat.missing_at.take_if(|at| *at <= now).is_some()
            {
                missing.push(seat.document.clone());
            }
        }
        for document in &missing {
            self.say(document, Said::Unavailable);
        }
        !missing.is_empty()
    }
}

/// So much is written at once at least; the rest stays as it came, where it takes up less.
const WRITTEN_BYTES: usize = 256 * 1024;
