//! The ledger of what was acknowledged, and the checker that finds what was lost.
//!
//! Each edit of a durability test writes a token that exists once, in the text or as a key of the map. Once the edit was
//! echoed to its author, its token and its bytes stand in the ledger for ever, and every later look at the document has to
//! find them, however many crashes lie between.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use bytes::Bytes;

use crate::editor::Editor;

/// What was acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    documents: BTreeMap<String, Vec<Entry>>,
}

/// An edit that was acknowledged.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it wrote.
    pub token: Token,
    /// Its bytes, as they were sent and came back.
    pub update: Bytes,
}

/// A word that is written once in the whole test.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(String);

impl Token {
    /// The token of an edit: its writer and its number among that writer's edits.
    pub fn new(writer: u64, number: u64) -> Self {
        Self(format!("w{writer}n{number}"))
    }

    /// Writes it into a document: every third into the map, the others into the text, in front or at the end.
    pub fn write(&self, editor: &Editor, number: u64) -> Bytes {
        let Self(word) = self;
        match number % 3 {
            0 => editor.set(word, "here"),
            1 => editor.type_at(0, &format!("<{word}>")),
            _ => editor.append(&format!("<{word}>")),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ledger {
    /// Notes an edit as acknowledged.
    pub fn note(&mut self, document: &str, entry: Entry) {
        self.documents
            .entry(document.to_owned())
            .or_default()
            .push(entry);
    }

    /// The documents that it knows.
    pub fn documents(&self) -> impl Iterator<Item = &str> {
        self.documents.keys().map(String::as_str)
    }

    /// How many edits of a document were acknowledged.
    pub fn count(&self, document: &str) -> usize {
        self.entries(document).len()
    }

    /// How many edits were acknowledged.
    pub fn total(&self) -> usize {
        self.documents.values().map(Vec::len).sum()
    }

    /// The tokens that are missing in a document.
    pub fn lost(&self, document: &str, text: &str, keys: &[String]) -> Vec<Token> {
        let in_text = text.split(['<', '>']).filter(|word| !word.is_empty());
        let found: HashSet<&str> = in_text.chain(keys.iter().map(String::as_str)).collect();
        let lost = self
            .entries(document)
            .iter()
            .filter(|entry| !found.contains(entry.token.0.as_str()));
        lost.map(|entry| entry.token.clone()).collect()
    }

    /// The tokens whose edits are not in a log, byte for byte.
    pub fn unlogged(&self, document: &str, log: &HashSet<Bytes>) -> Vec<Token> {
        let unlogged = self
            .entries(document)
            .iter()
            .filter(|entry| !log.contains(&entry.update));
        unlogged.map(|entry| entry.token.clone()).collect()
    }

    fn entries(&self, document: &str) -> &[Entry] {
        self.documents.get(document).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(editor: &Editor, ledger: &mut Ledger, number: u64) -> Bytes {
        let token = Token::new(7, number);
        let update = token.write(editor, number);
        ledger.note(
            "d",
            Entry {
                token,
                update: update.clone(),
            },
        );
        update
    }

    #[test]
    fn what_was_written_is_found_in_text_and_map() {
        let (editor, mut ledger) = (Editor::new(1), Ledger::default());
        let log: HashSet<_> = (0..9)
            .map(|number| written(&editor, &mut ledger, number))
            .collect();
        assert_eq!(ledger.lost("d", &editor.text(), &editor.keys()), []);
        assert_eq!(ledger.unlogged("d", &log), []);
        assert_eq!(ledger.total(), 9);
    }

    #[test]
    fn the_checker_bites() {
        let (editor, mut ledger) = (Editor::new(1), Ledger::default());
        let log: HashSet<_> = (10..15)
            .map(|number| written(&editor, &mut ledger, number))
            .collect();
        // Written by nobody, although a longer one of the same beginning was.
        let never = Entry {
            token: Token::new(7, 1),
            update: Bytes::from_static(&[1, 2, 3]),
        };
        ledger.note("d", never);
        assert_eq!(
            ledger.lost("d", &editor.text(), &editor.keys()),
            [Token::new(7, 1)]
        );
        assert_eq!(ledger.unlogged("d", &log), [Token::new(7, 1)]);
        assert_eq!(
            ledger.lost("d", "", &[]).len(),
            6,
            "an empty document has lost everything"
        );
    }
}
