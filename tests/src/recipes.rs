//! Bytes of the Yjs formats, written by hand: what no library would write, because it is hostile or wrong.
//!
//! The formats are the first encoding of Yjs 13 (`yjs/src/utils/encoding.js`) and lib0's (`lib0/encoding.js`). Several
//! recipes were found to kill or starve a library; where it is known, the comment says what they did.

use bytes::Bytes;

/// Writes numbers, strings and bytes as lib0 does.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A varUint.
    pub fn number(mut self, mut number: u64) -> Self {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
        self
    }

    /// A length and that many bytes: a string, or a nested encoding.
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.number(bytes.len() as u64).raw(bytes)
    }

    /// What was written.
    pub fn done(self) -> Bytes {
        self.0.into()
    }
}

/// An update with the items of one client from a clock on, and no deletions.
pub fn items(client: u64, clock: u64, items: &[Bytes]) -> Bytes {
    let head = Writer::new().number(1).number(items.len() as u64);
    let head = head.number(client).number(clock);
    let all = items.iter().fold(head, |writer, item| writer.raw(item));
    all.number(0).done()
}

/// An update without items, that deletes these ranges (clock, length) of one client.
pub fn deletions(client: u64, ranges: &[(u64, u64)]) -> Bytes {
    let head = Writer::new().number(0).number(1).number(client);
    let head = head.number(ranges.len() as u64);
    let all = ranges.iter().fold(head, |writer, (clock, length)| {
        writer.number(*clock).number(*length)
    });
    all.done()
}

/// An item at the beginning of a root type, with content of this kind (`ContentRefs` in yjs `src/structs/Item.js`).
pub fn at_root(root: &str, kind: u8, content: &[u8]) -> Bytes {
    let item = Writer::new().number(kind.into()).number(1);
    item.bytes(root.as_bytes()).raw(content).done()
}

/// An item with an origin to its left.
pub fn behind(origin: (u64, u64), kind: u8, content: &[u8]) -> Bytes {
    let item = Writer::new().raw(&[kind | HAS_ORIGIN]);
    let item = item.number(origin.0).number(origin.1);
    item.raw(content).done()
}

/// An item with an origin to its right.
pub fn before(origin: (u64, u64), kind: u8, content: &[u8]) -> Bytes {
    let item = Writer::new().raw(&[kind | HAS_RIGHT_ORIGIN]);
    let item = item.number(origin.0).number(origin.1);
    item.raw(content).done()
}

/// An item within the type that another item holds.
pub fn within(parent: (u64, u64), kind: u8, content: &[u8]) -> Bytes {
    let item = Writer::new().raw(&[kind, 0]);
    let item = item.number(parent.0).number(parent.1);
    item.raw(content).done()
}

/// Text as an item's content.
pub fn text(text: &[u8]) -> Bytes {
    Writer::new().bytes(text).done()
}

/// A collected range. One that claims a victim's whole future silenced the victim (5.1, D).
pub fn collected(length: u64) -> Bytes {
    Writer::new().raw(&[GC]).number(length).done()
}

/// A value nested so deeply (lib0's "any"). 8,000 arrays overflowed a stack of 2 MiB and ended the process (5.1, A).
pub fn nested_value(depth: usize, opening: &[u8]) -> Bytes {
    let value = Writer::new().number(1);
    value.raw(&opening.repeat(depth)).raw(&[NULL]).done()
}

/// JSON text nested so deeply.
pub fn nested_json(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// One character at the same place from each of so many new clients, in ascending order. 20,000 of them took 8 s (5.1, E).
pub fn crowd(clients: u64) -> Bytes {
    let item = at_root("text", STRING, &text(b"x"));
    let head = Writer::new().number(clients);
    let all = (0..clients).fold(head, |writer, client| {
        writer.number(1).number(1_000 + client).number(0).raw(&item)
    });
    all.number(0).done()
}

/// A chain of arrays, each within the one before, from a clock on. Deleting the root of 200,000 ended the process (5.1, F).
pub fn nested_types(client: u64, clocks: std::ops::Range<u64>) -> Bytes {
    let array = |clock: u64| match clock {
        0 => at_root("nest", TYPE, &[ARRAY]),
        inner => within((client, inner - 1), TYPE, &[ARRAY]),
    };
    let begin = clocks.start;
    items(client, begin, &clocks.map(array).collect::<Vec<_>>())
}

/// An update of the second encoding, in which 25 bytes claim a hundred million items. It took 4.6 GB (5.1, B).
pub const SECOND_ENCODING: [u8; 25] = [
    0x00, 0x00, 0x01, 0x07, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x05, 0x41, 0xfe, 0xc1,
    0xd7, 0x2f, 0x01, 0x80, 0xc2, 0xd7, 0x2f, 0x00, 0x00,
];

/// Kinds of content.
pub const GC: u8 = 0;
/// JSON texts.
pub const JSON: u8 = 2;
/// Text.
pub const STRING: u8 = 4;
/// An embedded object.
pub const EMBED: u8 = 5;
/// A formatting mark.
pub const FORMAT: u8 = 6;
/// A shared type.
pub const TYPE: u8 = 7;
/// Values.
pub const ANY: u8 = 8;
/// A subdocument.
pub const SUBDOCUMENT: u8 = 9;
/// Opens an array of one value.
pub const OPEN_ARRAY: [u8; 2] = [117, 1];
/// Opens an object with one key, `k`.
pub const OPEN_OBJECT: [u8; 4] = [118, 1, 1, b'k'];

const ARRAY: u8 = 0;
const NULL: u8 = 126;
const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::editor::Editor;

    #[test]
    fn what_is_right_is_taken_by_the_library() -> anyhow::Result<()> {
        let editor = Editor::new(1);
        editor.apply(&items(7, 0, &[at_root("text", STRING, &text(b"abc"))]))?;
        editor.apply(&items(7, 3, &[behind((7, 2), STRING, &text(b"d"))]))?;
        editor.apply(&deletions(7, &[(0, 1)]))?;
        assert_eq!(editor.text(), "bcd");
        editor.apply(&crowd(3))?;
        assert_eq!(editor.text(), "bcdxxx");
        editor.apply(&nested_types(8, 0..5))
    }
}
