//! What was decided meanwhile: who is let in, and what may be passed on now.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use engine::{CloseReason, ConnectionId};

use super::super::End;
use super::super::entering::NotIn;
use super::super::mailing::Mailing;
use super::Stop;
use super::seat::{Seats, State};
use crate::auth::{Pass, Refusal};
use crate::hub::JoinError;
use crate::mail::Mailbox;

impl Seats {
    /// Takes what was decided, passes on what can be, and waits until more may be read.
    pub(super) fn poll_settled(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.poll_entering(context);
        loop {
            ready!(self.poll_mailing(context));
            let flow = if let Some(unpacking) = &mut self.unpacking {
                let unpacked = ready!(unpacking.as_mut().poll(context));
                self.unpacking = None;
                self.sync(unpacked)
            } else {
                match self.deliver_waiting() {
                    Some(flow) => flow,
                    None if self.pull() => continue,
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

    /// Whether so much is to be told already that nothing more is to be caused.
    pub(super) fn has_much_to_tell(&self) -> bool {
        self.ending.is_some() || self.frames.len() >= FRAMES_MAX || self.pulls.len() >= PULLS_MAX
    }

    fn waits_for_decision(&self) -> bool {
        let (messages, bytes) = self.waiting;
        let limits = &self.limits.pre_auth;
        let is_full = messages >= limits.messages_max || bytes >= limits.bytes_max;
        let is_withheld = self.is_withheld && !self.is_known;
        (is_withheld || is_full) && self.is_deciding()
    }

    /// Waits until another mail may be sent.
    fn poll_mailing(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if ready!(self.mailing.poll(context)).is_err() {
            self.mailing = Mailing::Idle;
            // What a session has said itself goes before this.
            for (number, seat) in &self.seats {
                if let State::Joined(mailbox) = &seat.state
                    && mailbox.is_gone()
                {
                    self.events.close(*number, CloseReason::NotReady);
                }
            }
        }
        Poll::Ready(())
    }

    /// Whether there is something to ask of a document, and not too many are being asked.
    pub(super) fn is_ready_to_pull(&self) -> bool {
        let may_ask = self.pulling.len() < PULLING_MAX && self.frames.is_empty();
        let is_free = self.unpacking.is_none() && matches!(self.mailing, Mailing::Idle);
        may_ask && is_free && !self.pulls.is_empty()
    }

    /// Asks one document for what is to be asked of it. False if there is nothing to ask now.
    fn pull(&mut self) -> bool {
        if !self.is_ready_to_pull() {
            return false;
        }
        let Some((number, intent)) = self.pulls.pop_front() else {
            return false;
        };
        self.pulling.push(number);
        // Whatever comes of it, nothing is read before it is sent.
        let _ = self.post(number, intent, None);
        true
    }

    fn poll_entering(&mut self, context: &mut Context<'_>) {
        let mut decided = Vec::new();
        for (number, seat) in &mut self.seats {
            if let State::Entering(entering) = &mut seat.state
                && let Poll::Ready(result) = entering.as_mut().poll(context)
            {
                decided.push((*number, result));
            }
        }
        for (number, result) in decided {
            match result {
                Ok((pass, mailbox)) => self.seated(number, &pass, mailbox),
                Err(NotIn::Refused(refusal)) => self.refused(number, &refusal),
                Err(NotIn::NoRoom(JoinError::Stopping)) => {
                    self.ending = Some(End::Close(CloseReason::Stopping));
                }
                Err(NotIn::NoRoom(JoinError::Full)) => {
                    self.ending = Some(End::Close(CloseReason::Overloaded));
                }
            }
        }
    }

    fn seated(&mut self, number: ConnectionId, pass: &Arc<Pass>, mailbox: Mailbox) {
        self.is_known = true;
        let user = pass.author();
        if let Some(seat) = self.seats.get_mut(&number) {
            seat.state = State::Joined(mailbox);
        }
        if let Err(limit) = self.users.take_place(&self.hub.world(), user) {
            self.ending = Some(End::Close(CloseReason::TooMany(limit)));
        }
    }

    fn refused(&mut self, number: ConnectionId, refusal: &Refusal) {
        let reason = refusal.close_reason();
        if reason.is_about_the_document() {
            self.was_denied = true;
            self.deny(number, &refusal.to_string());
        } else {
            self.ending = Some(End::Close(reason));
        }
    }

    /// Passes on the first thing that has waited for the client to get in, if there is any.
    fn deliver_waiting(&mut self) -> Option<ControlFlow<Stop>> {
        if self.waiting.0 == 0 {
            return None;
        }
        let mut seats = self.seats.iter_mut();
        let (number, heard) = seats.find_map(|(number, seat)| match seat.state {
            State::Joined(_) => Some((*number, seat.waiting.pop_front()?)),
            _ => None,
        })?;
        self.waited(&heard);
        Some(self.deliver(number, heard))
    }
}

/// Answers that may wait to be written; beyond them nothing is read.
const FRAMES_MAX: usize = 256;
/// Questions that may wait to be asked of documents; beyond them nothing is read.
const PULLS_MAX: usize = 256;
/// How many documents are asked at the same time. Each answer may be a whole document.
const PULLING_MAX: usize = 4;
