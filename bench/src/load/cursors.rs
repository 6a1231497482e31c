//! Cursors that move: who has seen which one where. Of each, only the latest place counts; a server may leave out earlier
//! ones.

use std::io::Write;

use super::author::FIRST_CLIENT;
use super::tally::{Faults, Times};
use super::wire::{Reader, put_var_bytes, put_var_uint};
use crate::spec::PresenceResult;

/// The cursors of one document, in which everyone has one and the first ones move.
#[derive(Debug)]
pub(crate) struct Cursors {
    first_client: u64,
    movers: u32,
    receivers: u32,
    /// By mover: when each of its moves was sent. The clock of a move is its place here, from 1.
    sent_us: Vec<Vec<u32>>,
    /// By receiver, then mover: the clock last seen.
    seen: Vec<u32>,
    deliveries: u64,
    superseded: u64,
    latency: Times,
}

impl Cursors {
    pub(crate) fn new(receivers: u32, movers: u32) -> Self {
        Self {
            first_client: FIRST_CLIENT,
            movers,
            receivers,
            sent_us: vec![Vec::new(); movers as usize],
            seen: vec![0; receivers as usize * movers as usize],
            deliveries: 0,
            superseded: 0,
            latency: Times::new(),
        }
    }

    /// Moves a cursor, and appends what tells of it.
    pub(crate) fn moved(&mut self, mover: u32, now_us: u32, out: &mut Vec<u8>) {
        let moves = &mut self.sent_us[mover as usize];
        moves.push(now_us);
        let clock = moves.len();
        let mut state = Vec::with_capacity(96);
        // A vector takes all that is written.
        let _ = write!(
            state,
            r##"{{"user":{{"name":"Person {mover}","color":"#30bced"}},"cursor":{{"anchor":{clock},"head":{clock}}}}}"##
        );
        put_var_uint(out, 1);
        put_var_uint(out, self.first_client + u64::from(mover));
        put_var_uint(out, clock as u64);
        put_var_bytes(out, &state);
    }

    /// A receiver was told of some.
    pub(crate) fn arrived(
        &mut self,
        receiver: u32,
        entries: &[u8],
        now_us: u32,
        faults: &mut Faults,
    ) {
        if let Err(error) = self.read(receiver, entries, now_us, faults) {
            faults.note("unreadable", || format!("{error:#} in a state of presence"));
        }
    }

    /// How many see a cursor elsewhere than where it is.
    pub(crate) fn missing(&self) -> u64 {
        let is_behind = |(cell, seen): (usize, &u32)| {
            let (receiver, mover) = (cell / self.movers as usize, cell % self.movers as usize);
            receiver != mover && (*seen as usize) < self.sent_us[mover].len()
        };
        self.seen
            .iter()
            .enumerate()
            .filter(|cell| is_behind(*cell))
            .count() as u64
    }

    pub(crate) fn result(&self) -> PresenceResult {
        PresenceResult {
            sent: self.sent_us.iter().map(|moves| moves.len() as u64).sum(),
            deliveries: self.deliveries,
            superseded: self.superseded,
            missing: self.missing(),
            latency: self.latency.quantiles(),
        }
    }

    fn read(
        &mut self,
        receiver: u32,
        entries: &[u8],
        now_us: u32,
        faults: &mut Faults,
    ) -> anyhow::Result<()> {
        let mut reader = Reader(entries);
        for _ in 0..reader.count()? {
            let (client, clock) = (reader.var_uint()?, reader.count()?);
            let state = reader.var_bytes()?;
            let mover = client.wrapping_sub(self.first_client);
            if mover < u64::from(self.movers) && receiver < self.receivers {
                self.see(receiver, mover as u32, clock, state, now_us, faults);
            }
        }
        Ok(())
    }

    fn see(
        &mut self,
        receiver: u32,
        mover: u32,
        clock: u32,
        state: &[u8],
        now_us: u32,
        faults: &mut Faults,
    ) {
        let sent = self.sent_us[mover as usize].get(clock.wrapping_sub(1) as usize);
        let (Some(sent), true) = (sent, head(state) == Some(clock)) else {
            return faults.note("altered", || {
                format!(
                    "cursor {mover} was never so: {clock} {}",
                    String::from_utf8_lossy(state)
                )
            });
        };
        let seen = &mut self.seen[(receiver * self.movers + mover) as usize];
        if receiver == mover || *seen >= clock {
            return;
        }
        self.superseded += u64::from(clock - *seen - 1);
        *seen = clock;
        self.deliveries += 1;
        self.latency.record(now_us.saturating_sub(*sent));
    }
}

/// The last number of a state, which tells its clock again.
fn head(state: &[u8]) -> Option<u32> {
    let digits = state.strip_suffix(b"}}")?;
    let begin = digits.iter().rposition(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[begin + 1..]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_or_was_never_so_is_noticed() {
        let (mut cursors, mut faults) = (Cursors::new(3, 1), Faults::default());
        let (mut first, mut second) = (Vec::new(), Vec::new());
        cursors.moved(0, 10, &mut first);
        cursors.moved(0, 20, &mut second);
        assert_eq!(cursors.missing(), 2);
        cursors.arrived(1, &first, 30, &mut faults);
        assert_eq!(cursors.missing(), 2, "the first place is not the last");
        cursors.arrived(1, &second, 30, &mut faults);
        cursors.arrived(2, &second, 30, &mut faults);
        cursors.arrived(0, &second, 30, &mut faults);
        assert_eq!(cursors.missing(), 0);
        let result = cursors.result();
        assert_eq!((result.deliveries, result.superseded), (3, 1));
        assert_eq!(faults.in_words(), [""; 0]);
        let at = second.len() - 3;
        second[at] = b'7';
        cursors.arrived(1, &second, 40, &mut faults);
        assert_eq!(faults.in_words().len(), 1);
    }
}
