//! Which edits of one document were sent, and who has received which.
//!
//! Each receiver must get each edit of each author: together they must cover every clock. In what frames they come,
//! merged or repeated, does not matter; what is missing, was made by nobody or is not the letter that was typed, does.

use std::collections::HashMap;

use super::author::{FIRST_CLIENT, START_CLIENT, letter};
use super::tally::Tally;
use super::update::{self, Piece};
use crate::spec::Ack;

/// The edits of one document.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The client id of the first author.
    first_client: u64,
    /// How many characters there were at the start.
    start: u32,
    receivers: u32,
    /// The receivers from this one on do not read; nobody waits for them.
    awake: u32,
    ack: Ack,
    /// Whether what there was at the start is acknowledged; only a status tells.
    start_is_acked: bool,
    /// By author: the edits in the order of their clocks, and of how many a status came.
    edits: Vec<Vec<Edit>>,
    acked: Vec<u32>,
    /// By receiver, then author: the clock before which everything arrived. The last column is of the start.
    covered: Vec<u32>,
    /// What arrived before that which precedes it, by the same index.
    early: HashMap<usize, Vec<Early>>,
    /// How many arrivals at those who read are still to come.
    outstanding: u64,
    /// The same of those who do not.
    unread: u64,
}

/// Receivers and authors of a document; the authors are the first receivers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    pub(crate) first: u32,
    pub(crate) receivers: u32,
    pub(crate) authors: u32,
    pub(crate) stalled: u32,
    pub(crate) start: u32,
    pub(crate) ack: Ack,
}

#[derive(Clone, Copy, Debug)]
struct Edit {
    sent_us: u32,
    /// How many arrivals are still to come before its author may go on.
    left: u32,
}

#[derive(Clone, Copy, Debug)]
struct Early {
    from: u32,
    to: u32,
    at_us: u32,
}

impl Edit {
    /// It arrived at one more; whether that was the last.
    fn is_through(&mut self) -> bool {
        self.left -= 1;
        self.left == 0
    }
}

impl Ledger {
    pub(crate) fn new(cast: Cast) -> Self {
        let columns = cast.authors as usize + 1;
        Self {
            first_client: FIRST_CLIENT + u64::from(cast.first),
            start: cast.start,
            receivers: cast.receivers,
            awake: cast.receivers - cast.stalled,
            ack: cast.ack,
            start_is_acked: cast.start == 0,
            edits: vec![Vec::new(); cast.authors as usize],
            acked: vec![0; cast.authors as usize],
            covered: vec![0; cast.receivers as usize * columns],
            early: HashMap::new(),
            outstanding: 0,
            unread: 0,
        }
    }

    /// An author sent its next edit.
    pub(crate) fn sent(&mut self, author: u32, now_us: u32, tally: &mut Tally) {
        // To its author, who reads too, it arrives by being acknowledged.
        self.edits[author as usize].push(Edit {
            sent_us: now_us,
            left: self.awake,
        });
        self.outstanding += u64::from(self.awake);
        self.unread += u64::from(self.receivers - self.awake);
        tally.edits += 1;
    }

    /// A receiver got an update. Authors of whom an edit is through with it are appended to `done`, once for each edit.
    pub(crate) fn arrived(
        &mut self,
        receiver: u32,
        bytes: &[u8],
        now_us: u32,
        tally: &mut Tally,
        done: &mut Vec<u32>,
    ) {
        let read = update::read(bytes, |client, piece| match piece {
            Piece::Text {
                clock,
                length,
                text,
            } => self.text(receiver, client, (clock, length, text), now_us, tally, done),
            other => tally.faults.note("altered", || {
                format!("client {client} only types, but {other:?} arrived at {receiver}")
            }),
        });
        if let Err(error) = read {
            tally.faults.note("unreadable", || {
                format!("{error:#} in an update of {} bytes", bytes.len())
            });
        }
    }

    /// A status came: of what there was at the start, which is written before all edits, or of a receiver's next edit.
    pub(crate) fn acknowledged(
        &mut self,
        receiver: u32,
        now_us: u32,
        tally: &mut Tally,
        done: &mut Vec<u32>,
    ) {
        if !self.start_is_acked {
            self.start_is_acked = true;
            let cell = self.cell(receiver, self.edits.len());
            self.covered[cell] = self.start;
            return;
        }
        let author = receiver as usize;
        let edit = self.acked.get_mut(author).and_then(|acked| {
            *acked += 1;
            self.edits[author].get_mut(*acked as usize - 1)
        });
        let Some(edit) = edit else {
            let words = || format!("receiver {receiver} never wrote what is acknowledged");
            return tally.faults.note("invented", words);
        };
        tally.acknowledged(edit.sent_us, now_us);
        self.outstanding -= 1;
        if edit.is_through() {
            done.push(receiver);
        }
    }

    /// Whether a receiver has all that was there at the start.
    pub(crate) fn has_start(&self, receiver: u32) -> bool {
        self.covered[self.cell(receiver, self.edits.len())] >= self.start
    }

    /// How many arrivals are still to come at those who read.
    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// How many are at those who do not.
    pub(crate) fn unread(&self) -> u64 {
        self.unread
    }

    /// How much each author typed.
    pub(crate) fn typed(&self) -> impl Iterator<Item = u32> {
        self.edits.iter().map(|edits| edits.len() as u32)
    }

    fn text(
        &mut self,
        receiver: u32,
        client: u64,
        (clock, length, text): (u32, u32, &[u8]),
        now_us: u32,
        tally: &mut Tally,
        done: &mut Vec<u32>,
    ) {
        let Some(author) = self.author(client) else {
            let words = || format!("client {client} is none of this document");
            return tally.faults.note("foreign", words);
        };
        let is_typed = |(byte, clock): (&u8, u32)| *byte == letter(client, clock);
        if !text.iter().zip(clock..).all(is_typed) {
            return tally.faults.note("altered", || {
                format!("{length} characters of client {client} at {clock}, at receiver {receiver}")
            });
        }
        let cell = self.cell(receiver, author);
        let (covered, end) = (self.covered[cell], clock + length);
        if end > self.made(author) {
            return tally.faults.note("invented", || {
                format!("client {client} never came to clock {end}")
            });
        }
        if clock > covered {
            let early = Early {
                from: clock,
                to: end,
                at_us: now_us,
            };
            self.early.entry(cell).or_default().push(early);
        } else if end > covered {
            self.cover(receiver, author, end, now_us, tally, done);
            if !self.early.is_empty() {
                self.catch_up(receiver, author, tally, done);
            }
        }
    }

    fn author(&self, client: u64) -> Option<usize> {
        if client == START_CLIENT {
            return Some(self.edits.len());
        }
        let index = client.checked_sub(self.first_client)?;
        (index < self.edits.len() as u64).then_some(index as usize)
    }

    fn made(&self, author: usize) -> u32 {
        let edits = self.edits.get(author);
        edits.map_or(self.start, |edits| edits.len() as u32)
    }

    fn cell(&self, receiver: u32, author: usize) -> usize {
        receiver as usize * (self.edits.len() + 1) + author
    }

    /// Everything before a clock has arrived.
    fn cover(
        &mut self,
        receiver: u32,
        author: usize,
        end: u32,
        now_us: u32,
        tally: &mut Tally,
        done: &mut Vec<u32>,
    ) {
        let cell = self.cell(receiver, author);
        let from = std::mem::replace(&mut self.covered[cell], end);
        tally.last_arrival_us = tally.last_arrival_us.max(now_us);
        let Some(edits) = self.edits.get_mut(author) else {
            return;
        };
        let is_echo = receiver == author as u32;
        if is_echo && self.ack == Ack::Status {
            return;
        }
        for edit in &mut edits[from as usize..end as usize] {
            if is_echo {
                tally.acknowledged(edit.sent_us, now_us);
            } else {
                tally.deliveries += 1;
                if receiver >= self.awake {
                    self.unread -= 1;
                    continue;
                }
                tally.latency.record(now_us.saturating_sub(edit.sent_us));
            }
            self.outstanding -= 1;
            if edit.is_through() {
                done.push(author as u32);
            }
        }
    }

    /// What came early may have its turn now.
    fn catch_up(&mut self, receiver: u32, author: usize, tally: &mut Tally, done: &mut Vec<u32>) {
        let cell = self.cell(receiver, author);
        let Some(mut waiting) = self.early.remove(&cell) else {
            return;
        };
        waiting.sort_by_key(|early| early.from);
        for early in waiting {
            let covered = self.covered[cell];
            if early.from > covered {
                self.early.entry(cell).or_default().push(early);
            } else if early.to > covered {
                self.cover(receiver, author, early.to, early.at_us, tally, done);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use yrs::merge_updates_v1;

    use super::super::author::Author;
    use super::*;

    /// A document of three receivers of whom two type, and three edits of each.
    struct Scene {
        ledger: Ledger,
        tally: Tally,
        done: Vec<u32>,
        edits: [Vec<Vec<u8>>; 2],
    }

    impl Scene {
        fn new() -> Self {
            Self::with(Ack::Echo)
        }

        fn with(ack: Ack) -> Self {
            let mut scene = Self {
                ledger: Ledger::new(Cast {
                    first: 10,
                    receivers: 3,
                    authors: 2,
                    stalled: 0,
                    start: 100,
                    ack,
                }),
                tally: Tally::new(),
                done: Vec::new(),
                edits: [Vec::new(), Vec::new()],
            };
            for author in [0, 1] {
                let mut typist = Author::new(FIRST_CLIENT + 10 + author, 100, 1);
                for _ in 0..3 {
                    let mut update = Vec::new();
                    typist.type_one(&mut update);
                    scene.edits[author as usize].push(update);
                    scene.ledger.sent(author as u32, 1_000, &mut scene.tally);
                }
            }
            scene
        }

        fn arrives(&mut self, receiver: u32, update: &[u8]) {
            let Self {
                ledger,
                tally,
                done,
                ..
            } = self;
            ledger.arrived(receiver, update, 2_000, tally, done);
        }

        fn is_acknowledged(&mut self, receiver: u32) {
            let Self {
                ledger,
                tally,
                done,
                ..
            } = self;
            ledger.acknowledged(receiver, 3_000, tally, done);
        }

        fn all(&self) -> Vec<Vec<u8>> {
            self.edits.concat()
        }

        fn faults(&self) -> Vec<String> {
            self.tally.faults.in_words()
        }
    }

    #[test]
    fn all_have_all_however_it_comes() {
        let mut scene = Scene::new();
        let all = scene.all();
        // One by one; merged; the last first, and some twice.
        all.iter().for_each(|update| scene.arrives(0, update));
        let merged = merge_updates_v1(&all).expect("they can be merged");
        scene.arrives(1, &merged);
        assert_eq!(scene.ledger.outstanding(), 6);
        for update in all.iter().rev().chain(&all) {
            scene.arrives(2, update);
        }
        assert_eq!(scene.ledger.outstanding(), 0);
        assert_eq!(scene.faults(), [""; 0]);
        assert_eq!((scene.tally.deliveries, scene.tally.acked), (12, 6));
        assert_eq!(scene.tally.latency.quantiles().count, 12);
        scene.done.sort_unstable();
        assert_eq!(scene.done, [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn a_status_is_of_the_start_and_then_of_one_edit_after_the_other() {
        let mut scene = Scene::with(Ack::Status);
        let all = scene.all();
        assert!(!scene.ledger.has_start(0));
        scene.is_acknowledged(0);
        assert!(scene.ledger.has_start(0) && !scene.ledger.has_start(1));
        assert_eq!((scene.tally.acked, scene.ledger.outstanding()), (0, 18));
        (0..3).for_each(|_| scene.is_acknowledged(0));
        assert_eq!((scene.tally.acked, scene.ledger.outstanding()), (3, 15));
        assert_eq!(scene.tally.ack.quantiles().count, 3);
        assert_eq!(scene.tally.latency.quantiles().count, 0);
        for receiver in [1, 2] {
            all.iter()
                .for_each(|update| scene.arrives(receiver, update));
        }
        assert_eq!(scene.done, [0, 0, 0], "the other author waits for its acks");
        assert_eq!(scene.faults(), [""; 0]);
        scene.is_acknowledged(0);
        assert!(scene.faults()[0].starts_with("invented"));
    }

    #[test]
    fn where_there_is_a_status_what_comes_back_counts_for_nothing() {
        let mut scene = Scene::with(Ack::Status);
        scene.is_acknowledged(0);
        for update in scene.edits[0].clone() {
            scene.arrives(0, &update);
        }
        assert_eq!((scene.tally.acked, scene.ledger.outstanding()), (0, 18));
        assert_eq!(scene.faults(), [""; 0]);
    }

    #[test]
    fn what_is_lost_is_missing() {
        for lost in 0..6 {
            let mut scene = Scene::new();
            let mut some = scene.all();
            some.remove(lost);
            for receiver in 0..3 {
                some.iter()
                    .for_each(|update| scene.arrives(receiver, update));
            }
            assert!(scene.ledger.outstanding() >= 3, "edit {lost} of six");
        }
    }

    #[test]
    fn what_is_altered_is_noticed_also_when_it_is_a_repetition() {
        let mut scene = Scene::new();
        let mut update = scene.edits[0][0].clone();
        // The last byte is of deletions, the one before is the letter.
        let letter = update.len() - 2;
        scene.arrives(1, &update);
        update[letter] ^= 1;
        scene.arrives(1, &update);
        assert_eq!(scene.faults().len(), 1);
        assert!(scene.faults()[0].starts_with("altered (1 times)"));
    }

    #[test]
    fn what_nobody_made_is_noticed() {
        let mut scene = Scene::new();
        let mut stranger = Vec::new();
        Author::new(FIRST_CLIENT + 12, 100, 1).type_one(&mut stranger);
        scene.arrives(0, &stranger);
        let ahead = Author::new(FIRST_CLIENT + 10, 100, 1).all(4);
        scene.arrives(1, &ahead);
        scene.arrives(2, b"no update");
        let faults = scene.faults().join("\n");
        for sort in ["foreign", "invented", "unreadable"] {
            assert!(faults.contains(sort), "{sort} is not in {faults}");
        }
    }

    #[test]
    fn a_deletion_is_noticed() {
        let mut scene = Scene::new();
        let deletion = [0, 1, 5, 1, 0, 1];
        scene.arrives(0, &deletion);
        assert!(scene.faults()[0].starts_with("altered"));
    }
}
