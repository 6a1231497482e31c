//! The answer to clients that have nothing: all of the content, written out once for all who come within a short while.
//!
//! Without this, a crowd that joins a large document costs as many copies of it. Whoever comes while others edit is sent
//! the same bytes and what is new since; only when that is much is everything written out again.

use bytes::Bytes;

use crate::content::ContentError;
use crate::time::Now;

use super::showing::Showable;

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
    /// Everything, as one payload or two. `step` is the present one, unless edits are under way that are in no step yet.
    ///
    /// # Errors
    /// The library failed.
    pub(super) fn of(
        &mut self,
        content: &Showable<'_>,
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
        let state = content.everything()?;
        self.0 = (state.len() >= LARGE_BYTES).then(|| Written {
            state: state.clone(),
            have: content.have(),
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

/// Less is written out anew each time.
const LARGE_BYTES: usize = 64 * 1024;
/// What is new since is sent besides as long as it is less than such a part of everything.
const SINCE_PART_MAX: usize = 8;
/// How long it is kept: a crowd comes within seconds.
const KEPT_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::names::Kind;

    const NOW: Now = Now {
        monotonic_ms: 1_000,
        wall_ms: 0,
    };

    /// Client 1 types, at the beginning or behind what it has typed.
    fn typed(clock: u32, text: &[u8]) -> Bytes {
        let number = |mut number: u32, out: &mut Vec<u8>| {
            while number >= 0x80 {
                out.push(number as u8 | 0x80);
                number >>= 7;
            }
            out.push(number as u8);
        };
        let mut update = vec![1, 1, 1];
        number(clock, &mut update);
        match clock.checked_sub(1) {
            None => update.extend(*b"\x04\x01\x04text"),
            Some(before) => {
                update.extend([0x84, 1]);
                number(before, &mut update);
            }
        }
        number(text.len() as u32, &mut update);
        update.extend(text);
        update.push(0);
        update.into()
    }

    #[test]
    fn everything_is_written_once_and_what_is_new_since_beside_it() {
        let (mut content, mut whole) = (Content::new(Kind::Yjs).unwrap(), Whole::default());
        content.integrate(&typed(0, &[b'x'; 70_000])).unwrap();
        let first = whole.of(&Showable::all(&content), Some(1), NOW).unwrap();
        let again = whole.of(&Showable::all(&content), Some(1), NOW).unwrap();
        assert_eq!((first.len(), first[0].as_ptr()), (1, again[0].as_ptr()));
        content.integrate(&typed(70_000, b"y")).unwrap();
        let both = whole.of(&Showable::all(&content), Some(2), NOW).unwrap();
        assert_eq!((both.len(), both[0].as_ptr()), (2, first[0].as_ptr()));
        let mut fresh = Content::new(Kind::Yjs).unwrap();
        for payload in &both {
            fresh.integrate(payload).unwrap();
        }
        let have = |content: &Content| content.have(std::iter::empty());
        assert_eq!(have(&fresh), have(&content));
        content.integrate(&typed(70_001, &[b'z'; 30_000])).unwrap();
        assert_eq!(
            whole
                .of(&Showable::all(&content), Some(3), NOW)
                .unwrap()
                .len(),
            1,
            "much is new"
        );
    }

    #[test]
    fn it_is_kept_for_a_while_and_only_if_it_is_large() {
        let (mut content, mut whole) = (Content::new(Kind::Yjs).unwrap(), Whole::default());
        content.integrate(&typed(0, b"short")).unwrap();
        whole.of(&Showable::all(&content), Some(1), NOW).unwrap();
        assert_eq!(whole.until_ms(), None);
        content.integrate(&typed(5, &[b'x'; 70_000])).unwrap();
        whole.of(&Showable::all(&content), Some(2), NOW).unwrap();
        assert_eq!(whole.until_ms(), Some(6_000));
        whole.expire(Now {
            monotonic_ms: 6_000,
            ..NOW
        });
        assert_eq!(whole.until_ms(), None);
    }
}
