//! Panics that the engine catches, and that are findings all the same.
//!
//! The engine guards each call into a library and contains what panics there. Containing it is the last line, not the
//! first: what can panic is to be refused by pre-flight. So every panic ends a fuzzing run, but for those in [`KNOWN`].

use std::panic::PanicHookInfo;

use engine::ContentError;

/// A panic of a library that pre-flight can not tell from good input.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// How the file ends that it comes from.
    pub file: &'static str,
    /// How its message begins.
    pub message: &'static str,
    /// Why it is contained and not refused.
    pub reason: &'static str,
}

/// All panics that are known and only contained. There are none.
pub const KNOWN: [Known; 0] = [];

/// Lets known panics unwind, so that the engine contains them; any other ends the process, as libFuzzer would have it.
pub fn watch() {
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_known(panic) {
            abort(panic);
        }
    }));
}

fn is_known(panic: &PanicHookInfo<'_>) -> bool {
    let file = panic.location().map_or("", |location| location.file());
    let message = panic.payload_as_str().unwrap_or("");
    KNOWN
        .iter()
        .any(|known| file.ends_with(known.file) && message.starts_with(known.message))
}

/// What content answered.
///
/// # Panics
/// It failed to.
pub fn expect<T>(answer: Result<T, ContentError>) -> T {
    answer.unwrap_or_else(|error| panic!("content fails to answer: {error}"))
}

/// Takes note of how content refused something that pre-flight has let through.
///
/// # Panics
/// It did so because a library panicked, and that is not known; or because it does not decode, for pre-flight is to read
/// what the library reads.
pub fn judge(error: &ContentError) {
    assert!(
        !matches!(
            error,
            ContentError::Panicked(_)
                | ContentError::Undecodable(_)
                | ContentError::KindNotServed(_)
        ),
        "{error}"
    );
}
