//! The guard: what keeps a failure of a content library within the content that it happened in.
//!
//! Every call into a library goes through here. A panic is caught and becomes [`ContentError::Panicked`]; from then on the
//! content is *broken*: it is never used again, and never dropped either, because a library that was left half way may
//! hold dangling pointers that dropping would follow. The memory of broken content is given up; whoever rebuilds content
//! must bound how often that happens. Aborts and overflown stacks cannot be caught; for those the driver leaves a note
//! before each call ([`Document::next_replay`](crate::Document::next_replay)).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::ContentError;

/// A library's own state, and whether it may still be used.
pub(super) struct Guarded<T> {
    /// Always there, until it is given up.
    inner: Option<Box<T>>,
    broken: AtomicBool,
}

impl<T> Guarded<T> {
    pub(super) fn new(inner: T) -> Self {
        Self {
            inner: Some(Box::new(inner)),
            broken: AtomicBool::new(false),
        }
    }

    /// Calls something that reads.
    pub(super) fn read<R>(
        &self,
        call: impl FnOnce(&T) -> Result<R, ContentError>,
    ) -> Result<R, ContentError> {
        self.check()?;
        let result = alone(|| call(self.plain()));
        self.note(&result);
        result
    }

    /// Calls something that changes.
    pub(super) fn change<R>(
        &mut self,
        call: impl FnOnce(&mut T) -> Result<R, ContentError>,
    ) -> Result<R, ContentError> {
        self.check()?;
        let inner = self
            .inner
            .as_mut()
            .expect("it is given up only when dropped");
        let result = alone(|| call(inner));
        self.note(&result);
        result
    }

    /// The state, for what is read of it without the library; that may be had of broken content too.
    pub(super) fn plain(&self) -> &T {
        self.inner
            .as_ref()
            .expect("it is given up only when dropped")
    }

    pub(super) fn plain_mut(&mut self) -> &mut T {
        self.inner
            .as_mut()
            .expect("it is given up only when dropped")
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), ContentError> {
        if self.is_broken() {
            return Err(ContentError::Panicked("the content is broken".to_owned()));
        }
        Ok(())
    }

    fn note<R>(&self, result: &Result<R, ContentError>) {
        if let Err(error) = result
            && error.breaks()
        {
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        if self.is_broken() {
            std::mem::forget(self.inner.take());
        }
    }
}

/// Calls something that needs no state.
pub(crate) fn alone<R>(call: impl FnOnce() -> Result<R, ContentError>) -> Result<R, ContentError> {
    // Whatever the call leaves half done is broken content, which nobody looks into again.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(ContentError::Panicked(
            text.unwrap_or_else(|| "without a word".to_owned()),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Loud(&'static AtomicBool);

    impl Drop for Loud {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn broken_content_is_neither_used_nor_dropped() {
        static DROPPED: AtomicBool = AtomicBool::new(false);
        let mut guarded = Guarded::new(Loud(&DROPPED));
        assert_eq!(guarded.read(|_| Ok(1)), Ok(1));
        let failed = guarded.change(|_| -> Result<(), _> { panic!("of {}", "some kind") });
        assert_eq!(
            failed,
            Err(ContentError::Panicked("of some kind".to_owned()))
        );
        let again = guarded.read(|_| -> Result<(), _> { unreachable!("it is broken") });
        assert!(matches!(again, Err(ContentError::Panicked(_))));
        drop(guarded);
        assert!(!DROPPED.load(Ordering::Relaxed));
    }

    #[test]
    fn a_contradiction_breaks_content_and_bad_bytes_do_not() {
        static DROPPED: AtomicBool = AtomicBool::new(false);
        let mut guarded = Guarded::new(Loud(&DROPPED));
        let bad = || ContentError::Undecodable("no update".to_owned());
        assert_eq!(guarded.change(|_| Err::<(), _>(bad())), Err(bad()));
        assert!(!guarded.is_broken());
        let odd = || ContentError::Contradiction("odd".to_owned());
        assert_eq!(guarded.change(|_| Err::<(), _>(odd())), Err(odd()));
        assert!(guarded.is_broken());
        drop(Guarded::new(Loud(&DROPPED)));
        assert!(DROPPED.load(Ordering::Relaxed), "whole content is dropped");
    }
}
