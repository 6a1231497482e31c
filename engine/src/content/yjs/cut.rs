//! The part of an update that follows what is here, cut out of the bytes.
//!
//! An update (first encoding) is a section of structs for each client, and then a delete set. yrs integrates structs
//! that stand behind a hole, and goes wrong when the hole is filled; so each section is cut at its first hole. And it cuts
//! a struct that begins in what is here by its own parent, which a client that uses an id twice can make another than that
//! of what is here; so what is here is cut off, and the rest of such a struct is written as the continuation that it is
//! (both in `docs/decisions/0002-yrs-and-yjs.md`). An update must not wait as a whole for a hole: two updates with a hole
//! each, in two clients, would wait for each other for ever. The format is that of [`structs`](super::structs).

use std::ops::Range;

use yrs::encoding::read::{Cursor, Error, Read};
use yrs::encoding::write::Write;

use super::structs::{
    ANY, CONTENT_MASK, DELETED, GC, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Header, Id, Is, JSON, Parent,
    STRING, Struct, read_one,
};

/// The part of `update` that continues the clocks in `clock_of` without a hole, and its whole delete set.
pub(super) fn following(update: &[u8], clock_of: impl Fn(u64) -> u32) -> Result<Vec<u8>, Error> {
    let mut cursor = Cursor::new(update);
    let mut sections = Vec::new();
    for _ in 0..cursor.read_var::<u32>()? {
        sections.push(Section::read(&mut cursor, &clock_of)?);
    }
    Ok(join(update, sections, cursor.next))
}

/// The structs of one client that follow its clock.
struct Section {
    structs: u32,
    client: u64,
    clock: u32,
    /// The rest of a struct that begins in what is here, written anew.
    continuation: Vec<u8>,
    bytes: Range<usize>,
}

impl Section {
    fn read(cursor: &mut Cursor<'_>, clock_of: impl Fn(u64) -> u32) -> Result<Self, Error> {
        let Header {
            structs,
            client,
            mut clock,
        } = Header::read(cursor)?;
        let here = clock_of(client);
        let mut section = Self::beginning(client, here, cursor.next);
        let mut whole = clock <= here;
        for _ in 0..structs {
            let start = cursor.next;
            let Struct { length, is, .. } = Struct::read(cursor)?;
            let skip = is == Is::Hole;
            let end = clock.checked_add(length).ok_or(Error::UnexpectedValue)?;
            whole &= !skip || end <= here;
            if whole && end > here {
                section.take(cursor, start, here.saturating_sub(clock))?;
            }
            clock = end;
        }
        Ok(section)
    }

    fn beginning(client: u64, clock: u32, at: usize) -> Self {
        Self {
            structs: 0,
            client,
            clock,
            continuation: Vec::new(),
            bytes: at..at,
        }
    }

    /// Takes the struct that was just read over, but for its first `known` clocks.
    fn take(&mut self, cursor: &Cursor<'_>, start: usize, known: u32) -> Result<(), Error> {
        if known > 0 {
            let whole = &cursor.buf[start..cursor.next];
            self.continuation = continuation(whole, self.client, self.clock, known)?;
            self.bytes.start = cursor.next;
        } else if self.structs == 0 {
            self.bytes.start = start;
        }
        self.bytes.end = cursor.next;
        self.structs += 1;
        Ok(())
    }
}

fn join(update: &[u8], sections: Vec<Section>, deletes: usize) -> Vec<u8> {
    let taken: Vec<_> = sections
        .into_iter()
        .filter(|section| section.structs > 0)
        .collect();
    let mut part = Vec::with_capacity(update.len());
    part.write_var(u32::try_from(taken.len()).unwrap_or(u32::MAX));
    for section in taken {
        part.write_var(section.structs);
        part.write_var(section.client);
        part.write_var(section.clock);
        part.extend_from_slice(&section.continuation);
        part.extend_from_slice(&update[section.bytes]);
    }
    part.extend_from_slice(&update[deletes..]);
    part
}

/// A struct without its first `known` clocks: a struct at `clock` whose left neighbour is the one before, and which so has
/// the same parent as that.
fn continuation(whole: &[u8], client: u64, clock: u32, known: u32) -> Result<Vec<u8>, Error> {
    let mut cursor = Cursor::new(whole);
    let info = cursor.read_u8()?;
    let mut rest = Vec::with_capacity(whole.len());
    if info == GC {
        rest.write_u8(GC);
        rest.write_var(cursor.read_var::<u32>()? - known);
        return Ok(rest);
    }
    rest.write_u8(info & (CONTENT_MASK | HAS_RIGHT_ORIGIN) | HAS_ORIGIN);
    rest.write_var(client);
    rest.write_var(clock - 1);
    if info & HAS_ORIGIN != 0 {
        Id::read(&mut cursor)?;
    }
    let right = cursor.next;
    if info & HAS_RIGHT_ORIGIN != 0 {
        Id::read(&mut cursor)?;
        rest.extend_from_slice(&whole[right..cursor.next]);
    }
    if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
        Parent::read(&mut cursor, info)?;
    }
    write_content_from(&mut rest, &mut cursor, info & CONTENT_MASK, known)?;
    Ok(rest)
}

/// Writes what of the content is behind its first `known` clocks.
fn write_content_from(
    rest: &mut Vec<u8>,
    cursor: &mut Cursor<'_>,
    kind: u8,
    known: u32,
) -> Result<(), Error> {
    match kind {
        DELETED => rest.write_var(cursor.read_var::<u32>()? - known),
        STRING => {
            let units: Vec<u16> = cursor.read_string()?.encode_utf16().collect();
            rest.write_string(&String::from_utf16_lossy(&units[known as usize..]));
        }
        JSON | ANY => {
            rest.write_var(cursor.read_var::<u32>()? - known);
            for _ in 0..known {
                read_one(cursor, kind)?;
            }
            rest.extend_from_slice(&cursor.buf[cursor.next..]);
        }
        _ => return Err(Error::UnexpectedValue),
    }
    Ok(())
}
