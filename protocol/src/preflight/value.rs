//! The walk over values: lib0's binary "any", and JSON texts. Neither recurses, so that nesting costs no stack.

use serde::de::IgnoredAny;

use super::scan::Scan;
use super::{Bounds, Weight};
use crate::FrameError;

/// Walks over one value (`lib0/encoding.js`, `writeAny`).
pub(super) fn any(
    scan: &mut Scan<'_>,
    bounds: &Bounds,
    weight: &mut Weight,
) -> Result<(), FrameError> {
    let mut open: Vec<Container> = Vec::new();
    loop {
        weight.values += 1;
        if let Some(inner) = leaf_or_container(scan)? {
            if open.len() == bounds.depth_max {
                return Err(too_deep("value", scan, bounds));
            }
            weight.containers += 1;
            open.push(inner);
        }
        while open.last().is_some_and(|container| container.left == 0) {
            open.pop();
        }
        match open.last_mut() {
            None => return Ok(()),
            Some(container) => container.next(scan)?,
        }
    }
}

/// Walks over a JSON text. Real editors print it with `JSON.stringify`; the clients that are shown it parse it, and one
/// whose parser fails on an update is stuck.
pub(super) fn json(
    scan: &mut Scan<'_>,
    bounds: &Bounds,
    weight: &mut Weight,
) -> Result<(), FrameError> {
    let field = "JSON text";
    let text = scan.string(field)?.as_bytes();
    let outline = Outline::of(text);
    if outline.depth > bounds.depth_max {
        return Err(too_deep(field, scan, bounds));
    }
    weight.values += outline.values;
    weight.containers += outline.containers;
    if !is_json(text) {
        return Err(FrameError::NotJson { field });
    }
    Ok(())
}

/// Whether a text is JSON. What it says is not looked at.
pub(super) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Whether a JSON text is nested more deeply than is accepted. What is within its strings does not count.
pub(super) fn is_too_deep(text: &[u8], bounds: &Bounds) -> bool {
    Outline::of(text).depth > bounds.depth_max
}

/// What can be seen of a JSON text without parsing it.
#[derive(Default)]
struct Outline {
    depth: usize,
    values: u64,
    containers: u64,
}

impl Outline {
    fn of(text: &[u8]) -> Self {
        let mut outline = Self {
            values: 1,
            ..Self::default()
        };
        let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
        for byte in text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'[' | b'{' if !in_string => {
                    depth += 1;
                    outline.containers += 1;
                    outline.values += 1;
                    outline.depth = outline.depth.max(depth);
                }
                b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
                b',' if !in_string => outline.values += 1,
                _ => {}
            }
        }
        outline
    }
}

/// An object or an array that is being walked over.
struct Container {
    left: u64,
    has_keys: bool,
}

impl Container {
    fn next(&mut self, scan: &mut Scan<'_>) -> Result<(), FrameError> {
        self.left -= 1;
        if self.has_keys {
            scan.string("object's key")?;
        }
        Ok(())
    }
}

/// One tag with what belongs to it; a container's members are still to come.
fn leaf_or_container(scan: &mut Scan<'_>) -> Result<Option<Container>, FrameError> {
    let at = scan.position();
    match scan.byte("value's kind")? {
        UNDEFINED | NULL | FALSE | TRUE => Ok(None),
        INTEGER => integer(scan).map(|()| None),
        FLOAT32 => scan.take(4, "number").map(|_| None),
        FLOAT64 | BIGINT => scan.take(8, "number").map(|_| None),
        STRING => scan.string("string").map(|_| None),
        BUFFER => scan.bytes("buffer").map(|_| None),
        OBJECT => container(scan, 2, true),
        ARRAY => container(scan, 1, false),
        value => Err(FrameError::Unknown {
            field: "value's kind",
            at,
            value: u64::from(value),
        }),
    }
}

fn container(
    scan: &mut Scan<'_>,
    bytes_min: u64,
    has_keys: bool,
) -> Result<Option<Container>, FrameError> {
    let left = scan.count("members", bytes_min)?;
    Ok(Some(Container { left, has_keys }))
}

/// A signed number: six bits and a sign in the first byte, then seven bits a byte, 53 bits in all.
fn integer(scan: &mut Scan<'_>) -> Result<(), FrameError> {
    let at = scan.position();
    for _ in 0..INTEGER_BYTES_MAX {
        if scan.byte("integer")? < 0x80 {
            return Ok(());
        }
    }
    Err(FrameError::OutOfRange {
        field: "integer",
        at,
    })
}

fn too_deep(field: &'static str, scan: &Scan<'_>, bounds: &Bounds) -> FrameError {
    FrameError::TooDeep {
        field,
        at: scan.position(),
        max: bounds.depth_max,
    }
}

const UNDEFINED: u8 = 127;
const NULL: u8 = 126;
const INTEGER: u8 = 125;
const FLOAT32: u8 = 124;
const FLOAT64: u8 = 123;
const BIGINT: u8 = 122;
const FALSE: u8 = 121;
const TRUE: u8 = 120;
const STRING: u8 = 119;
const OBJECT: u8 = 118;
const ARRAY: u8 = 117;
const BUFFER: u8 = 116;

const INTEGER_BYTES_MAX: usize = 8;
