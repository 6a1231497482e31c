//! Runs of texts and values that one client wrote one after the other, as one item each.
//!
//! yrs joins such items when a transaction ends, from the last to the first, and copies all that it has joined so far each
//! time: an update of 200,000 letters took 56 s and 29 GB, one of 10,000 values 2 s and 1.2 GB. Merged updates that were
//! never in a document look like that (`Y.mergeUpdates`, or an attacker). So they are joined before yrs sees them, which
//! gives the same document, for an item is its parts in a row. Nothing else is changed; the stored bytes stay as they came.

use std::ops::Range;

use yrs::encoding::read::{Cursor, Error, Read};
use yrs::encoding::write::Write;

use super::structs::{
    ANY, CONTENT_MASK, GC, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Header, Parent, SKIP, STRING, Struct,
    read_content,
};

/// The update with its runs joined, if it has any and is not so short that they do not matter.
pub(super) fn joined(update: &[u8]) -> Option<Vec<u8>> {
    if update.len() < UPDATE_BYTES_MIN {
        return None;
    }
    let mut joining = Joining {
        cursor: Cursor::new(update),
        joins: 0,
    };
    let out = joining.update().ok()?;
    (joining.joins > 0).then_some(out)
}

struct Joining<'a> {
    cursor: Cursor<'a>,
    joins: u32,
}

impl Joining<'_> {
    fn update(&mut self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(self.cursor.buf.len());
        let sections: u32 = self.cursor.read_var()?;
        out.write_var(sections);
        for _ in 0..sections {
            self.section(&mut out)?;
        }
        out.extend_from_slice(&self.cursor.buf[self.cursor.next..]);
        Ok(out)
    }

    fn section(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Header {
            structs,
            client,
            mut clock,
        } = Header::read(&mut self.cursor)?;
        let (first, joins) = (clock, self.joins);
        let mut items = Vec::new();
        let mut open: Option<Run> = None;
        for _ in 0..structs {
            let start = self.cursor.next;
            let info = self.cursor.read_u8()?;
            self.cursor.next = start;
            if !is_joinable(info) {
                close(open.take(), self.cursor.buf, &mut items);
                let Struct { length, .. } = Struct::read(&mut self.cursor)?;
                items.extend_from_slice(&self.cursor.buf[start..self.cursor.next]);
                clock = clock.checked_add(length).ok_or(Error::UnexpectedValue)?;
                continue;
            }
            let piece = Piece::read(&mut self.cursor)?;
            let length = piece.length;
            match &mut open {
                Some(run) if run.goes_on(&piece, (client, clock), self.cursor.buf) => {
                    run.take(piece);
                    self.joins += 1;
                }
                _ => close(open.replace(Run::of(piece)), self.cursor.buf, &mut items),
            }
            clock = clock.checked_add(length).ok_or(Error::UnexpectedValue)?;
        }
        close(open, self.cursor.buf, &mut items);
        out.write_var(structs - (self.joins - joins));
        out.write_var(client);
        out.write_var(first);
        out.append(&mut items);
        Ok(())
    }
}

/// An item of text or values, taken apart.
struct Piece {
    kind: u8,
    /// All before the content.
    head: Range<usize>,
    origin: Option<(u64, u32)>,
    /// The bytes of the right origin.
    right: Range<usize>,
    /// The bytes of the content, without their count.
    content: Range<usize>,
    /// How many clocks it has.
    length: u32,
}

impl Piece {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let start = cursor.next;
        let info = cursor.read_u8()?;
        let origin = match info & HAS_ORIGIN {
            0 => None,
            _ => Some((cursor.read_var()?, cursor.read_var()?)),
        };
        let right = cursor.next;
        if info & HAS_RIGHT_ORIGIN != 0 {
            cursor.read_var::<u64>()?;
            cursor.read_var::<u32>()?;
        }
        let right = right..cursor.next;
        if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
            Parent::read(cursor, info)?;
        }
        let head = start..cursor.next;
        let kind = info & CONTENT_MASK;
        let length = read_content(cursor, kind)?;
        let end = cursor.next;
        cursor.next = head.end;
        cursor.read_var::<u32>()?;
        let content = cursor.next..end;
        cursor.next = end;
        Ok(Self {
            kind,
            head,
            origin,
            right,
            content,
            length,
        })
    }
}

/// Items of which each continues the one before.
struct Run {
    first: Piece,
    contents: Vec<Range<usize>>,
    length: u32,
}

impl Run {
    fn of(first: Piece) -> Self {
        Self {
            contents: vec![first.content.clone()],
            length: first.length,
            first,
        }
    }

    /// Whether an item with this id comes directly after, was written directly after, and before the same neighbour.
    fn goes_on(&self, piece: &Piece, (client, clock): (u64, u32), bytes: &[u8]) -> bool {
        piece.kind == self.first.kind
            && self.length > 0
            && piece.length > 0
            && piece.origin == clock.checked_sub(1).map(|before| (client, before))
            && bytes[piece.right.clone()] == bytes[self.first.right.clone()]
    }

    fn take(&mut self, piece: Piece) {
        self.length += piece.length;
        self.contents.push(piece.content);
    }
}

/// Writes a run as one item.
fn close(run: Option<Run>, bytes: &[u8], out: &mut Vec<u8>) {
    let Some(run) = run else {
        return;
    };
    out.extend_from_slice(&bytes[run.first.head]);
    out.write_var(match run.first.kind {
        STRING => run.contents.iter().map(ExactSizeIterator::len).sum(),
        _ => run.length as usize,
    });
    for content in run.contents {
        out.extend_from_slice(&bytes[content]);
    }
}

fn is_joinable(info: u8) -> bool {
    !matches!(info, GC | SKIP) && matches!(info & CONTENT_MASK, STRING | ANY)
}

/// A shorter update has too few items for their squares to matter.
const UPDATE_BYTES_MIN: usize = 2_048;
