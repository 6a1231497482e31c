//! CBOR (RFC 8949), as the npm package `cbor-x` writes and reads it with `useRecords` and `tagUint8Array` off.
//!
//! Its habits: the length of a map always takes two bytes, what a JavaScript object has no value for is *undefined*,
//! integers beyond 32 bits are doubles, and bytes may stand behind tag 64. Strings of indefinite length it does not read, and
//! neither do we; lists and maps of indefinite length it does.

mod reader;
pub(super) use reader::Reader;

mod writer;
pub(super) use writer::Writer;

use bytes::Bytes;

use crate::FrameError;

/// Checks that bytes are one value, nested at most `depth_max` deep. What is not would fail in the clients that it is
/// passed on to.
///
/// # Errors
/// They are not.
pub fn check_value(bytes: &Bytes, depth_max: usize) -> Result<(), FrameError> {
    let mut reader = Reader::new(bytes);
    reader.skip_within("value", depth_max)?;
    reader.finish("value")
}

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const FALSE: u64 = 20;
const TRUE: u64 = 21;
const NULL: u64 = 22;
const UNDEFINED: u64 = 23;

/// Stands before bytes that are a typed array of JavaScript.
const TAG_BYTES: u64 = 64;
