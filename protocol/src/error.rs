//! Why a frame was refused: which part of it, and at which byte. Never what was in it, so that every message may be
//! logged.

use thiserror::Error;

/// Why a frame was refused. `at` counts bytes from the start of the frame, from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The frame has no bytes.
    #[error("frame is empty")]
    Empty,
    /// The frame, or the part of it that held the field, ends within the field.
    #[error("{field} is cut off at byte {at}")]
    Truncated {
        /// What was being read.
        field: &'static str,
        /// Where the bytes ended.
        at: usize,
    },
    /// A declared length goes beyond the bytes that are there.
    #[error("{field} at byte {at} declares {declared} bytes, {available} are left")]
    TooLong {
        /// What was being read.
        field: &'static str,
        /// Where its first byte would be.
        at: usize,
        /// The declared length.
        declared: u64,
        /// How many bytes are left.
        available: usize,
    },
    /// A number does not end, or is larger than the field can hold.
    #[error("{field} at byte {at} is out of range")]
    OutOfRange {
        /// What was being read.
        field: &'static str,
        /// Where the number begins.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("{field} is not utf-8 at byte {at}")]
    NotUtf8 {
        /// What was being read.
        field: &'static str,
        /// The first byte that does not fit.
        at: usize,
    },
    /// A number stands for nothing that the dialect knows.
    #[error("{field} {value} at byte {at} is unknown")]
    Unknown {
        /// What was being read.
        field: &'static str,
        /// Where the number begins.
        at: usize,
        /// The number.
        value: u64,
    },
    /// Bytes are left over where the field should have ended.
    #[error("{field} goes on after its end at byte {at}")]
    Trailing {
        /// What was being read.
        field: &'static str,
        /// The first byte too many.
        at: usize,
    },
    /// There are more of something in one frame than are accepted.
    #[error("more than {max} {field} up to byte {at}")]
    TooMany {
        /// What was being counted, in the plural.
        field: &'static str,
        /// Where the first one too many begins.
        at: usize,
        /// How many are accepted.
        max: usize,
    },
    /// Something stands twice that may stand once.
    #[error("{field} is repeated before byte {at}")]
    Repeated {
        /// What was being read.
        field: &'static str,
        /// Where that was noticed.
        at: usize,
    },
    /// Something is nested more deeply than is accepted.
    #[error("{field} is nested more than {max} deep at byte {at}")]
    TooDeep {
        /// What was being read.
        field: &'static str,
        /// Where it was given up.
        at: usize,
        /// The deepest nesting that is accepted.
        max: usize,
    },
    /// A text that clients will parse as JSON is not JSON, or is nested too deeply for them.
    #[error("{field} is not JSON that clients can parse")]
    NotJson {
        /// What was being read.
        field: &'static str,
    },
    /// Something that every message of its kind has is not there.
    #[error("{field} is missing")]
    Missing {
        /// What was looked for.
        field: &'static str,
    },
    /// The bytes are there, but are not what only they can be: a checksum, say, or deflated data.
    #[error("{field} at byte {at} is wrong")]
    Wrong {
        /// What was being read.
        field: &'static str,
        /// Where it begins.
        at: usize,
    },
}
