//! The walk over an update: its items client by client, then its deletions.

use smallvec::SmallVec;

use super::scan::Scan;
use super::value;
use super::{Bounds, Weight};
use crate::FrameError;

/// Walks over the items of all clients.
pub(super) fn structs(
    scan: &mut Scan<'_>,
    bounds: &Bounds,
    weight: &mut Weight,
) -> Result<(), FrameError> {
    let mut clients = Clients::new();
    for _ in 0..scan.count("update's clients", SECTION_BYTES_MIN)? {
        weight.clients += 1;
        weight.check(scan, bounds)?;
        clients.push(section(scan, bounds, weight)?);
    }
    each_once(clients, scan)
}

/// Walks over the deleted ranges of all clients, which lie in order and apart from each other, as writers sort and join
/// them. yrs takes time that grows with the square of their number where they do not.
pub(super) fn deletions(
    scan: &mut Scan<'_>,
    bounds: &Bounds,
    weight: &mut Weight,
) -> Result<(), FrameError> {
    let mut clients = Clients::new();
    for _ in 0..scan.count("deletions' clients", 2)? {
        clients.push(scan.client("deletions' client id")?);
        let ranges = scan.count("deleted ranges", 2)?;
        weight.ranges += ranges + 1;
        weight.check(scan, bounds)?;
        let mut free = 0;
        for _ in 0..ranges {
            free = deleted(scan, bounds, free)?;
        }
    }
    each_once(clients, scan)
}

/// One deleted range, which begins at `free` at the earliest; returns where the next may begin.
fn deleted(scan: &mut Scan<'_>, bounds: &Bounds, free: u64) -> Result<u64, FrameError> {
    let field = "deleted range's clock";
    let at = scan.position();
    let begin = scan.clock(field, bounds.clock_max)?;
    if begin < free {
        return Err(FrameError::OutOfRange { field, at });
    }
    let at = scan.position();
    let end = begin + positive(scan, "deleted range's length")?;
    check_clock(end, bounds, at)?;
    Ok(end)
}

/// The items of one client, whose clocks follow one another; returns the client.
fn section(scan: &mut Scan<'_>, bounds: &Bounds, weight: &mut Weight) -> Result<u64, FrameError> {
    let structs = scan.count("client's items", STRUCT_BYTES_MIN)?;
    weight.structs += structs;
    weight.check(scan, bounds)?;
    let client = scan.client("client id")?;
    let begin = scan.clock("client's clock", bounds.clock_max)?;
    let mut clock = begin;
    for _ in 0..structs {
        let at = scan.position();
        clock += item(scan, Id { client, clock }, bounds, weight)?;
        check_clock(clock, bounds, at)?;
        if clock - begin > bounds.advance_max {
            return Err(FrameError::OutOfRange {
                field: "client's advance",
                at,
            });
        }
    }
    Ok(client)
}

/// Writers give each client one section. yrs keeps pointers into items that a second one then replaces.
fn each_once(mut clients: Clients, scan: &Scan<'_>) -> Result<(), FrameError> {
    clients.sort_unstable();
    match clients.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(_) => Err(FrameError::Repeated {
            field: "client",
            at: scan.position(),
        }),
        None => Ok(()),
    }
}

/// The clients of an update: hardly ever more than one, and not worth an allocation then.
type Clients = SmallVec<[u64; 4]>;

/// The name of an item: who made it, and its place among all that its maker made.
#[derive(Clone, Copy)]
struct Id {
    client: u64,
    clock: u64,
}

/// One item; returns how far it advances the clock.
fn item(
    scan: &mut Scan<'_>,
    own: Id,
    bounds: &Bounds,
    weight: &mut Weight,
) -> Result<u64, FrameError> {
    let at = scan.position();
    let info = scan.byte("item's kind")?;
    match info {
        GC | SKIP => positive(scan, "collected or skipped length"),
        _ => {
            origins(scan, info, own, weight)?;
            content(scan, info & CONTENT_BITS, bounds, weight, at)
        }
    }
}

fn origins(scan: &mut Scan<'_>, info: u8, own: Id, weight: &mut Weight) -> Result<(), FrameError> {
    if info & HAS_ORIGIN != 0 {
        earlier(scan, own, "item's origin")?;
    }
    if info & HAS_RIGHT_ORIGIN != 0 {
        earlier(scan, own, "item's right origin")?;
    }
    if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) != 0 {
        return Ok(());
    }
    parent(scan, own, weight)?;
    if info & HAS_KEY != 0 {
        weight.keys += 1;
        scan.string("item's key")?;
    }
    Ok(())
}

/// The parent of an item without neighbours. What says of which kind it is may be 0 or 1: yrs cuts larger numbers to 32
/// bits and would read on differently from here.
fn parent(scan: &mut Scan<'_>, own: Id, weight: &mut Weight) -> Result<(), FrameError> {
    let (at, field) = (scan.position(), "item's parent");
    match scan.number(field)? {
        PARENT_IS_ROOT => {
            weight.roots += 1;
            scan.string("root type's name").map(drop)
        }
        PARENT_IS_ITEM => earlier(scan, own, field),
        value => Err(FrameError::Unknown { field, at, value }),
    }
}

/// The id of an item that was there when this one was made, and so is not this one or a later one of the same client.
fn earlier(scan: &mut Scan<'_>, own: Id, field: &'static str) -> Result<(), FrameError> {
    let at = scan.position();
    let client = scan.client(field)?;
    let clock = scan.clock(field, u64::from(u32::MAX))?;
    if client == own.client && clock >= own.clock {
        return Err(FrameError::OutOfRange { field, at });
    }
    Ok(())
}

/// What an item holds. Kind 2, the JSON texts of the first drafts of Yjs 13, is not served: yrs 0.28.1 reads one text too
/// many, and so reads all that follows at the wrong place.
fn content(
    scan: &mut Scan<'_>,
    kind: u8,
    bounds: &Bounds,
    weight: &mut Weight,
    at: usize,
) -> Result<u64, FrameError> {
    match kind {
        1 => positive(scan, "deleted length"),
        3 => scan.bytes("binary content").map(|_| 1),
        4 => scan.string("text").map(utf16_length),
        5 => value::json(scan, bounds, weight).map(|()| 1),
        6 => {
            scan.string("format's key")?;
            value::json(scan, bounds, weight).map(|()| 1)
        }
        7 => {
            weight.types += 1;
            shared_type(scan).map(|()| 1)
        }
        8 => values(scan, bounds, weight),
        9 => {
            weight.documents += 1;
            scan.string("subdocument's guid")?;
            value::any(scan, bounds, weight).map(|()| 1)
        }
        _ => Err(FrameError::Unknown {
            field: "item's kind",
            at,
            value: u64::from(kind),
        }),
    }
}

/// Which type it is takes one byte in yrs, however a number may be written. XML hooks, which no editor uses, are not
/// served: yrs 0.28.1 neither reads nor writes their name, so that what follows is read at the wrong place.
fn shared_type(scan: &mut Scan<'_>) -> Result<(), FrameError> {
    let (at, field) = (scan.position(), "shared type");
    match scan.byte(field)? {
        XML_ELEMENT => scan.string("XML name").map(drop),
        0..=4 | XML_TEXT => Ok(()),
        value => Err(FrameError::Unknown {
            field,
            at,
            value: value.into(),
        }),
    }
}

/// A list of values, whose number is also its length.
fn values(scan: &mut Scan<'_>, bounds: &Bounds, weight: &mut Weight) -> Result<u64, FrameError> {
    let count = scan.count("values", 1)?;
    for _ in 0..count {
        value::any(scan, bounds, weight)?;
    }
    Ok(count)
}

fn positive(scan: &mut Scan<'_>, field: &'static str) -> Result<u64, FrameError> {
    let at = scan.position();
    match scan.number(field)? {
        0 => Err(FrameError::OutOfRange { field, at }),
        length => Ok(length),
    }
}

fn check_clock(clock: u64, bounds: &Bounds, at: usize) -> Result<(), FrameError> {
    if clock <= bounds.clock_max {
        Ok(())
    } else {
        Err(FrameError::OutOfRange { field: "clock", at })
    }
}

/// JavaScript counts text in UTF-16 units, and so do clocks.
fn utf16_length(text: &str) -> u64 {
    let units = if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    };
    units as u64
}

const GC: u8 = 0;
const SKIP: u8 = 10;
const CONTENT_BITS: u8 = 0b0001_1111;
const HAS_KEY: u8 = 0b0010_0000;
const HAS_RIGHT_ORIGIN: u8 = 0b0100_0000;
const HAS_ORIGIN: u8 = 0b1000_0000;
const PARENT_IS_ITEM: u64 = 0;
const PARENT_IS_ROOT: u64 = 1;
const XML_ELEMENT: u8 = 3;
const XML_TEXT: u8 = 6;

/// A client's section has a count, an id and a clock.
const SECTION_BYTES_MIN: u64 = 3;
/// The shortest item: a kind and a length.
const STRUCT_BYTES_MIN: u64 = 2;
