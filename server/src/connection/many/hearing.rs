//! What a client says: for whom it is, and what becomes of it.
//!
//! Clients of all versions say who they are before they ask for content, if they do at all. So one that asks first has
//! nothing to show, and only then counts what it showed when it connected. What comes before either waits.

use std::ops::ControlFlow;

use bytes::Bytes;
use engine::{CloseReason, DocumentKey, Intent, Limit, NAME_BYTES_MAX};
use protocol::close;
use protocol::hocuspocus::{self, Address, Frame, Message};
use storage::Failpoint;
use tracing::info;

use super::super::entering::Own;
use super::super::mailing::Mailing;
use super::super::{End, flooding};
use super::DIALECT;
use super::joined;
use super::seat::{Seats, State};
use super::waiting::Heard;
use crate::auth::Credential;
use crate::mail::Mail;
use crate::receiving::Held;
use crate::socket::Incoming;
use crate::telemetry::metrics;

/// Why reading stops.
pub(super) enum Stop {
    /// The connection ends.
    End(End),
    /// Something is to be decided or to be sent before more is read.
    Settle,
}

impl Seats {
    pub(super) fn take(&mut self, incoming: Incoming) -> ControlFlow<Stop> {
        let reason = match incoming {
            Incoming::Binary(frame, held) => return self.take_frame(&frame, held),
            Incoming::Alive => return ControlFlow::Continue(()),
            Incoming::Withheld => return self.withhold(),
            Incoming::Closed => return ControlFlow::Break(Stop::End(End::ByPeer)),
            Incoming::Text(..)
            | Incoming::Abridged(..)
            | Incoming::Malformed
            | Incoming::NotUtf8 => CloseReason::BadFrame,
            Incoming::Overloaded => CloseReason::Overloaded,
            Incoming::TooFast(limit) => CloseReason::Flooding(limit),
            Incoming::TooLarge => CloseReason::TooLarge,
        };
        ControlFlow::Break(Stop::End(End::Close(reason)))
    }

    /// The client begins a message that is longer than may wait. It is taken once the client is known.
    fn withhold(&mut self) -> ControlFlow<Stop> {
        self.is_withheld = true;
        if self.is_deciding() || self.is_known {
            return ControlFlow::Break(Stop::Settle);
        }
        let reason = flooding(Limit::PreAuthBytes);
        ControlFlow::Break(Stop::End(End::Close(reason)))
    }

    fn take_frame(&mut self, frame: &Bytes, held: Held) -> ControlFlow<Stop> {
        metrics::frame_received(frame.len());
        Failpoint::FrameReceived.reach();
        let (address, message) = match hocuspocus::decode(frame) {
            Ok(Frame::Pong) => return ControlFlow::Continue(()),
            Ok(Frame::Addressed(address, message)) => (address, message),
            Err(fault) => {
                let end = End::Refuse(CloseReason::BadFrame, fault);
                return ControlFlow::Break(Stop::End(end));
            }
        };
        if address.as_str().len() > ADDRESS_BYTES_MAX {
            return ControlFlow::Break(Stop::End(End::Close(CloseReason::BadName)));
        }
        let heard = Heard {
            message,
            bytes: frame.len(),
            held,
        };
        self.hear(&address, heard)
    }

    fn hear(&mut self, address: &Address, heard: Heard) -> ControlFlow<Stop> {
        if !self.seats.contains_key(address) && !self.seat(address, &heard.message) {
            return ControlFlow::Continue(());
        }
        let Some(seat) = self.seats.get_mut(address) else {
            return ControlFlow::Continue(());
        };
        match (&seat.state, &heard.message) {
            (State::Joined(_), _) => self.deliver(address, heard),
            (State::Entering(_), _) => self.wait(address, heard),
            (_, Message::Leave) => {
                self.forget(address);
                ControlFlow::Continue(())
            }
            (State::Denied, Message::Token { .. }) => self.try_again(address, heard),
            (_, Message::Token { token, .. }) => {
                let shown = shown(token);
                self.enter(address, shown, heard)
            }
            (State::Unknown, Message::Intent(Intent::Pull { .. })) => {
                self.enter(address, None, heard)
            }
            (State::Unknown, _) => self.wait(address, heard),
            (State::Denied, message) => {
                if is_edit(message) {
                    seat.answers.add(false);
                }
                ControlFlow::Continue(())
            }
        }
    }

    /// Gives a document a seat. False if there is none for it, or what is said needs none.
    fn seat(&mut self, address: &Address, message: &Message) -> bool {
        // What a client shows of itself it shows again when it joins, and takes back once more after it has left.
        let needs_none = matches!(
            message,
            Message::Leave | Message::Intent(Intent::ShowPresence(_) | Intent::QueryPresence)
        );
        if needs_none {
            return false;
        }
        if self.seats.len() >= 2 * self.limits.documents_max {
            self.clear_a_seat();
        }
        let has_room = self.has_room();
        self.seats.entry(address.clone()).or_default();
        if !has_room {
            self.deny_another(address);
        }
        has_room
    }

    /// Whether there may be one more document. Those that were denied are remembered beside them, for as many again.
    fn has_room(&self) -> bool {
        let seats = self.seats.values();
        let taken = seats.filter(|seat| !matches!(seat.state, State::Denied));
        taken.count() < self.limits.documents_max
    }

    /// Denies one document more than there may be.
    fn deny_another(&mut self, address: &Address) {
        let limit = Limit::DocumentsPerConnection;
        metrics::limit_hit(limit.as_str());
        self.deny(address, close::text(CloseReason::TooMany(limit)));
    }

    /// A client that was denied a document shows something else.
    fn try_again(&mut self, address: &Address, heard: Heard) -> ControlFlow<Stop> {
        if !self.has_room() {
            self.deny_another(address);
            return ControlFlow::Continue(());
        }
        let shown = match &heard.message {
            Message::Token { token, .. } => shown(token),
            _ => None,
        };
        self.enter(address, shown, heard)
    }

    /// Forgets a document that was denied.
    fn clear_a_seat(&mut self) {
        let mut seats = self.seats.iter();
        let denied = seats.find(|(_, seat)| matches!(seat.state, State::Denied));
        if let Some(address) = denied.map(|(address, _)| address.clone()) {
            self.seats.remove(&address);
        }
    }

    /// Forgets a document that the client has left.
    fn forget(&mut self, address: &Address) {
        if let Some(seat) = self.seats.remove(address) {
            for heard in &seat.waiting {
                self.waiting.remove(heard);
            }
        }
    }

    /// Begins to let the client in by what it shows, if it shows anything for this document.
    fn enter(&mut self, address: &Address, shown: Option<Own>, heard: Heard) -> ControlFlow<Stop> {
        let document = match DocumentKey::new(&self.guest.workspace, address.document()) {
            Ok(document) => document,
            Err(error) => {
                self.deny(address, &error.to_string());
                return ControlFlow::Continue(());
            }
        };
        let own = shown.or_else(|| self.guest.own.clone());
        let by = address.has_session().then(|| address.as_str().into());
        let entering = joined::entering(self.hub.clone(), &self.limits, document, by, own);
        if let Some(seat) = self.seats.get_mut(address) {
            seat.state = State::Entering(entering);
        }
        match heard.message {
            Message::Token { version, .. } => self.says_version |= version.is_some(),
            _ => return self.wait(address, heard),
        }
        ControlFlow::Break(Stop::Settle)
    }

    /// Keeps what is said until the client is in. Where as much waits as may, nothing more is read while something is being
    /// decided.
    fn wait(&mut self, address: &Address, heard: Heard) -> ControlFlow<Stop> {
        let Some(seat) = self.seats.get_mut(address) else {
            return ControlFlow::Continue(());
        };
        self.waiting.add(&heard);
        seat.waiting.push_back(heard);
        match self.waiting.exceeds(&self.limits.pre_auth) {
            Some(limit) if !self.is_deciding() => self.refuse_to_wait(address, limit),
            _ => ControlFlow::Break(Stop::Settle),
        }
    }

    /// Too much waits, and nothing will come of it.
    fn refuse_to_wait(&mut self, address: &Address, limit: Limit) -> ControlFlow<Stop> {
        let reason = flooding(limit);
        if !self.is_known {
            return ControlFlow::Break(Stop::End(End::Close(reason)));
        }
        self.deny(address, close::text(reason));
        ControlFlow::Continue(())
    }

    /// Passes on what is said to the document that the client is in.
    pub(super) fn deliver(&mut self, address: &Address, heard: Heard) -> ControlFlow<Stop> {
        match heard.message {
            Message::Token { token, version } => {
                self.says_version |= version.is_some();
                self.renew(address, shown(&token));
                ControlFlow::Break(Stop::Settle)
            }
            Message::Leave => self.unseat(address),
            Message::Unreadable(fault) => {
                self.refuse_edit(address, &fault);
                ControlFlow::Continue(())
            }
            Message::Intent(intent) => self.pass_on(address, intent, heard.held),
        }
    }

    fn pass_on(&mut self, address: &Address, intent: Intent, held: Held) -> ControlFlow<Stop> {
        if let Err((reason, fault)) = DIALECT.check(&intent, &self.limits.bounds) {
            if reason.is_about_the_edit() {
                super::super::count(&fault);
                self.refuse_edit(address, &fault);
                return ControlFlow::Continue(());
            }
            return ControlFlow::Break(Stop::End(End::refuse(reason, fault)));
        }
        Failpoint::FrameChecked.reach();
        let mail = |connection, seen| Mail::Intents {
            connection,
            intents: vec![intent],
            seen,
            held,
        };
        self.post(address, mail)
    }

    fn renew(&mut self, address: &Address, shown: Option<Own>) {
        let own = shown.or_else(|| self.guest.own.clone());
        let hub = self.hub.clone();
        if let Some(joined) = self.place(address) {
            let document = joined.document.clone();
            joined.renewing = Some(joined::renew(&hub, document, own));
        }
    }

    fn refuse_edit(&mut self, address: &Address, fault: &protocol::FrameError) {
        if let Some(seat) = self.seats.get_mut(address) {
            seat.answers.add(false);
            info!(address = ?address.as_str(), "an edit was refused: {fault}");
        }
    }

    /// The client leaves a document.
    fn unseat(&mut self, address: &Address) -> ControlFlow<Stop> {
        let flow = self.post(address, |connection, _| Mail::Leave(connection));
        self.forget(address);
        flow
    }

    /// Sends a mail to a document that the client is in.
    pub(super) fn post(
        &mut self,
        address: &Address,
        mail: impl FnOnce(engine::ConnectionId, Option<u64>) -> Mail,
    ) -> ControlFlow<Stop> {
        let Some(joined) = self.place(address) else {
            return ControlFlow::Continue(());
        };
        match Mailing::send(&joined.mailbox, mail(joined.connection, joined.seen)) {
            Mailing::Idle => ControlFlow::Continue(()),
            Mailing::Nobody => {
                joined.outbox.close(CloseReason::NotReady);
                ControlFlow::Continue(())
            }
            sending @ Mailing::Sending(_) => {
                self.mailing = sending;
                ControlFlow::Break(Stop::Settle)
            }
        }
    }
}

/// What a client shows; an empty token is none.
fn shown(token: &Bytes) -> Option<Own> {
    let text = std::str::from_utf8(token).unwrap_or_default();
    (!text.is_empty()).then(|| Own::Credential(Credential::new(text)))
}

/// Whether the client waits for an answer to it.
pub(super) fn is_edit(message: &Message) -> bool {
    matches!(
        message,
        Message::Intent(Intent::Push { .. }) | Message::Unreadable(_)
    )
}

/// The longest address: a document's name, and as much again for the client's own word.
const ADDRESS_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 1;
