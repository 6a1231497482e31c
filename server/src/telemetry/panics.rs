//! Panics: counted and logged with the place in the source, and never with their text, which may quote content.

use std::panic::{PanicHookInfo, set_hook};

use tracing::error;

use super::metrics;

/// Has every panic of this process logged and counted from now on, whether it is caught or not.
pub fn watch() {
    set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    metrics::panicked();
    let place = info.location().map(ToString::to_string);
    error!(
        place,
        "a panic was caught; its text is left out because it may quote content"
    );
}
