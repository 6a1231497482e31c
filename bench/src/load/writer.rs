//! One who writes a whole document alone, inserting and erasing anywhere, and the updates this makes.
//!
//! As with `author.rs` the updates are written down directly: a quarter of a million keystrokes are prepared in a moment.

use super::author::{HAS_LEFT, HAS_RIGHT, TEXT, put_root};
use super::wire::{put_var_bytes, put_var_uint};

/// A document with one author, and the update that is being made.
#[derive(Debug)]
pub(crate) struct Writer {
    client: u64,
    /// By clock: the letter, and the clock of its right neighbour, erased ones included.
    letters: Vec<u8>,
    next: Vec<Option<u32>>,
    first: Option<u32>,
    /// The clocks of what is not erased, left of where was written last, and right of it from the end.
    left: Vec<u32>,
    right: Vec<u32>,
    items: Vec<u8>,
    items_count: u64,
    items_begin: u32,
    erased: Vec<Erased>,
}

/// Clocks that were erased: the first, and how many.
pub(crate) type Erased = (u32, u32);

/// What one update takes until it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Covers {
    /// The clock after all that was written so far.
    pub(crate) end: u32,
    pub(crate) erased: Vec<Erased>,
}

impl Writer {
    /// An empty document.
    pub(crate) fn new(client: u64) -> Self {
        Self {
            client,
            letters: Vec::new(),
            next: Vec::new(),
            first: None,
            left: Vec::new(),
            right: Vec::new(),
            items: Vec::new(),
            items_count: 0,
            items_begin: 0,
            erased: Vec::new(),
        }
    }

    /// How many characters are there.
    pub(crate) fn len(&self) -> usize {
        self.left.len() + self.right.len()
    }

    /// Writes ASCII before a character.
    pub(crate) fn insert(&mut self, at: usize, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        self.go_to(at);
        let clock = self.letters.len() as u32;
        let end = clock + text.len() as u32;
        let left = self.left.last().copied();
        let link = match left {
            Some(left) => &mut self.next[left as usize],
            None => &mut self.first,
        };
        let right = link.replace(clock);
        self.next.extend((clock + 1..end).map(Some));
        self.next.push(right);
        self.letters.extend_from_slice(text);
        self.left.extend(clock..end);
        self.put_item(left, right, text);
    }

    /// Erases characters.
    pub(crate) fn erase(&mut self, at: usize, count: usize) {
        self.go_to(at);
        for _ in 0..count {
            let Some(clock) = self.right.pop() else {
                return;
            };
            match self.erased.last_mut() {
                Some((first, count)) if *first + *count == clock => *count += 1,
                _ => self.erased.push((clock, 1)),
            }
        }
    }

    /// Ends an update, appends it, and tells what it covers.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Covers {
        put_var_uint(out, u64::from(self.items_count > 0));
        if self.items_count > 0 {
            put_var_uint(out, self.items_count);
            put_var_uint(out, self.client);
            put_var_uint(out, u64::from(self.items_begin));
            out.append(&mut self.items);
        }
        let erased = joined(std::mem::take(&mut self.erased));
        put_var_uint(out, u64::from(!erased.is_empty()));
        if !erased.is_empty() {
            put_var_uint(out, self.client);
            put_var_uint(out, erased.len() as u64);
        }
        for (clock, count) in &erased {
            put_var_uint(out, u64::from(*clock));
            put_var_uint(out, u64::from(*count));
        }
        self.items_count = 0;
        self.items_begin = self.letters.len() as u32;
        Covers {
            end: self.items_begin,
            erased,
        }
    }

    /// What is written and not erased.
    pub(crate) fn text(&self) -> String {
        let clocks = self.left.iter().chain(self.right.iter().rev());
        clocks
            .map(|clock| char::from(self.letters[*clock as usize]))
            .collect()
    }

    fn go_to(&mut self, at: usize) {
        while self.left.len() > at {
            self.right.extend(self.left.pop());
        }
        while self.left.len() < at {
            let Some(clock) = self.right.pop() else {
                return;
            };
            self.left.push(clock);
        }
    }

    fn put_item(&mut self, left: Option<u32>, right: Option<u32>, text: &[u8]) {
        let out = &mut self.items;
        out.push(TEXT | left.map_or(0, |_| HAS_LEFT) | right.map_or(0, |_| HAS_RIGHT));
        for clock in [left, right].into_iter().flatten() {
            put_var_uint(out, self.client);
            put_var_uint(out, u64::from(clock));
        }
        if left.is_none() && right.is_none() {
            put_root(out);
        }
        put_var_bytes(out, text);
        self.items_count += 1;
    }
}

/// Ranges in order, and none that touch.
fn joined(mut ranges: Vec<Erased>) -> Vec<Erased> {
    ranges.sort_unstable();
    let mut joined: Vec<Erased> = Vec::with_capacity(ranges.len());
    for (clock, count) in ranges {
        match joined.last_mut() {
            Some(last) if last.0 + last.1 == clock => last.1 += count,
            _ => joined.push((clock, count)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, GetString, Transact, Update, WriteTxn};

    use super::super::author::ROOT;
    use super::super::chance::Chance;
    use super::*;

    #[test]
    fn yrs_reads_the_same_text() -> anyhow::Result<()> {
        for seed in 0..20 {
            let (doc, mut writer) = (Doc::new(), Writer::new(77));
            let (mut chance, mut model) = (Chance::new(seed), String::new());
            for _ in 0..200 {
                for _ in 0..=chance.below(2) {
                    let at = chance.below(model.len() as u32 + 1) as usize;
                    let gone = (chance.below(4) as usize).min(model.len() - at);
                    let text = &"words"[..chance.below(6) as usize];
                    model.replace_range(at..at + gone, text);
                    writer.erase(at, gone);
                    writer.insert(at, text.as_bytes());
                }
                let mut update = Vec::new();
                writer.finish(&mut update);
                doc.transact_mut()
                    .apply_update(Update::decode_v1(&update)?)?;
            }
            let mut txn = doc.transact_mut();
            assert_eq!(
                txn.get_or_insert_text(ROOT).get_string(&txn),
                model,
                "seed {seed}"
            );
            assert!(txn.prune_pending().is_none());
            assert_eq!(writer.text(), model);
            assert_eq!(writer.len(), model.len());
        }
        Ok(())
    }

    #[test]
    fn an_update_tells_what_it_covers() {
        let mut writer = Writer::new(7);
        writer.insert(0, b"abcdef");
        let covers = writer.finish(&mut Vec::new());
        assert_eq!((covers.end, covers.erased), (6, vec![]));
        writer.erase(3, 2);
        writer.erase(1, 2);
        let covers = writer.finish(&mut Vec::new());
        assert_eq!((covers.end, covers.erased), (6, vec![(1, 4)]));
    }
}
