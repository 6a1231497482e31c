//! The tickets of the store in memory: by their hashes.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::Author;

use crate::numbers::millis;
use crate::ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};

#[derive(Debug, Default)]
pub(super) struct Tickets(BTreeMap<TicketHash, Kept>);

#[derive(Debug)]
struct Kept {
    user: Option<Author>,
    pass: Bytes,
    until_ms: u64,
}

impl Tickets {
    pub(super) fn keep(
        &mut self,
        ticket: NewTicket,
        bounds: TicketBounds,
        now_ms: u64,
    ) -> TicketKept {
        self.0.retain(|_, kept| kept.until_ms > now_ms);
        let theirs = self.0.values().filter(|kept| kept.user == ticket.user);
        let judged = bounds.judge(theirs.count() as u64, self.0.len() as u64);
        if judged == TicketKept::Good {
            let kept = Kept {
                user: ticket.user,
                pass: ticket.pass,
                until_ms: now_ms.saturating_add(millis(ticket.lasts)),
            };
            self.0.insert(ticket.hash, kept);
        }
        judged
    }

    pub(super) fn take(&mut self, hash: TicketHash, now_ms: u64) -> Option<Bytes> {
        let kept = self.0.remove(&hash)?;
        (kept.until_ms > now_ms).then_some(kept.pass)
    }
}
