//! The bounds of what a sync message may hold. Those of lists and names stand where these are read.

use crate::FrameError;

/// What one sync message may hold. What is beyond it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Changes in all its chunks together, and in the history of the documents among them.
    pub changes_max: usize,
    /// Operations in all its chunks together; also what these refer to, and what changes depend on.
    pub ops_max: u64,
    /// The largest counter that an operation may have: beyond it nobody could write any more.
    pub op_max: u64,
    /// Bytes that its deflated parts may have when they are inflated, all together.
    pub inflated_max: usize,
    /// How many times the length of the message they may have, if that is less and more than a MiB.
    pub inflated_ratio_max: usize,
    /// Bytes of keys, names of marks and messages, counted for each operation or change that has one: Automerge copies them.
    pub texts_max: u64,
}

/// What may be inflated however short a message is: a run of one letter deflates to less than a thousandth.
pub(super) const INFLATED_FREE: usize = 1024 * 1024;

impl Default for Bounds {
    fn default() -> Self {
        Self {
            changes_max: 1_000_000,
            ops_max: 1_000_000,
            op_max: 1 << 31,
            inflated_max: 64 * 1024 * 1024,
            inflated_ratio_max: 200,
            texts_max: 64 * 1024 * 1024,
        }
    }
}

/// What of the bounds is left while a message is walked over.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) changes: u64,
    pub(super) ops: u64,
    pub(super) references: u64,
    pub(super) inflated: usize,
    pub(super) texts: u64,
    pub(super) bounds: Bounds,
}

impl Budget {
    /// The budget of a message of so many bytes.
    pub(super) fn new(bounds: &Bounds, bytes: usize) -> Self {
        let by_length = bytes.saturating_mul(bounds.inflated_ratio_max);
        Self {
            changes: bounds.changes_max as u64,
            ops: bounds.ops_max,
            references: bounds.ops_max,
            inflated: by_length.max(INFLATED_FREE).min(bounds.inflated_max),
            texts: bounds.texts_max,
            bounds: *bounds,
        }
    }

    /// Notes changes.
    pub(super) fn change(&mut self, count: u64, at: usize) -> Result<(), FrameError> {
        let max = self.bounds.changes_max as u64;
        self.changes = spend(self.changes, count, "changes", at, max)?;
        Ok(())
    }

    /// Notes operations.
    pub(super) fn operate(&mut self, count: u64, at: usize) -> Result<(), FrameError> {
        self.ops = spend(self.ops, count, "operations", at, self.bounds.ops_max)?;
        Ok(())
    }

    /// Notes what something refers to.
    pub(super) fn refer(&mut self, count: u64, at: usize) -> Result<(), FrameError> {
        let max = self.bounds.ops_max;
        self.references = spend(self.references, count, "references", at, max)?;
        Ok(())
    }

    /// Notes a text that one row has.
    pub(super) fn say(&mut self, text: &str, at: usize) -> Result<(), FrameError> {
        let (field, max) = ("bytes of texts", self.bounds.texts_max);
        self.texts = spend(self.texts, text.len() as u64, field, at, max)?;
        Ok(())
    }
}

fn spend(
    left: u64,
    count: u64,
    field: &'static str,
    at: usize,
    max: u64,
) -> Result<u64, FrameError> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    left.checked_sub(count)
        .ok_or(FrameError::TooMany { field, at, max })
}
