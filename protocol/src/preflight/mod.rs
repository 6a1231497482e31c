//! Pre-flight: what the engine's library is never shown, because a few bytes of it could kill or starve the process.
//!
//! [`check_update`] and [`check_state_vector`] are the walks, [`check_presence`] looks at what other clients will parse.
//!
//! An update and a state vector are walked once, without building anything: every count is bounded by the bytes that
//! are there, every string is UTF-8, nesting is bounded, clocks and client ids stay within what they can be, and nothing
//! follows the end. The walk allocates only for nesting, and costs a small part of what integrating takes. Whether an
//! update fits its document is not decided here: this crate remembers nothing between two frames.
//!
//! The format is the first encoding of Yjs 13 (`yjs/src/utils/encoding.js`, `UpdateDecoder.js`, `DeleteSet.js`, and the
//! `structs` folder; `lib0/decoding.js` for values).

mod scan;
mod update;
mod value;

use engine::PresenceEntry;
use serde::de::IgnoredAny;

use crate::FrameError;
use scan::Scan;

/// The bounds of one message. What is beyond them is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Items, skips, and deleted ranges in one update.
    pub structs_max: u64,
    /// Nesting of a value, or of a JSON text.
    pub depth_max: usize,
    /// The largest clock that an update may reach: beyond it a client could write no more.
    pub clock_max: u64,
    /// How far one update may advance one client's clock.
    pub advance_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            structs_max: 4_000_000,
            depth_max: 128,
            clock_max: 1 << 31,
            advance_max: 1 << 26,
        }
    }
}

/// Checks an update.
///
/// # Errors
/// It is not an update, or is beyond the bounds. `at` counts from the start of the update.
pub fn check_update(payload: &[u8], bounds: &Bounds) -> Result<(), FrameError> {
    let mut scan = Scan::new(payload);
    update::structs(&mut scan, bounds)?;
    update::deletions(&mut scan, bounds)?;
    scan.finish("update")
}

/// Checks a state vector.
///
/// # Errors
/// It is not a state vector, or is beyond the bounds. `at` counts from its start.
pub fn check_state_vector(have: &[u8], bounds: &Bounds) -> Result<(), FrameError> {
    let mut scan = Scan::new(have);
    for _ in 0..scan.count("state vector's entries", 2)? {
        scan.client("state vector's client id")?;
        scan.clock("state vector's clock", bounds.clock_max)?;
    }
    scan.finish("state vector")
}

/// Checks that what a client shows of itself is JSON: other clients parse it, and one that is shown anything else, or
/// nesting beyond what its parser takes, fails. Nothing is built of it.
///
/// # Errors
/// A state is not JSON, or is beyond the bounds.
pub fn check_presence(entries: &[PresenceEntry], bounds: &Bounds) -> Result<(), FrameError> {
    let states = entries.iter().filter_map(|entry| entry.state.as_ref());
    for state in states {
        let parsed = serde_json::from_slice::<IgnoredAny>(state);
        if parsed.is_err() || value::is_too_deep(state, bounds) {
            return Err(FrameError::NotJson {
                field: "awareness state",
            });
        }
    }
    Ok(())
}
