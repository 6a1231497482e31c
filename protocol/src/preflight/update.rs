//! The walk over an update: its items client by client, then its deletions.

use super::Bounds;
use super::scan::Scan;
use super::value;
use crate::FrameError;

/// Walks over the items of all clients.
pub(super) fn structs(scan: &mut Scan<'_>, bounds: &Bounds) -> Result<(), FrameError> {
    let mut budget = Budget::new(bounds);
    let mut clients = Vec::new();
    for _ in 0..scan.count("update's clients", SECTION_BYTES_MIN)? {
        clients.push(section(scan, bounds, &mut budget)?);
    }
    each_once(clients, scan)
}

/// Walks over the deleted ranges of all clients.
pub(super) fn deletions(scan: &mut Scan<'_>, bounds: &Bounds) -> Result<(), FrameError> {
    let mut budget = Budget::new(bounds);
    let mut clients = Vec::new();
    for _ in 0..scan.count("deletions' clients", 2)? {
        clients.push(scan.client("deletions' client id")?);
        let ranges = scan.count("deleted ranges", 2)?;
        budget.spend(ranges, scan)?;
        for _ in 0..ranges {
            let clock = scan.clock("deleted range's clock", bounds.clock_max)?;
            let at = scan.position();
            let length = scan.number("deleted range's length")?;
            check_clock(clock + length, bounds, at)?;
        }
    }
    each_once(clients, scan)
}

/// The items of one client, whose clocks follow one another; returns the client.
fn section(scan: &mut Scan<'_>, bounds: &Bounds, budget: &mut Budget) -> Result<u64, FrameError> {
    let structs = scan.count("client's items", STRUCT_BYTES_MIN)?;
    budget.spend(structs, scan)?;
    let client = scan.client("client id")?;
    let begin = scan.clock("client's clock", bounds.clock_max)?;
    let mut clock = begin;
    for _ in 0..structs {
        let at = scan.position();
        clock += item(scan, bounds)?;
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
fn each_once(mut clients: Vec<u64>, scan: &Scan<'_>) -> Result<(), FrameError> {
    clients.sort_unstable();
    match clients.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(_) => Err(FrameError::Repeated {
            field: "client",
            at: scan.position(),
        }),
        None => Ok(()),
    }
}

/// One item; returns how far it advances the clock.
fn item(scan: &mut Scan<'_>, bounds: &Bounds) -> Result<u64, FrameError> {
    let at = scan.position();
    let info = scan.byte("item's kind")?;
    match info {
        GC | SKIP => positive(scan, "collected or skipped length"),
        _ => {
            origins(scan, info)?;
            content(scan, info & CONTENT_BITS, bounds, at)
        }
    }
}

fn origins(scan: &mut Scan<'_>, info: u8) -> Result<(), FrameError> {
    if info & HAS_ORIGIN != 0 {
        id(scan, "item's origin")?;
    }
    if info & HAS_RIGHT_ORIGIN != 0 {
        id(scan, "item's right origin")?;
    }
    if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) != 0 {
        return Ok(());
    }
    if scan.number("item's parent")? == PARENT_IS_ROOT {
        scan.string("root type's name")?;
    } else {
        id(scan, "item's parent")?;
    }
    if info & HAS_KEY != 0 {
        scan.string("item's key")?;
    }
    Ok(())
}

fn content(scan: &mut Scan<'_>, kind: u8, bounds: &Bounds, at: usize) -> Result<u64, FrameError> {
    match kind {
        1 => positive(scan, "deleted length"),
        2 => repeated(scan, "JSON texts", |scan| value::json(scan, bounds)),
        3 => scan.bytes("binary content").map(|_| 1),
        4 => scan.string("text").map(utf16_length),
        5 => value::json(scan, bounds).map(|()| 1),
        6 => {
            scan.string("format's key")?;
            value::json(scan, bounds).map(|()| 1)
        }
        7 => shared_type(scan).map(|()| 1),
        8 => repeated(scan, "values", |scan| value::any(scan, bounds)),
        9 => {
            scan.string("subdocument's guid")?;
            value::any(scan, bounds).map(|()| 1)
        }
        _ => Err(FrameError::Unknown {
            field: "item's kind",
            at,
            value: u64::from(kind),
        }),
    }
}

fn shared_type(scan: &mut Scan<'_>) -> Result<(), FrameError> {
    let at = scan.position();
    match scan.number("shared type")? {
        XML_ELEMENT | XML_HOOK => scan.string("XML name").map(drop),
        0..=6 => Ok(()),
        value => Err(FrameError::Unknown {
            field: "shared type",
            at,
            value,
        }),
    }
}

/// A list of so many things, which is also its length.
fn repeated(
    scan: &mut Scan<'_>,
    field: &'static str,
    mut one: impl FnMut(&mut Scan<'_>) -> Result<(), FrameError>,
) -> Result<u64, FrameError> {
    let count = scan.count(field, 1)?;
    for _ in 0..count {
        one(scan)?;
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

fn id(scan: &mut Scan<'_>, field: &'static str) -> Result<(), FrameError> {
    scan.client(field)?;
    scan.clock(field, u64::from(u32::MAX)).map(drop)
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

/// How many more things an update may hold.
struct Budget {
    left: u64,
    max: u64,
}

impl Budget {
    fn new(bounds: &Bounds) -> Self {
        Self {
            left: bounds.structs_max,
            max: bounds.structs_max,
        }
    }

    fn spend(&mut self, count: u64, scan: &Scan<'_>) -> Result<(), FrameError> {
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(FrameError::TooMany {
                field: "items",
                at: scan.position(),
                max: usize::try_from(self.max).unwrap_or(usize::MAX),
            }),
        }
    }
}

const GC: u8 = 0;
const SKIP: u8 = 10;
const CONTENT_BITS: u8 = 0b0001_1111;
const HAS_KEY: u8 = 0b0010_0000;
const HAS_RIGHT_ORIGIN: u8 = 0b0100_0000;
const HAS_ORIGIN: u8 = 0b1000_0000;
const PARENT_IS_ROOT: u64 = 1;
const XML_ELEMENT: u64 = 3;
const XML_HOOK: u64 = 5;

/// A client's section has a count, an id and a clock.
const SECTION_BYTES_MIN: u64 = 3;
/// The shortest item: a kind and a length.
const STRUCT_BYTES_MIN: u64 = 2;
