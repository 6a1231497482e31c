//! Logs: one event per line, for people on a terminal and as JSON elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people if standard error is a terminal, else JSON.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Sends logs to standard error from now on.
///
/// # Errors
/// The filter can not be read.
pub fn init(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = filter_of(filter)?;
    let terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    let set = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder
            .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none())
            .try_init()
    };
    set.map_err(|error| anyhow::anyhow!("logs can not be set up: {error}"))
}

/// Libraries that are heard only if they are named.
///
/// The automerge crate opens spans for every change and each of its columns, which takes longer to write down than the change
/// to read, and calls bad bytes of clients an error.
const QUIET: &str = "automerge=off";

/// The filter of some directives, which come after those of ours.
fn filter_of(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{QUIET},{directives}"))
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing::subscriber::with_default;

    use super::*;

    #[test]
    fn libraries_are_quiet_unless_they_are_named() {
        for (directives, server, library) in [
            ("info", true, false),
            ("debug", true, false),
            ("off", false, false),
            ("info,automerge=debug", true, true),
        ] {
            let filter = filter_of(directives).unwrap();
            let subscriber = tracing_subscriber::fmt().with_env_filter(filter).finish();
            with_default(subscriber, || {
                assert_eq!(
                    tracing::enabled!(target: "server::serve", Level::INFO),
                    server,
                    "{directives}"
                );
                assert_eq!(
                    tracing::enabled!(target: "automerge::storage", Level::INFO),
                    library,
                    "{directives}"
                );
            });
        }
    }
}
