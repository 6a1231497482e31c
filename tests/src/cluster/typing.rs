//! What is written to ordered documents: words that exist once, at places between others, and beside them what can be deleted,
//! moved and marked without harm to any word.

use anyhow::Result;
use engine::ot::{Operation, OtType, Snapshot};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::ledger::Token;
use crate::sharedb::Edit;

/// An edit of what is there. It may write the word.
///
/// # Errors
/// What is there can not be read.
pub(super) fn edit(content: &Snapshot, word: &Token, chance: &mut Chance) -> Result<Edit> {
    let (ot_type, data) = (content.ot_type(), serde_json::from_str(&content.write())?);
    let (operation, writes) = match ot_type {
        OtType::Json0 => json_edit(&data, word, chance),
        OtType::RichText => rich_text_edit(&text_of(&data), word, chance),
        OtType::Text | OtType::TextUnicode => text_edit(&text_of(&data), word, chance),
    };
    Ok(Edit {
        operation: Operation::read(ot_type, &operation.to_string())?,
        words: writes.then(|| word.clone()).into_iter().collect(),
        edits: 1,
    })
}

/// The words in what a document holds.
pub(super) fn words(content: &str) -> Vec<String> {
    let parts = content.split('<').skip(1);
    let words = parts.filter_map(|part| part.split_once('>'));
    words.map(|(word, _)| word.to_owned()).collect()
}

/// The whole text of a document, whatever its marks.
fn text_of(data: &Value) -> String {
    let pieces = data.as_array().or_else(|| data["ops"].as_array());
    let inserts = pieces
        .into_iter()
        .flatten()
        .filter_map(|it| it["insert"].as_str());
    data.as_str()
        .map_or_else(|| inserts.collect(), str::to_owned)
}

/// An operation, and whether it writes the word.
type Typed = (Value, bool);

fn json_edit(data: &Value, word: &Token, chance: &mut Chance) -> Typed {
    let text = data["text"].as_str().unwrap_or_default();
    let items = data["list"].as_array().map_or(0, Vec::len) as u64;
    match chance.below(8) {
        0..3 => {
            let at = between_words(text, chance);
            let insert = json!({"p": ["text", at], "si": written(word)});
            (json!([insert]), true)
        }
        3 | 4 => {
            let at = chance.below(items + 1);
            let insert = json!({"p": ["list", at], "li": format!("<{word}>")});
            (json!([insert]), true)
        }
        5 if items > 0 => {
            let (from, to) = (chance.below(items), chance.below(items));
            (json!([{"p": ["list", from], "lm": to}]), false)
        }
        6 => match a_dot(text, chance) {
            Some(at) => (json!([{"p": ["text", at], "sd": "."}]), false),
            None => counting(),
        },
        _ => counting(),
    }
}

fn counting() -> Typed {
    (json!([{"p": ["n"], "na": 1}]), false)
}

fn text_edit(text: &str, word: &Token, chance: &mut Chance) -> Typed {
    let (at, does, writes) = match a_dot(text, chance) {
        Some(at) if chance.one_in(4) => (at, json!({"d": 1}), false),
        _ => (between_words(text, chance), json!(written(word)), true),
    };
    match at {
        0 => (json!([does]), writes),
        _ => (json!([at, does]), writes),
    }
}

fn rich_text_edit(text: &str, word: &Token, chance: &mut Chance) -> Typed {
    let marks = json!({"bold": chance.one_in(2).then_some(true)});
    let (at, does, writes) = match (chance.below(6), a_dot(text, chance)) {
        (0, Some(at)) => (at, json!({"delete": 1}), false),
        (1, Some(at)) => (at, json!({"retain": 1, "attributes": marks}), false),
        _ => {
            let at = between_words(text, chance);
            (at, json!({"insert": written(word)}), true)
        }
    };
    match at {
        0 => (json!([does]), writes),
        _ => (json!([{"retain": at}, does]), writes),
    }
}

/// A word, and what may be deleted of it again.
fn written(word: &Token) -> String {
    format!("<{word}>..")
}

/// A place in a text at which no word is parted.
fn between_words(text: &str, chance: &mut Chance) -> usize {
    let from = chance.below(text.len() as u64 + 1) as usize;
    let is_between = |at: &usize| *at == 0 || matches!(text.as_bytes()[at - 1], b'>' | b'.');
    (from..=text.len()).find(is_between).unwrap_or(text.len())
}

/// Something in a text that belongs to no word.
fn a_dot(text: &str, chance: &mut Chance) -> Option<usize> {
    let from = chance.below(text.len() as u64 + 1) as usize;
    text[from..].find('.').map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::ot::Work;

    use super::*;
    use crate::sharedb::{blank, snapshot};

    #[test]
    fn all_words_stay_whole_and_are_there_once() -> Result<()> {
        let mut chance = Chance::of_test("words");
        for ot_type in OtType::ALL {
            let mut content = snapshot(ot_type, &blank(ot_type))?;
            let mut wanted = BTreeSet::new();
            for number in 0..500 {
                let edit = edit(&content, &Token::new(7, number), &mut chance)?;
                content.apply(&edit.operation, &mut Work::default())?;
                wanted.extend(edit.words.iter().map(Token::to_string));
            }
            let found = words(&content.write());
            assert_eq!(found.len(), wanted.len(), "{ot_type}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
        }
        Ok(())
    }
}
