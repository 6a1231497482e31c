//! What a test needs and a machine may lack: then the test says so and passes, unless it is required.
//!
//! `QUIRE_TEST_REQUIRE` lists what must not be missing, with commas: `traces`, `mount`, `redis`, `postgres`, `faketime`.

use std::env;

use anyhow::{Result, ensure};

/// Says that a test was left out for want of something.
///
/// # Errors
/// The thing is required.
pub fn missing(what: &str, reason: &str) -> Result<()> {
    let required = env::var("QUIRE_TEST_REQUIRE").unwrap_or_default();
    ensure!(
        !required.split(',').any(|word| word.trim() == what),
        "{what} is required: {reason}"
    );
    println!("SKIPPED, {what} is missing: {reason}");
    Ok(())
}
