//! What was decided meanwhile: who is let in, and what may be passed on to the documents now.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use engine::{CloseReason, ConnectionId};

use super::super::End;
use super::super::entering::NotIn;
use super::super::mailing::Mailing;
use super::seat::{Seats, State};
use crate::auth::{Pass, Refusal};
use crate::hub::JoinError;
use crate::mail::{Mail, Mailbox};

impl Seats {
    /// Takes what was decided, passes on what can be, and waits until more may be read.
    pub(super) fn poll_settled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_entering(context);
        self.poll_past(context);
        self.poll_live(context);
        ready!(self.poll_sending(context));
        if self.has_enough() || self.waits_for_decision() {
            return Poll::Pending;
        }
        self.is_withheld = false;
        Poll::Ready(())
    }

    /// Whether so much waits to be answered or told that nothing more is to be caused.
    pub(super) fn has_enough(&self) -> bool {
        let (count, bytes) = self.requests.load();
        let waits = count >= WAITING_MAX || bytes >= WAITING_BYTES_MAX;
        waits
            || self.is_stopping
            || self.past.is_full()
            || self.frames.len() >= FRAMES_MAX
            || self.ending.is_some()
    }

    /// How many bytes more may wait until it is known who the client is.
    pub(super) fn room(&self) -> usize {
        let (_, bytes) = self.requests.load();
        self.limits.pre_auth.bytes_max.saturating_sub(bytes)
    }

    fn waits_for_decision(&self) -> bool {
        let (count, _) = self.requests.load();
        let is_full = count >= self.limits.pre_auth.messages_max || self.room() == 0;
        !self.is_known && (self.is_withheld || is_full) && !self.entering.is_empty()
    }

    /// Sends what waits to be asked, and waits until there is nothing more of it.
    pub(super) fn poll_sending(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.mailing.poll(context)).is_err() {
                self.mailing = Mailing::Idle;
                self.close_gone();
            }
            if let Some((mailbox, number)) = self.leaving.pop_front() {
                self.mailing = Mailing::send(&mailbox, Mail::Leave(number));
            } else if let Some(number) = self.ready.pop_front() {
                self.send(number);
            } else {
                return Poll::Ready(());
            }
        }
    }

    fn send(&mut self, number: ConnectionId) {
        let Some(seat) = self.seats.get_mut(&number) else {
            return;
        };
        if let State::Joined(mailbox) = &seat.state
            && !seat.waiting.is_empty()
        {
            let (requests, held) = std::mem::take(&mut seat.waiting).into_iter().unzip();
            let held: Vec<Option<_>> = held;
            let mail = Mail::Requests {
                connection: number,
                requests,
                held: held.into_iter().flatten().collect(),
            };
            self.mailing = Mailing::send(mailbox, mail);
        }
    }

    /// Sessions that are gone say so themselves, unless they could not.
    fn close_gone(&self) {
        for (number, seat) in &self.seats {
            if let State::Joined(mailbox) = &seat.state
                && mailbox.is_gone()
            {
                self.letters.close(*number, CloseReason::NotReady);
            }
        }
    }

    fn poll_entering(&mut self, context: &mut Context<'_>) {
        let mut decided = Vec::new();
        self.entering.retain(|number| {
            let Some(State::Entering(entering)) =
                self.seats.get_mut(number).map(|seat| &mut seat.state)
            else {
                return false;
            };
            match entering.as_mut().poll(context) {
                Poll::Ready(result) => decided.push((*number, result)),
                Poll::Pending => return true,
            }
            false
        });
        for (number, result) in decided {
            match result {
                Ok((pass, mailbox)) => self.seated(number, &pass, mailbox),
                Err(NotIn::Refused(refusal)) => self.refused(number, &refusal),
                Err(NotIn::NoRoom(JoinError::Stopping)) => {
                    self.closed(number, CloseReason::Stopping);
                }
                Err(NotIn::NoRoom(JoinError::Full)) => self.closed(number, CloseReason::Overloaded),
            }
        }
    }

    fn seated(&mut self, number: ConnectionId, pass: &Arc<Pass>, mailbox: Mailbox) {
        self.is_known = true;
        let user = pass.author();
        if let Err(limit) = self.users.take_place(&self.hub.world(), user) {
            self.leaving.push_back((mailbox, number));
            self.ending = Some(End::Close(CloseReason::TooMany(limit)));
        } else if let Some(seat) = self.seats.get_mut(&number) {
            seat.state = State::Joined(mailbox);
            self.ready.push_back(number);
        }
    }

    fn refused(&mut self, number: ConnectionId, refusal: &Refusal) {
        let reason = refusal.close_reason();
        if reason.is_about_the_document() {
            self.was_denied = true;
            if let Some(seat) = self.seats.get_mut(&number) {
                // It never was told anything.
                seat.is_subscribed = false;
            }
            self.let_go(number, reason, &refusal.to_string());
        } else {
            self.closed(number, reason);
        }
    }
}

/// Questions that may wait for their answers; beyond them nothing is read.
const WAITING_MAX: usize = 512;
/// The same in bytes of their messages.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Answers of the connection itself that may wait to be written; beyond them nothing is read.
const FRAMES_MAX: usize = 256;
