//! A document that somebody has written before the run: a text, typed in runs of letters at any places, in as many changes as
//! are wanted. The same seed gives the same changes, with the same hashes.

use anyhow::{Context, Result};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ChangeHash, ObjId, ObjType, ROOT, ReadDoc};

use crate::load::chance::Chance;

/// A text as it is written.
pub(super) struct History {
    pub(super) doc: Automerge,
    text: ObjId,
    hand: Hand,
    /// How many letters a change has.
    letters: u32,
}

/// Where somebody types what.
struct Hand {
    chance: Chance,
    text: Vec<u8>,
}

impl History {
    /// The first change makes an empty text.
    ///
    /// # Errors
    /// The library refuses.
    pub(super) fn new(letters: u32, seed: u64) -> Result<Self> {
        let mut doc = Automerge::new().with_actor(actor(0));
        let mut transaction = doc.transaction();
        let text = transaction.put_object(ROOT, FIELD, ObjType::Text)?;
        transaction.commit_with(timeless());
        let hand = Hand::new(seed);
        Ok(Self {
            doc,
            text,
            hand,
            letters,
        })
    }

    /// Some changes more.
    ///
    /// # Errors
    /// The library refuses.
    pub(super) fn write(&mut self, changes: u32) -> Result<()> {
        for (at, run) in self.hand.runs(changes * self.letters, self.letters) {
            for (number, letters) in run.chunks(self.letters as usize).enumerate() {
                let letters = str::from_utf8(letters)?;
                let at = at + number * self.letters as usize;
                let mut transaction = self.doc.transaction();
                transaction.splice_text(&self.text, at, 0, letters)?;
                transaction.commit_with(timeless());
            }
        }
        Ok(())
    }

    /// The heads, in order.
    pub(super) fn heads(&self) -> Vec<ChangeHash> {
        heads(&self.doc)
    }

    pub(super) fn text(&self) -> String {
        self.hand.text()
    }

    /// What such a history comes to, without its changes.
    pub(super) fn text_of(changes: u32, letters: u32, seed: u64) -> String {
        let mut hand = Hand::new(seed);
        hand.runs(changes * letters, letters);
        hand.text()
    }
}

impl Hand {
    fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            text: Vec::new(),
        }
    }

    /// So many letters, in runs with their places; they are in the text then.
    fn runs(&mut self, letters: u32, each: u32) -> Vec<(usize, Vec<u8>)> {
        let length = each.max(RUN).min(letters.max(1));
        let mut left = letters;
        let mut runs = Vec::new();
        while left > 0 {
            let length = length.min(left);
            let at = self.chance.below(self.text.len() as u32 + 1) as usize;
            let letters = (0..length).map(|_| b'a' + self.chance.below(26) as u8);
            let run: Vec<_> = letters.collect();
            self.text.splice(at..at, run.iter().copied());
            runs.push((at, run));
            left -= length;
        }
        runs
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

/// The heads of a document, in order.
pub(super) fn heads(doc: &Automerge) -> Vec<ChangeHash> {
    let mut heads = doc.get_heads();
    heads.sort_unstable();
    heads
}

/// The text of a document.
///
/// # Errors
/// It has none.
pub(super) fn text(doc: &Automerge) -> Result<String> {
    let (_, text) = doc.get(ROOT, FIELD)?.context("there is no text")?;
    Ok(doc.text(text)?)
}

/// The name of somebody who writes.
pub(super) fn actor(number: u16) -> ActorId {
    let mut bytes = [7; 16];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    ActorId::from(bytes.as_slice())
}

/// Changes say when they were made; these would differ from run to run.
fn timeless() -> CommitOptions {
    CommitOptions::default().with_time(0)
}

/// The field that holds the text.
pub(super) const FIELD: &str = "text";
/// So many letters are typed before somebody goes elsewhere.
const RUN: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_the_same_each_time_and_comes_to_its_text() -> Result<()> {
        let write = |parts: &[u32], letters| -> Result<History> {
            let mut history = History::new(letters, 3)?;
            parts.iter().try_for_each(|part| history.write(*part))?;
            assert_eq!(text(&history.doc)?, history.text());
            Ok(history)
        };
        let (whole, parts) = (write(&[60], 1)?, write(&[20, 40], 1)?);
        assert_eq!(whole.heads(), parts.heads());
        assert_eq!(whole.text(), History::text_of(60, 1, 3));
        assert_eq!(whole.doc.get_changes(&[]).len(), 61);
        assert_eq!(write(&[5], 100)?.text().len(), 500);
        Ok(())
    }
}
