//! The time that one input may take: 200 ms of this thread's processor for each 64 KiB of it that were begun.
//!
//! Processor time, and not the time on the wall, so that a busy machine finds nothing that is not there.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Runs something on an input of so many bytes.
///
/// # Panics
/// It took longer than such an input may.
pub fn hold(bytes: usize, run: impl FnOnce()) {
    let begin = processor_time();
    run();
    let taken = processor_time() - begin;
    let allowed = allowed(bytes);
    assert!(
        taken <= allowed,
        "an input of {bytes} bytes took {taken:?}, {allowed:?} are allowed"
    );
}

fn allowed(bytes: usize) -> Duration {
    let parts = bytes / PART_BYTES + 1;
    PART_TIME * u32::try_from(parts).unwrap_or(u32::MAX) * SLOWNESS
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

const PART_BYTES: usize = 64 * 1024;
const PART_TIME: Duration = Duration::from_millis(200);
/// How many times slower the code is than what is served: checked by a sanitizer and counted by the fuzzer, or not optimised.
const SLOWNESS: u32 = if cfg!(feature = "targets") {
    5
} else if cfg!(debug_assertions) {
    10
} else {
    1
};
