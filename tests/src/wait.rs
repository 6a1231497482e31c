//! Waiting by condition: a test says what it waits for, and never how long that ought to take.
//!
//! Every wait ends at [`PATIENCE`], far longer than anything should take, and then says what did not come.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout};

/// After so long a wait is in vain.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until the condition holds.
///
/// # Errors
/// It did not within [`PATIENCE`], or looking failed.
pub async fn until<F>(what: &str, mut condition: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let deadline = Instant::now() + PATIENCE;
    while !condition().await? {
        if Instant::now() > deadline {
            return Err(in_vain(what));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Waits for something that says itself when it is done.
///
/// # Errors
/// It was not within [`PATIENCE`].
pub async fn within<T>(what: &str, done: impl Future<Output = T>) -> Result<T> {
    timeout(PATIENCE, done).await.map_err(|_| in_vain(what))
}

fn in_vain(what: &str) -> anyhow::Error {
    anyhow!("waited {} s in vain until {what}", PATIENCE.as_secs())
}

const LOOK_EVERY: Duration = Duration::from_millis(10);
