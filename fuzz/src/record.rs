//! What the store gives back of an ordered document: records of operations, and states of snapshots.

use engine::VectorClock;
use engine::ordered::{Record, State};

/// Reads the bytes as both.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    if let Ok(record) = Record::from_bytes(input) {
        assert_eq!(record.to_bytes(), input, "each record has one form");
    }
    if let Ok(state) = State::from_bytes(input, VectorClock::default()) {
        let bytes = state.to_bytes();
        let again = State::from_bytes(&bytes, VectorClock::default());
        assert_eq!(again.as_ref(), Ok(&state), "a state reads back");
        assert_eq!(again.map(|again| again.hash()), Ok(state.hash()));
        assert!(!state.json(None).is_empty(), "there is something to show");
        let half = state.text(None);
        assert!(std::str::from_utf8(&half).is_ok(), "text is UTF-8");
    }
}
