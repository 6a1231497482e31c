//! State vectors: what pre-flight lets through is answered with an update that pre-flight lets through as well.

use protocol::preflight::{self, Bounds};

use crate::findings;
use crate::update;
use crate::writer;

/// Asks a document what a peer with this state vector lacks, and gives the answer to a peer that has nothing.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let bounds = Bounds::default();
    if preflight::check_state_vector(input, &bounds).is_err() {
        return;
    }
    for content in [writer::empty(), writer::document()] {
        match content.missing_from(input) {
            Ok(missing) => {
                let checked = preflight::check_update(&missing, &bounds);
                assert!(checked.is_ok(), "what we send we would take: {checked:?}");
                update::take(&mut writer::empty(), &missing);
            }
            Err(error) => findings::judge(&error),
        }
    }
}
