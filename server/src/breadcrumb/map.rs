//! The one place of this program with `unsafe` in it: a stretch of a file, mapped into memory, so that what is written
//! there outlives the process without a system call.

use std::fs::File;
use std::io;

use memmap2::{MmapMut, MmapOptions};

/// Maps `length` bytes of a file from `offset` on, a multiple of the page size.
///
/// The file has to have its blocks already: where the disk has no room for a page that is written to for the first
/// time, the system ends the process.
#[expect(
    unsafe_code,
    reason = "a mapped file is shared with whoever else may write it, which no type can rule out"
)]
pub(super) fn map(file: &File, offset: u64, length: usize) -> io::Result<MmapMut> {
    // SAFETY: nobody else writes or shortens the file while it is mapped. It lies in the data folder, which this process
    // has locked against a second server; this program opens it anew only at start, before it is mapped; and every
    // stretch is mapped once, so there is one `&mut` to it at a time.
    unsafe { MmapOptions::new().offset(offset).len(length).map_mut(file) }
}
