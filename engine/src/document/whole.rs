//! The answer to clients that have nothing: all of the content, written out once for all who come within a short while.
//!
//! Without this, a crowd that joins a large document costs as many copies of it. Whoever comes while others edit is sent
//! the same bytes and what is new since; only when that is much is everything written out again.

use bytes::Bytes;

use crate::content::{Content, ContentError};
use crate::time::Now;

/// All of the content as it was a short while ago, if it is large and was asked for.
#[derive(Debug, Default)]
pub(super) struct Whole(Option<Written>);

#[derive(Debug)]
struct Written {
    state: Bytes,
    /// What `state` holds.
    have: Bytes,
    /// The step of the document that it shows.
    step: u64,
    until_ms: u64,
}

impl Whole {
    /// Whether a client has nothing.
    pub(super) fn answers(have: &[u8]) -> bool {
        have == NOTHING
    }

    /// Everything, as one payload or two. `step` is the present one, unless edits are under way that are in no step yet.
    ///
    /// # Errors
    /// The library failed.
    pub(super) fn of(
        &mut self,
        content: &Content,
        step: Option<u64>,
        now: Now,
    ) -> Result<Vec<Bytes>, ContentError> {
        if let Some(written) = &self.0 {
            if step == Some(written.step) {
                return Ok(vec![written.state.clone()]);
            }
            let since = content.missing_from(&written.have)?;
            if since.len() < written.state.len() / SINCE_PART_MAX {
                return Ok(vec![written.state.clone(), since]);
            }
        }
        let state = content.missing_from(NOTHING)?;
        self.0 = (state.len() >= LARGE_BYTES).then(|| Written {
            state: state.clone(),
            have: content.have(std::iter::empty()),
            step: step.unwrap_or(u64::MAX),
            until_ms: now.monotonic_ms + KEPT_MS,
        });
        Ok(vec![state])
    }

    /// Forgets it: it is not what the content holds any more, or its time has come.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// Forgets it once nobody else is likely to come for it.
    pub(super) fn expire(&mut self, now: Now) {
        if self
            .until_ms()
            .is_some_and(|until| now.monotonic_ms >= until)
        {
            self.forget();
        }
    }

    /// When it expires.
    pub(super) fn until_ms(&self) -> Option<u64> {
        self.0.as_ref().map(|written| written.until_ms)
    }
}

/// The state of a client that has nothing.
const NOTHING: &[u8] = &[0];
/// Less is written out anew each time.
const LARGE_BYTES: usize = 64 * 1024;
/// What is new since is sent besides as long as it is less than such a part of everything.
const SINCE_PART_MAX: usize = 8;
/// How long it is kept: a crowd comes within seconds.
const KEPT_MS: u64 = 5_000;
