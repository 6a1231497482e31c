//! What a client is told: notices of the connection, what waits in the outboxes, and what became of its edits.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use engine::CloseReason;
use protocol::close;
use protocol::hocuspocus::{Address, Notice};
use protocol::websocket::Frame;

use super::super::End;
use super::super::mailing::Mailing;
use super::joined::Joined;
use super::seat::{Seats, State};
use crate::mail::Mail;
use crate::outbox::{Answers, Taken};

impl Seats {
    /// Whether so much is to be told already that nothing more is to be caused.
    pub(super) fn has_much_to_tell(&self) -> bool {
        self.notices.len() >= NOTICES_MAX
    }

    /// Puts all that is to be told into a queue, by way of `taking`, which is empty. What closes the connection or a
    /// document comes after what was told before.
    pub(super) fn poll_telling(
        &mut self,
        context: &mut Context<'_>,
        queue: &mut VecDeque<Frame>,
        taking: &mut VecDeque<Frame>,
    ) {
        queue.append(&mut self.notices);
        let mut closed = Vec::new();
        for (address, seat) in &mut self.seats {
            say(seat.answers.take(), address, queue);
            if let State::Joined(joined) = &mut seat.state
                && let Some(reason) = joined.poll_telling(address, context, queue, taking)
            {
                closed.push((address.clone(), reason));
            }
        }
        for (address, reason) in closed {
            self.closed(&address, reason);
        }
        queue.append(&mut self.notices);
    }

    /// The document has closed the client's place in it.
    fn closed(&mut self, address: &Address, reason: CloseReason) {
        if reason.is_about_the_document() {
            self.let_go(address, close::text(reason));
        } else {
            self.ending = self.ending.or(Some(End::Close(reason)));
            self.seats.remove(address);
        }
    }
}

impl Joined {
    /// Puts what the document has to tell into a queue, or says why it has closed the place.
    fn poll_telling(
        &mut self,
        address: &Address,
        context: &mut Context<'_>,
        queue: &mut VecDeque<Frame>,
        taking: &mut VecDeque<Frame>,
    ) -> Option<CloseReason> {
        loop {
            match self.asking.poll(context) {
                Poll::Pending => return None,
                Poll::Ready(Err(_)) => self.outbox.close(CloseReason::NotReady),
                Poll::Ready(Ok(())) => {}
            }
            match self.outbox.poll_take(context, taking) {
                Poll::Pending => return None,
                Poll::Ready(Taken::Frames { shows, answers, .. }) => {
                    queue.append(taking);
                    say(answers, address, queue);
                    self.taken = shows;
                    return None;
                }
                Poll::Ready(Taken::Dropped) => self.ask(),
                Poll::Ready(Taken::Close(reason)) => return Some(reason),
            }
        }
    }

    /// Asks the session for what was dropped.
    fn ask(&mut self) {
        let mail = Mail::Drained {
            connection: self.connection,
            seen: self.seen,
        };
        self.asking = Mailing::send(&self.mailbox, mail);
    }
}

/// Says of so many edits whether they are stored. They are all the same frame.
fn say(answers: Answers, address: &Address, queue: &mut VecDeque<Frame>) {
    for (count, is_stored) in [(answers.stored, true), (answers.refused, false)] {
        if count > 0 {
            let notice = Notice::Status { is_stored }.encode(address.as_str());
            let frame = Frame::binary(notice);
            queue.extend((0..count).map(|_| frame.clone()));
        }
    }
}

/// Notices that may wait; beyond them nothing is read.
const NOTICES_MAX: usize = 256;
