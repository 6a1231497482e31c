//! The part of an update that follows what is here without a hole, cut out of the bytes.
//!
//! An update (first encoding) is a section of structs for each client, and then a delete set. yrs integrates structs
//! that stand behind a hole, and goes wrong when the hole is filled (`docs/decisions/0002-yrs-and-yjs.md`); so each
//! section is cut at its first hole. An update must not wait as a whole for that: two updates with a hole each, in two
//! clients, would wait for each other for ever. The format is that of `yjs/src/utils/encoding.js` and `src/structs/`.

use std::ops::Range;

use yrs::Any;
use yrs::encoding::read::{Cursor, Error, Read};
use yrs::encoding::write::Write;

/// The part of `update` that continues the clocks in `clock_of`, and its whole delete set; `None` if that is all of it.
pub(super) fn following(
    update: &[u8],
    clock_of: impl Fn(u64) -> u32,
) -> Result<Option<Vec<u8>>, Error> {
    let mut cursor = Cursor::new(update);
    let mut sections = Vec::new();
    let mut whole = true;
    for _ in 0..cursor.read_var::<u32>()? {
        let section = Section::read(&mut cursor, &clock_of)?;
        whole &= section.whole;
        sections.push(section);
    }
    Ok((!whole).then(|| join(update, sections, cursor.next)))
}

/// The structs of one client that follow its clock.
struct Section {
    structs: u32,
    client: u64,
    clock: u32,
    bytes: Range<usize>,
    whole: bool,
}

impl Section {
    fn read(cursor: &mut Cursor<'_>, clock_of: impl Fn(u64) -> u32) -> Result<Self, Error> {
        let count: u32 = cursor.read_var()?;
        let client = cursor.read_var()?;
        let clock: u32 = cursor.read_var()?;
        let here = clock_of(client);
        let mut section = Self {
            structs: 0,
            client,
            clock,
            bytes: cursor.next..cursor.next,
            whole: clock <= here,
        };
        let mut end = u64::from(clock);
        for _ in 0..count {
            let (length, skip) = read_struct(cursor)?;
            end += u64::from(length);
            section.whole &= !skip || end <= u64::from(here);
            if section.whole {
                section.structs += 1;
                section.bytes.end = cursor.next;
            }
        }
        Ok(section)
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
        part.extend_from_slice(&update[section.bytes]);
    }
    part.extend_from_slice(&update[deletes..]);
    part
}

/// Reads over one struct; gives its length in clock units, and whether it only stands for a hole.
fn read_struct(cursor: &mut Cursor<'_>) -> Result<(u32, bool), Error> {
    let info = cursor.read_u8()?;
    match info {
        GC | SKIP => Ok((cursor.read_var()?, info == SKIP)),
        _ => {
            read_place(cursor, info)?;
            Ok((read_content(cursor, info & CONTENT_MASK)?, false))
        }
    }
}

/// The neighbours of an item or, where it has none to take them from, its parent and key.
fn read_place(cursor: &mut Cursor<'_>, info: u8) -> Result<(), Error> {
    for flag in [HAS_ORIGIN, HAS_RIGHT_ORIGIN] {
        if info & flag != 0 {
            read_id(cursor)?;
        }
    }
    if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) != 0 {
        return Ok(());
    }
    match cursor.read_var::<u32>()? {
        PARENT_IS_NAMED => drop(cursor.read_string()?),
        _ => read_id(cursor)?,
    }
    if info & HAS_KEY != 0 {
        cursor.read_string()?;
    }
    Ok(())
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    cursor.read_var::<u64>()?;
    cursor.read_var::<u32>()?;
    Ok(())
}

fn read_content(cursor: &mut Cursor<'_>, kind: u8) -> Result<u32, Error> {
    match kind {
        DELETED => cursor.read_var(),
        JSON => read_many(cursor, |cursor| cursor.read_string().map(drop)),
        ANY => read_many(cursor, |cursor| Any::decode(cursor).map(drop)),
        STRING => {
            let units = cursor.read_string()?.encode_utf16().count();
            u32::try_from(units).map_err(|_| Error::UnexpectedValue)
        }
        _ => read_single(cursor, kind).map(|()| 1),
    }
}

fn read_many(
    cursor: &mut Cursor<'_>,
    read: impl Fn(&mut Cursor<'_>) -> Result<(), Error>,
) -> Result<u32, Error> {
    let count = cursor.read_var()?;
    (0..count).try_for_each(|_| read(cursor))?;
    Ok(count)
}

fn read_single(cursor: &mut Cursor<'_>, kind: u8) -> Result<(), Error> {
    match kind {
        BINARY => drop(cursor.read_buf()?),
        EMBED => drop(cursor.read_string()?),
        FORMAT => {
            cursor.read_string()?;
            cursor.read_string()?;
        }
        TYPE => {
            if matches!(cursor.read_var::<u32>()?, TYPE_XML_ELEMENT | TYPE_XML_HOOK) {
                cursor.read_string()?;
            }
        }
        DOCUMENT => {
            cursor.read_string()?;
            Any::decode(cursor)?;
        }
        _ => return Err(Error::UnexpectedValue),
    }
    Ok(())
}

// The first byte of a struct: flags, and below them the kind of content.
const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_KEY: u8 = 0x20;
const CONTENT_MASK: u8 = 0x1f;
const PARENT_IS_NAMED: u32 = 1;

const GC: u8 = 0;
const DELETED: u8 = 1;
const JSON: u8 = 2;
const BINARY: u8 = 3;
const STRING: u8 = 4;
const EMBED: u8 = 5;
const FORMAT: u8 = 6;
const TYPE: u8 = 7;
const ANY: u8 = 8;
const DOCUMENT: u8 = 9;
const SKIP: u8 = 10;

const TYPE_XML_ELEMENT: u32 = 3;
const TYPE_XML_HOOK: u32 = 5;
