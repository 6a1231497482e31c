//! Pre-flight: what the engine's library is never shown, because a few bytes of it could kill or starve the process.
//!
//! [`check_update`] and [`check_state_vector`] are the walks, [`check_presence`] looks at what other clients will parse.
//!
//! An update and a state vector are walked once, without building anything: every count is bounded by the bytes that
//! are there, every string is UTF-8, nesting is bounded, clocks and client ids stay within what they can be, nothing
//! follows the end, and what the library will need for it ([`Weight`]) is bounded. The walk reads on exactly where yrs
//! does: where the two could differ, an attacker would hide from it what yrs then meets. It allocates only for nesting
//! and the clients, and costs a small part of what integrating takes. Whether an update fits its document is not decided
//! here: this crate remembers nothing between two frames. All bounds are in `docs/limits.md`.
//!
//! The format is the first encoding of Yjs 13 (`yjs/src/utils/encoding.js`, `UpdateDecoder.js`, `DeleteSet.js`, and the
//! `structs` folder; `lib0/decoding.js` for values).

mod scan;
mod update;
mod value;

mod weight;
pub use weight::Weight;

use engine::PresenceEntry;

use crate::FrameError;
use scan::Scan;

/// The bounds of one message. What is beyond them is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Items, collected runs and skips in one update; also its deleted ranges, and the entries of a state vector.
    pub structs_max: u64,
    /// Clients in one update. yrs takes time that grows with the square of those that depend on each other in a row.
    pub clients_max: u64,
    /// What yrs may need at its peak to take one update in, as [`Weight::memory`] tells it, in bytes.
    pub memory_max: u64,
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
            structs_max: 1_000_000,
            clients_max: 50_000,
            memory_max: 512 * 1024 * 1024,
            depth_max: 128,
            clock_max: 1 << 31,
            advance_max: 1 << 26,
        }
    }
}

/// Checks an update, and tells what it weighs.
///
/// # Errors
/// It is not an update, or is beyond the bounds. `at` counts from the start of the update.
pub fn check_update(payload: &[u8], bounds: &Bounds) -> Result<Weight, FrameError> {
    let mut scan = Scan::new(payload);
    let mut weight = Weight {
        bytes: payload.len() as u64,
        ..Weight::default()
    };
    update::structs(&mut scan, bounds, &mut weight)?;
    update::deletions(&mut scan, bounds, &mut weight)?;
    scan.finish("update")?;
    weight.check(&scan, bounds)?;
    Ok(weight)
}

/// Checks a state vector.
///
/// # Errors
/// It is not a state vector, or is beyond the bounds. `at` counts from its start.
pub fn check_state_vector(have: &[u8], bounds: &Bounds) -> Result<(), FrameError> {
    let mut scan = Scan::new(have);
    let entries = scan.count("state vector's entries", 2)?;
    if entries > bounds.structs_max {
        return Err(FrameError::TooMany {
            field: "state vector's entries",
            at: scan.position(),
            max: usize::try_from(bounds.structs_max).unwrap_or(usize::MAX),
        });
    }
    for _ in 0..entries {
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
        if value::is_too_deep(state, bounds) || !value::is_json(state) {
            return Err(FrameError::NotJson {
                field: "awareness state",
            });
        }
    }
    Ok(())
}
