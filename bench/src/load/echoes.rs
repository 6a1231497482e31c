//! What one author was given back: an update is acknowledged when all that it wrote and erased came back, in whatever frames,
//! or when the server says so, where the dialect has a word for it.

use std::collections::VecDeque;

use super::swarm::Listener;
use super::tally::Tally;
use super::update::{self, Piece};
use super::writer::Covers;
use crate::spec::Ack;

/// The updates of one author that are under way.
#[derive(Debug)]
pub(crate) struct Echoes {
    author: u64,
    ack: Ack,
    under_way: VecDeque<(u32, Covers)>,
    /// Before which clock all came back, and what did from there on.
    written: u32,
    early: Vec<(u32, u32)>,
    /// By clock: whether its erasure came back.
    erased: Vec<bool>,
    pub(crate) tally: Tally,
}

impl Echoes {
    pub(crate) fn new(author: u64, ack: Ack) -> Self {
        Self {
            author,
            ack,
            under_way: VecDeque::new(),
            written: 0,
            early: Vec::new(),
            erased: Vec::new(),
            tally: Tally::new(),
        }
    }

    /// The author sent an update.
    pub(crate) fn sent(&mut self, covers: Covers, now_us: u32) {
        self.erased.resize(covers.end as usize, false);
        self.under_way.push_back((now_us, covers));
        self.tally.edits += 1;
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn take(&mut self, client: u64, piece: Piece<'_>) {
        let (Piece::Text { clock, length, .. }
        | Piece::Other { clock, length }
        | Piece::Deleted { clock, length }) = piece;
        let end = clock as usize + length as usize;
        if client != self.author || end > self.erased.len() {
            let words = || format!("{piece:?} of client {client}");
            return self.tally.faults.note("invented", words);
        }
        match piece {
            Piece::Deleted { .. } => self.erased[clock as usize..end].fill(true),
            _ => self.came_back(clock, end as u32),
        }
    }

    fn came_back(&mut self, begin: u32, end: u32) {
        if begin > self.written {
            self.early.push((begin, end));
            return;
        }
        self.written = self.written.max(end);
        self.early.sort_unstable();
        for (begin, end) in std::mem::take(&mut self.early) {
            if begin > self.written {
                self.early.push((begin, end));
            } else {
                self.written = self.written.max(end);
            }
        }
    }

    fn is_back(&self, covers: &Covers) -> bool {
        let is_erased = |(clock, count): &(u32, u32)| {
            let clocks = *clock as usize..(*clock + *count) as usize;
            self.erased[clocks].iter().all(|erased| *erased)
        };
        covers.end <= self.written && covers.erased.iter().all(is_erased)
    }
}

impl Listener for Echoes {
    fn update(&mut self, _client: usize, bytes: &[u8], now_us: u32) {
        let read = update::read(bytes, |client, piece| self.take(client, piece));
        if let Err(error) = read {
            self.tally
                .faults
                .note("unreadable", || format!("{error:#}"));
        }
        while self.ack == Ack::Echo
            && let Some((sent_us, covers)) = self.under_way.front()
            && self.is_back(covers)
        {
            self.tally.acknowledged(*sent_us, now_us);
            self.under_way.pop_front();
        }
    }

    fn acknowledged(&mut self, _client: usize, now_us: u32) {
        if let Some((sent_us, _)) = self.under_way.pop_front() {
            self.tally.acknowledged(sent_us, now_us);
        }
    }

    fn presence(&mut self, _client: usize, _entries: &[u8], _now_us: u32) {}
}

#[cfg(test)]
mod tests {
    use super::super::writer::Writer;
    use super::*;

    #[test]
    fn an_update_is_acknowledged_when_all_of_it_came_back() {
        let (mut echoes, updates) = three_under_way(Ack::Echo);
        echoes.update(0, &updates[1], 200);
        echoes.update(0, &updates[2], 200);
        assert_eq!(echoes.under_way(), 3, "the first one is not there yet");
        echoes.update(0, &updates[0], 300);
        assert_eq!((echoes.under_way(), echoes.tally.acked), (0, 3));
        assert_eq!(echoes.tally.faults.in_words(), [""; 0]);
        echoes.update(0, &[0, 1, 7, 1, 9, 1], 300);
        assert_eq!(echoes.tally.faults.in_words().len(), 1);
    }

    #[test]
    fn where_there_is_a_status_what_comes_back_acknowledges_nothing() {
        let (mut echoes, updates) = three_under_way(Ack::Status);
        updates
            .iter()
            .for_each(|update| echoes.update(0, update, 200));
        assert_eq!((echoes.under_way(), echoes.tally.acked), (3, 0));
        echoes.acknowledged(0, 300);
        assert_eq!((echoes.under_way(), echoes.tally.acked), (2, 1));
        assert_eq!(echoes.tally.ack.quantiles().max, 200);
    }

    /// An author who has written twice and erased once.
    fn three_under_way(ack: Ack) -> (Echoes, Vec<Vec<u8>>) {
        let (mut writer, mut echoes) = (Writer::new(7), Echoes::new(7, ack));
        let mut updates = Vec::new();
        let steps: [&dyn Fn(&mut Writer); 3] = [
            &|writer| writer.insert(0, b"abc"),
            &|writer| writer.insert(1, b"de"),
            &|writer| writer.erase(0, 4),
        ];
        for step in steps {
            let mut update = Vec::new();
            step(&mut writer);
            let covers = writer.finish(&mut update);
            echoes.sent(covers, 100);
            updates.push(update);
        }
        (echoes, updates)
    }
}
