//! What a client is told: what the documents tell of others, and answers. Each answer comes after all that was told before it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::Context;

use engine::ConnectionId;
use engine::ordered::{OrderedEvent, RequestTag};
use protocol::close;
use protocol::sharedb::{self, Address, Code};
use protocol::websocket::Frame;

use super::filling::Filled;
use super::requests::Outcome;
use super::seat::Seats;
use super::seen;
use crate::ordered::Letter;

impl Seats {
    /// Puts what is to be told into a queue, which is empty; only so much that it is worth writing. What closes the connection
    /// comes after what was told before.
    pub(super) fn poll_telling(&mut self, context: &mut Context<'_>, queue: &mut VecDeque<Frame>) {
        let mut bytes = 0;
        while bytes < WRITTEN_BYTES && self.ending.is_none() {
            bytes += self.frames.iter().map(Frame::length).sum::<usize>();
            queue.append(&mut self.frames);
            match self.taken.pop_front() {
                Some(letter) => self.open(letter),
                None if self.letters.poll_take(context, &mut self.taken).is_ready() => {}
                None => return,
            }
        }
        queue.append(&mut self.frames);
    }

    fn open(&mut self, letter: Letter) {
        match letter {
            Letter::Told { to, event, frame } => self.told(to, event, frame),
            Letter::Missed { to, gap } => {
                if let Some(seat) = self.seats.get_mut(&to) {
                    seat.filling.miss(gap);
                    self.behind.insert(to);
                }
            }
            Letter::Closed { to, reason } => self.closed(to, reason),
        }
    }

    fn told(&mut self, to: ConnectionId, event: OrderedEvent, frame: Option<Frame>) {
        let Some(seat) = self.seats.get_mut(&to) else {
            return;
        };
        let is_told = match &event {
            OrderedEvent::Operation(record) => seat.filling.passes(record.version),
            OrderedEvent::Presence(presence) => seat.filling.shows(presence),
            _ => return self.take_answer(to, event),
        };
        if !is_told {
            return;
        }
        match (&seat.projection, &event) {
            (Some(projection), OrderedEvent::Operation(record)) => {
                let seen = seen::operation(projection, &seat.address, record);
                self.say(seen);
            }
            _ => self.frames.extend(frame),
        }
    }

    /// Takes an answer, which waits if something that comes before it was left out.
    fn take_answer(&mut self, to: ConnectionId, event: OrderedEvent) {
        let (Some(seat), Some(tag)) = (self.seats.get_mut(&to), tag_of(&event)) else {
            return;
        };
        if let OrderedEvent::More { .. } = event {
            if seat.filling.goes_on(tag) {
                self.behind.insert(to);
            }
            return self.answer(tag, Outcome::Done);
        }
        match seat.filling.filled(tag) {
            Filled::Nothing if seat.filling.is_behind() => seat.held.push_back(event),
            Filled::Nothing => self.pass_on(to, event),
            Filled::Operations => {
                self.answer(tag, Outcome::Done);
                self.catch_up_by_itself(to, event);
                self.pass_on_held(to);
            }
            Filled::Presence(gone) => {
                let address = seat.address.clone();
                self.answer(tag, Outcome::Done);
                for gone in &gone {
                    self.say(sharedb::presence(&address, gone));
                }
            }
        }
    }

    /// Where the gap is too wide to be filled, the client is shown that it is behind, and asks itself.
    fn catch_up_by_itself(&mut self, to: ConnectionId, event: OrderedEvent) {
        match event {
            OrderedEvent::Reset { had, state, .. } if had > state.version => {
                self.take_back(to, had);
            }
            OrderedEvent::Reset { state, .. } | OrderedEvent::Document { state, .. } => {
                if let Some(seat) = self.seats.get_mut(&to) {
                    seat.filling.expect(Some(state.version));
                    let address = seat.address.clone();
                    let beyond = self.deletion(&address, state.version + 1);
                    self.say(beyond);
                }
            }
            _ => {}
        }
    }

    /// Passes on the answers that waited.
    pub(super) fn pass_on_held(&mut self, to: ConnectionId) {
        let held = self
            .seats
            .get_mut(&to)
            .map(|seat| std::mem::take(&mut seat.held));
        for event in held.into_iter().flatten() {
            self.pass_on(to, event);
        }
    }

    fn pass_on(&mut self, to: ConnectionId, event: OrderedEvent) {
        let (tag, outcome) = match event {
            OrderedEvent::Document { tag, state } => {
                self.show_people_again(to);
                (tag, self.whole(to, &state))
            }
            OrderedEvent::Reset { tag, had, state } => {
                self.show_people_again(to);
                match had > state.version {
                    true => self.take_back(to, had),
                    false => self.reset(to, had),
                }
                (tag, self.whole(to, &state))
            }
            OrderedEvent::Done { tag } => (tag, Outcome::Done),
            OrderedEvent::Committed { tag, version } => {
                if let Some(seat) = self.seats.get_mut(&to) {
                    seat.filling.passes(version);
                }
                (tag, Outcome::Committed(version))
            }
            OrderedEvent::Refused { tag, why } => {
                (tag, Outcome::Failed(Code::from(&why), sharedb::words(&why)))
            }
            OrderedEvent::Forbidden { tag } => {
                let text = close::text(engine::CloseReason::Forbidden);
                (tag, Outcome::Failed(Code::Forbidden, text.to_owned()))
            }
            OrderedEvent::Operation(_) | OrderedEvent::Presence(_) | OrderedEvent::More { .. } => {
                return;
            }
        };
        self.answer(tag, outcome);
    }

    /// Clients take a whole document only if they have none, so what they have is deleted first.
    fn reset(&mut self, to: ConnectionId, had: u64) {
        if let Some(address) = self.forget(to, 0..=had) {
            let deletion = self.deletion(&address, had);
            self.say(deletion);
        }
    }

    /// A client that is ahead of all that there is never goes back by itself, and takes no document that is behind it. It lets go
    /// of everything and asks anew when it is told of an edit that does not fit, as none does behind a deletion.
    fn take_back(&mut self, to: ConnectionId, had: u64) {
        if let Some(address) = self.forget(to, had..=had) {
            for unfit in [self.deletion(&address, had), self.unfit(&address, had + 1)] {
                self.say(unfit);
            }
        }
    }

    /// The client will know nothing any more of operations that it sent or is sending before it reads that it begins anew: it
    /// would take the answer to one for that to its next.
    fn forget(&mut self, to: ConnectionId, had: RangeInclusive<u64>) -> Option<Arc<Address>> {
        let seat = self.seats.get_mut(&to)?;
        let forgotten = self.requests.forget(to, &had);
        seat.asked = seat.asked.saturating_sub(forgotten);
        seat.forgotten = Some(had);
        Some(seat.address.clone())
    }

    /// Answers a question, unless it was answered before.
    pub(super) fn answer(&mut self, tag: RequestTag, outcome: Outcome) {
        let Some(waiting) = self.requests.take(tag) else {
            return;
        };
        if let Some(seat) = self.seats.get_mut(&waiting.seat) {
            seat.asked = seat.asked.saturating_sub(1);
            let texts = self.requests.answer(&seat.address, waiting.what, outcome);
            self.frames.extend(texts.into_iter().map(Frame::text));
        }
        self.end_if_answered();
    }
}

fn tag_of(event: &OrderedEvent) -> Option<RequestTag> {
    match event {
        OrderedEvent::Document { tag, .. }
        | OrderedEvent::Done { tag }
        | OrderedEvent::More { tag }
        | OrderedEvent::Committed { tag, .. }
        | OrderedEvent::Refused { tag, .. }
        | OrderedEvent::Forbidden { tag }
        | OrderedEvent::Reset { tag, .. } => Some(*tag),
        OrderedEvent::Operation(_) | OrderedEvent::Presence(_) => None,
    }
}

/// So much is written at once at least; the rest stays as it came, where it takes up less.
const WRITTEN_BYTES: usize = 256 * 1024;
