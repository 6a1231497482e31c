//! Memory for one read or one write at a time: each thread has one piece, so no connection holds any.

use std::cell::RefCell;

/// Lends the thread's scratch. What is in it means nothing.
pub(super) fn with<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.resize(SCRATCH_BYTES, 0);
        work(scratch)
    })
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// As much as is read or written at once. What a busy client sends between two reads is far less.
const SCRATCH_BYTES: usize = 64 * 1024;
