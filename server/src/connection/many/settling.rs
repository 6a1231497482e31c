//! What was decided meanwhile: who is let in, whose newer token is good, and what may be passed on now.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use engine::CloseReason;
use protocol::close;
use protocol::hocuspocus::{Address, Notice};
use protocol::websocket::Frame;
use tracing::info;

use super::super::End;
use super::super::entering::NotIn;
use super::super::mailing::Mailing;
use super::hearing::{Stop, is_edit};
use super::joined::{Joined, token_at};
use super::seat::{Seats, State};
use crate::auth::{Pass, Refusal};
use crate::hub::JoinError;
use crate::mail::Mail;

impl Seats {
    /// Takes what was decided, and waits until more may be read.
    pub(super) fn poll_settled(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.poll_entering(context);
        loop {
            ready!(self.poll_mailing(context));
            let flow = if self.poll_renewing(context) {
                ControlFlow::Continue(())
            } else {
                match self.deliver_waiting() {
                    Some(flow) => flow,
                    None => break,
                }
            };
            if let ControlFlow::Break(Stop::End(end)) = flow {
                return Poll::Ready(Err(end));
            }
        }
        if self.has_much_to_tell() || self.waits_for_decision() {
            return Poll::Pending;
        }
        self.is_withheld = false;
        Poll::Ready(Ok(()))
    }

    /// Whether somebody is being let in.
    pub(super) fn is_deciding(&self) -> bool {
        let mut seats = self.seats.values();
        seats.any(|seat| matches!(seat.state, State::Entering(_)))
    }

    fn waits_for_decision(&self) -> bool {
        let is_withheld = self.is_withheld && !self.is_known;
        let is_full = self.waiting.is_full(&self.limits.pre_auth);
        (is_withheld || is_full) && self.is_deciding()
    }

    /// Waits until another mail may be sent.
    fn poll_mailing(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if ready!(self.mailing.poll(context)).is_err() {
            self.mailing = Mailing::Idle;
            // What the session has said itself goes before this.
            let gone = self.joined().filter(|(_, joined)| joined.mailbox.is_gone());
            gone.for_each(|(_, joined)| joined.outbox.close(CloseReason::NotReady));
        }
        Poll::Ready(())
    }

    fn poll_entering(&mut self, context: &mut Context<'_>) {
        let mut decided = Vec::new();
        for (address, seat) in &mut self.seats {
            if let State::Entering(entering) = &mut seat.state
                && let Poll::Ready(result) = entering.as_mut().poll(context)
            {
                decided.push((address.clone(), result));
            }
        }
        for (address, result) in decided {
            self.entered(&address, result);
        }
    }

    fn entered(&mut self, address: &Address, result: Result<Joined, NotIn>) {
        match result {
            Ok(joined) => self.seated(address, joined),
            Err(NotIn::Refused(refusal)) => self.refused(address, &refusal),
            Err(NotIn::NoRoom(JoinError::Stopping)) => {
                self.ending = Some(End::Close(CloseReason::Stopping));
            }
            Err(NotIn::NoRoom(JoinError::Full)) => {
                self.ending = Some(End::Close(CloseReason::Overloaded));
            }
        }
    }

    fn refused(&mut self, address: &Address, refusal: &Refusal) {
        let reason = refusal.close_reason();
        if reason.is_about_the_document() {
            self.was_denied = true;
            self.deny(address, &refusal.to_string());
        } else {
            self.ending = Some(End::Close(reason));
        }
    }

    fn seated(&mut self, address: &Address, joined: Joined) {
        let user = joined.pass.author();
        let Some(seat) = self.seats.get_mut(address) else {
            return;
        };
        seat.state = State::Joined(Box::new(joined));
        self.is_known = true;
        if let Err(limit) = self.users.take_place(&self.hub.world(), user) {
            self.turn_out(address, close::text(CloseReason::TooMany(limit)));
        }
    }

    /// Takes one newer token that was looked at. True if there was one.
    fn poll_renewing(&mut self, context: &mut Context<'_>) -> bool {
        let mut decided = None;
        for (address, joined) in self.joined() {
            if let Some(renewing) = &mut joined.renewing
                && let Poll::Ready(result) = renewing.as_mut().poll(context)
            {
                joined.renewing = None;
                decided = Some((address.clone(), result));
                break;
            }
        }
        let was_one = decided.is_some();
        if let Some((address, result)) = decided {
            self.renewed(&address, result);
        }
        was_one
    }

    fn renewed(&mut self, address: &Address, result: Result<Arc<Pass>, Refusal>) {
        let now = self.hub.world().clock.now();
        let Some(joined) = self.place(address) else {
            return;
        };
        match result {
            Ok(pass) if pass.author() == joined.pass.author() => {
                joined.pass = pass.clone();
                joined.token_at = token_at(&pass, now);
                let mail = |connection, _| Mail::Renew { connection, pass };
                // Whether it was sent at once makes no difference: nothing else is sent before.
                let _ = self.post(address, mail);
            }
            Ok(_) => self.turn_out(address, SOMEBODY_ELSE),
            Err(refusal) if refusal.close_reason().is_about_the_document() => {
                self.turn_out(address, &refusal.to_string());
            }
            Err(refusal) => {
                info!(address = ?address.as_str(), "a newer token could not be looked at: {refusal}");
            }
        }
    }

    /// Passes on the first thing that has waited for the client to get in, if there is any.
    fn deliver_waiting(&mut self) -> Option<ControlFlow<Stop>> {
        let mut seats = self.seats.iter_mut();
        let (address, heard) = seats.find_map(|(address, seat)| match seat.state {
            State::Joined(_) => Some((address.clone(), seat.waiting.pop_front()?)),
            _ => None,
        })?;
        self.waiting.remove(&heard);
        Some(self.deliver(&address, heard))
    }

    /// Has the client leave a document that it is in.
    fn turn_out(&mut self, address: &Address, reason: &str) {
        let _ = self.post(address, |connection, _| Mail::Leave(connection));
        self.let_go(address, reason);
    }

    /// The client is no longer in a document, and is told why. Only providers from 4.x on are known to take the word that
    /// says no more than that; others take it for a denial.
    pub(super) fn let_go(&mut self, address: &Address, reason: &str) {
        if !self.says_version {
            return self.deny(address, reason);
        }
        info!(address = ?address.as_str(), "document closed to its client: {reason}");
        let notice = Notice::Close(reason).encode(address.as_str());
        self.notices.push_back(Frame::binary(notice));
        self.set_denied(address);
    }

    /// The client may not have a document, and is told why.
    pub(super) fn deny(&mut self, address: &Address, reason: &str) {
        self.say_denied(address, reason);
        self.set_denied(address);
    }

    pub(super) fn say_denied(&mut self, address: &Address, reason: &str) {
        info!(address = ?address.as_str(), "document refused to its client: {reason}");
        let notice = Notice::Denied(reason).encode(address.as_str());
        self.notices.push_back(Frame::binary(notice));
    }

    /// What has waited for it is answered where an answer is due, and forgotten.
    fn set_denied(&mut self, address: &Address) {
        let Some(seat) = self.seats.get_mut(address) else {
            return;
        };
        seat.state = State::Denied;
        for heard in seat.waiting.drain(..) {
            self.waiting.remove(&heard);
            if is_edit(&heard.message) {
                seat.answers.add(false);
            }
        }
    }

    /// The client's place in a document that it is in.
    pub(super) fn place(&mut self, address: &Address) -> Option<&mut Joined> {
        match &mut self.seats.get_mut(address)?.state {
            State::Joined(joined) => Some(joined),
            _ => None,
        }
    }
}

const SOMEBODY_ELSE: &str =
    "The newer token is somebody else's; leave the document and join it again.";
