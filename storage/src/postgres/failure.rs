//! What Postgres' error codes mean: whether to ask again, on this connection or another, how soon, and what a caller is told.
//! The codes are those of its manual, Appendix A.

use std::time::Duration;

use sqlx::Error;

use crate::numbers::random;
use crate::store::StoreError;

/// Why something was not carried out.
#[derive(Debug)]
pub(super) enum Stop {
    /// On its own account: the answer.
    Refused(StoreError),
    /// Another transaction came between: what is stored is to be looked at again.
    Overtaken,
    /// The database failed.
    Failed(Error),
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Ask again on the same connection.
    Again,
    /// Ask again on another one; this one is of no more use.
    Elsewhere,
    /// Nothing that waiting would mend.
    None,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// What may help against a failure.
pub(super) fn remedy(error: &Error) -> Remedy {
    match error {
        Error::Database(error) => error.code().map_or(Remedy::None, |code| of_code(&code)),
        Error::PoolClosed | Error::Configuration(_) => Remedy::None,
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) => Remedy::Elsewhere,
        Error::PoolTimedOut | Error::WorkerCrashed => Remedy::Elsewhere,
        _ => Remedy::None,
    }
}

/// Waits before the next attempt: longer each time, and never as long as another node that failed at the same moment.
pub(super) async fn pause(attempts: u32) {
    let longest = PAUSE_MAX.min(PAUSE_MIN * 2_u32.pow(attempts.min(10)));
    let share = random() % 1_000;
    tokio::time::sleep(longest.mul_f64(share as f64 / 1_000.0)).await;
}

fn of_code(code: &str) -> Remedy {
    match code {
        // A serialization failure, a deadlock, a lock that was not to be had in time, a statement that took too long; a key
        // that another transaction has just taken.
        "40001" | "40P01" | "55P03" | "57014" | "23505" => Remedy::Again,
        // The server ends, crashed, starts, or became a standby; a transaction idled for too long; a refusal of our own.
        "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P03" => Remedy::Elsewhere,
        DISK_FULL => Remedy::None,
        // Connections that fail, and all that is short: connections above all.
        _ if code.starts_with("08") || code.starts_with("53") => Remedy::Elsewhere,
        _ => Remedy::None,
    }
}

/// The answer to a caller whose request failed so.
pub(super) fn store_error(error: &Error) -> StoreError {
    match error {
        Error::Database(said) if said.code().as_deref() == Some(DISK_FULL) => StoreError::Full,
        Error::PoolClosed => StoreError::Unavailable("store is closed".to_owned()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

const DISK_FULL: &str = "53100";

const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_stays_is_not() {
        for again in ["40001", "40P01", "55P03", "57014", "23505"] {
            assert_eq!(of_code(again), Remedy::Again, "{again}");
        }
        for elsewhere in ["57P01", "57P03", "25006", "08006", "53300", "53200"] {
            assert_eq!(of_code(elsewhere), Remedy::Elsewhere, "{elsewhere}");
        }
        for neither in ["53100", "42P01", "22021", "42501", "28P01"] {
            assert_eq!(of_code(neither), Remedy::None, "{neither}");
        }
    }
}
